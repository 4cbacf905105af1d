/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <yaml.h>

#include "settings/settings_builder.h"

/* Inside of settings/: libyaml's events, and the sentences for files that are not YAML or more of
 * YAML than settings need. */

struct yaml_source {
    yaml_parser_t parser;
    struct str yaml;
    struct setting_problem *problem;
};

struct setting_place yaml_place(yaml_mark_t mark);
/* Both fill *problem and give false. */
bool yaml_refuse(struct yaml_source *source, yaml_mark_t mark, struct str sentence);
/* `"name" SENTENCE` */
bool yaml_refuse_name(struct yaml_source *source, yaml_mark_t mark, struct str name,
                      const char *sentence);
/* The next event. Anchors, aliases, tags and syntax errors are refused here. The caller deletes it.
 */
bool yaml_next(struct yaml_source *source, yaml_event_t *ret_event);
