/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Schema 2 of api.db: the oldest rows of the audit log may go, and the chain begins after them. */
static const char api_migration_0002[] =
    "CREATE TABLE IF NOT EXISTS audit_start (\n"
    "  one INTEGER PRIMARY KEY CHECK (one = 1),\n"
    "  id INTEGER NOT NULL, -- of the newest row that was removed for its age\n"
    "  hash BLOB NOT NULL   -- its hash, on which the first row that is left goes on\n"
    ");\n"
    "DROP TRIGGER IF EXISTS audit_is_not_removed;\n"
    "CREATE TRIGGER IF NOT EXISTS audit_is_not_removed BEFORE DELETE ON audit\n"
    "  WHEN OLD.id > (SELECT coalesce(max(id), 0) FROM audit_start)\n"
    "  BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;\n";
