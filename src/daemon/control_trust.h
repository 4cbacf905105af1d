/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/control_api.h"

/* What reputation and automatic blacklist share. */

/* "192.0.2.1" or "2001:db8::/64": whom an entry is about. */
json_t *control_network_text(uint64_t bits, bool is_v4);
/* The address in the path; false: answered with 400. */
MUST_USE bool control_path_address(const struct http_request *request,
                                   struct http_response *response, struct ip_address *ret_address);
/* The entry that exempts the address from reputation, greylisting and automatic blacklist now. */
struct generation;
MUST_USE bool control_address_allowed(struct control *control, const struct generation *generation,
                                      struct ip_address address, struct list_match *ret_match);
/* Keeps who did `what` to the address's network, in which table ("blacklist") and why; a failure is
 * logged. */
void control_note_by_hand(struct control *control, const struct http_request *request,
                          const char *table, const char *what, struct ip_address address,
                          struct str comment);
/* The newest of that: [{"time","author","what","comment"}]. */
json_t *control_by_hand(struct control *control, const char *table, struct ip_address address);
/* "blacklist release 192.0.2.1" */
void control_trust_why(struct text *why, const char *what, struct ip_address address);
