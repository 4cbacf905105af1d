/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_resolv_conf.h"

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* The address of a line "nameserver ADDRESS"; empty when it is another line. */
static struct str address_of(struct str line) {
    const struct str keyword = STR("nameserver");
    if (!str_starts(line, keyword) || line.length == keyword.length ||
        !is_blank(line.data[keyword.length])) {
        return (struct str){NULL, 0};
    }
    const struct str rest = str_trim(str_slice(line, keyword.length, line.length));
    size_t end = 0;
    while (end < rest.length && !is_blank(rest.data[end])) {
        end++;
    }
    return str_slice(rest, 0, end);
}

size_t dns_resolv_conf_parse(struct str content, struct dns_address *ret_servers, size_t max) {
    size_t count = 0;
    while (content.length > 0 && count < max) {
        const size_t end = str_find(content, '\n');
        const struct str line = str_slice(content, 0, end);
        struct ip_address ip;
        /* Ports are not written there: c-ares and libc read the whole word as an address. */
        if (ip_address_parse(address_of(line), &ip) &&
            dns_address_parse(address_of(line), &ret_servers[count])) {
            count++;
        }
        content = str_slice(content, end == SIZE_MAX ? content.length : end + 1, content.length);
    }
    return count;
}
