/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/dns_address.h"

/* The servers that /etc/resolv.conf names, in order; its other lines are not for us. A line that we
 * cannot use (an address with a zone, "fe80::1%eth0") is passed over. Returns their number, at most
 * `max`; further ones are left out. Pure. */
size_t dns_resolv_conf_parse(struct str content, struct dns_address *ret_servers, size_t max);
