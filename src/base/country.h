/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* Countries by the two letters of ISO 3166-1, and XK (Kosovo), which databases use. Pure. */

/* Takes any case; false for what is no assigned code. */
bool country_parse(struct str text, char ret_code[2]);
/* "Germany"; NULL when there is none of that code (upper case). */
const char *country_name(const char code[2]);
/* The code that somebody means who writes "UK", "Germany" or "german"; NULL: no idea. */
const char *country_nearest(struct str text);
