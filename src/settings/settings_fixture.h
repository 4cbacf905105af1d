/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "settings/settings.h"
#include "testing/test.h"

/* What the tests of settings share. */

/* The generation that `yaml` makes alone, or NULL with the problem. */
struct settings *build(const char *yaml, struct setting_problem *problem);

/* Byte for byte. */
void assert_text(struct str got, const char *expected);
