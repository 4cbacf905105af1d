/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Schema 2 of config.db: rules that an administrator writes one by one. */
static const char config_migration_0002[] =
    "CREATE TABLE IF NOT EXISTS rules (\n"
    "  row INTEGER PRIMARY KEY, -- rows stay for ever: a rule that changes ends and begins anew\n"
    "  id INTEGER NOT NULL,     -- of the rule, over all its changes; never used twice\n"
    "  kind INTEGER NOT NULL,   -- 1 quota, 2 restriction, 3 identity\n"
    "  subject TEXT NOT NULL,   -- canonical\n"
    "  slot TEXT NOT NULL,      -- quota: its unit and window, 'recipients/day'; else ''\n"
    "  value TEXT NOT NULL,     -- canonical\n"
    "  text TEXT NOT NULL,      -- the refusal's own text, or ''\n"
    "  comment TEXT NOT NULL,\n"
    "  author TEXT NOT NULL,    -- of this row\n"
    "  created_wall_ns INTEGER NOT NULL, -- of this row\n"
    "  expires_s INTEGER NOT NULL, -- Unix time; 0: never\n"
    "  added_version INTEGER NOT NULL,\n"
    "  removed_version INTEGER  -- first version without this row; NULL: in force\n"
    ");\n"
    "CREATE UNIQUE INDEX IF NOT EXISTS rules_alive ON rules (id) WHERE removed_version IS NULL;\n"
    "CREATE UNIQUE INDEX IF NOT EXISTS rules_subject ON rules (kind, subject, slot)\n"
    "  WHERE removed_version IS NULL;\n"
    "CREATE INDEX IF NOT EXISTS rules_by_id ON rules (id);\n";
