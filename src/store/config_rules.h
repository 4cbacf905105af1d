/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/rules.h"
#include "store/config_db.h"

/* The rules of policy/rules.h in config.db: limits, restrictions, addresses a user may send as. As
 * lists do, a change is one transaction and one version, rows are never edited, and the change log
 * tells what was before and after. Unlike a list entry a rule keeps its id when it is changed,
 * because limits, alerts and records name it. Same thread and lock as config_db.h. */

struct config_rule {
    struct rule_row row; /* its slices, and those below: of the caller when adding, else they live
                            until the visitor returns */
    struct str comment;
    struct str author; /* of the last change; not read when adding */
    int64_t created_wall_ns;
    uint64_t version; /* that brought it as it is */
};
typedef bool config_rule_visit(void *context, const struct config_rule *rule); /* false: stop */

/* Those in force, in order of id. */
MUST_USE int config_db_each_rule(struct config_db *db, config_rule_visit *visit, void *context);
/* Of one kind, whose subject, value or comment contains `contains` (may be empty), newest id first,
 * id < before_id (0: from the top), at most `limit`. */
MUST_USE int config_db_rules(struct config_db *db, enum rule_kind kind, struct str contains,
                             uint64_t before_id, size_t limit, config_rule_visit *visit,
                             void *context);
/* -ENOENT when there is none of that kind with that id in force. */
MUST_USE int config_db_rule(struct config_db *db, enum rule_kind kind, uint64_t id,
                            config_rule_visit *visit, void *context);

/* Called when the change stands in the database, before it is committed: the caller builds what it
 * needs from it. Negative: the change is rolled back and this is the result. */
typedef int config_rule_build(void *context, struct config_db *db);

struct config_rule_result {
    uint64_t id;
    uint64_t version; /* the one in force after it */
    bool added;
    bool changed; /* neither: it was there and said the same; nothing is built */
};
/* Subject and value must be canonical (rule_check()). row.id 0: a new rule, or the one that stands
 * for the same subject (and unit and window) already. Else that rule becomes this: -ENOENT when it
 * is not there, -EEXIST when another one stands for the subject, its id in ret->id; -ENOSPC: there
 * are RULES_MAX rules. */
MUST_USE int config_db_put_rule(struct config_db *db, const struct config_rule *rule,
                                const char *author, int64_t wall_ns, config_rule_build *build,
                                void *context, struct config_rule_result *ret);
/* -ENOENT. */
MUST_USE int config_db_remove_rule(struct config_db *db, enum rule_kind kind, uint64_t id,
                                   const char *author, int64_t wall_ns, config_rule_build *build,
                                   void *context, uint64_t *ret_version);
