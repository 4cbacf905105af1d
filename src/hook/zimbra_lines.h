/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hook/zimbra_place.h"

/* Lines of Zimbra's files; what zimbra_place.h is made of, not for others. Pure. */

/* The next line with its newline; false at the end. */
bool zimbra_line_next(struct str text, size_t *offset, struct str *ret_line);
/* The next word of `rest`, which loses it; empty at the end. */
struct str zimbra_word(struct str *rest);
bool zimbra_str_has(struct str text, struct str part);

/* Lines of a template: directives (`%%...%%`) are read only for what they permit. */
bool zimbra_line_is_cbpolicyd(struct str line);
bool zimbra_line_permits(struct str line);
bool zimbra_line_has(struct str line, struct str endpoint);
bool zimbra_line_has_dunno(struct str line, struct str endpoint);
bool zimbra_line_permits_before(struct str line, struct str endpoint);
/* The line without the hook; nothing at all when there was nothing else. */
void zimbra_line_without(struct str line, struct str endpoint, struct text *out);

/* A list without the hook. False, and nothing written, when the list cannot be read. */
bool zimbra_list_without(struct str value, struct str endpoint, struct text *out);

/* conf/zmconfigd.cf and master.cf.in: `add` or remove. */
struct zimbra_look zimbra_configd_look(struct str text, struct str endpoint);
void zimbra_configd_write(struct str text, struct str endpoint, bool add, struct text *out);
struct zimbra_look zimbra_master_look(struct str text, struct str endpoint);
void zimbra_master_write(struct str text, struct str endpoint, bool add, struct text *out);
