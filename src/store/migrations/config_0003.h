/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Schema 3 of config.db: what administrators did to the state by hand. The state itself keeps only
 * numbers, so who and why stand here. */
static const char config_migration_0003[] =
    "CREATE TABLE IF NOT EXISTS commands (\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  wall_ns INTEGER NOT NULL, -- Unix time in nanoseconds\n"
    "  author TEXT NOT NULL,\n"
    "  subject TEXT NOT NULL,    -- 'blacklist 192.0.2.1', 'blacklist 2001:db8::/64'\n"
    "  what TEXT NOT NULL,       -- 'add', 'release', ...\n"
    "  comment TEXT NOT NULL\n"
    ");\n"
    "CREATE INDEX IF NOT EXISTS commands_by_subject ON commands (subject, id);\n";
