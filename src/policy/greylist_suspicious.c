/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/greylist_suspicious.h"

/* Words that providers put into the names of their customers' lines. */
static const char *const line_words[] = {
    "adsl", "broadband", "cable", "cust",    "customer", "dhcp", "dial", "dialin", "dialup",
    "dip",  "dsl",       "dyn",   "dynamic", "dynip",    "pool", "ppp",  "vdsl",   "xdsl",
};

static bool is_letter(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The next run of bytes for which `belongs`, cut off the front of *rest; empty at the end. */
static struct str next_run(struct str *rest, bool (*belongs)(char)) {
    size_t from = 0;
    while (from < rest->length && !belongs(rest->data[from])) {
        from++;
    }
    size_t until = from;
    while (until < rest->length && belongs(rest->data[until])) {
        until++;
    }
    const struct str run = str_slice(*rest, from, until);
    *rest = str_slice(*rest, until, rest->length);
    return run;
}

static bool has_line_word(struct str name) {
    for (struct str run = next_run(&name, is_letter); run.length > 0;
         run = next_run(&name, is_letter)) {
        for (size_t i = 0; i < sizeof line_words / sizeof line_words[0]; i++) {
            if (str_equal(run, str_from(line_words[i]))) {
                return true;
            }
        }
    }
    return false;
}

static bool is_hex_digit(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f');
}

static uint32_t hex_value(char c) {
    return (uint32_t)(is_digit(c) ? c - '0' : c - 'a' + 10);
}

/* "cb007105": the whole IPv4 address as eight hex digits. */
static bool has_hex_address(struct str name, uint32_t address) {
    for (struct str run = next_run(&name, is_hex_digit); run.length > 0;
         run = next_run(&name, is_hex_digit)) {
        uint32_t value = 0;
        for (size_t i = 0; run.length == 8 && i < 8; i++) {
            value = value << 4 | hex_value(run.data[i]);
        }
        if (run.length == 8 && value == address) {
            return true;
        }
    }
    return false;
}

/* The last two numbers of the address, next to each other in either order: "host-113-5",
 * "5.113.0.203". */
static bool has_last_numbers(struct str name, const uint8_t octets[4]) {
    uint64_t before = UINT64_MAX;
    for (struct str run = next_run(&name, is_digit); run.length > 0;
         run = next_run(&name, is_digit)) {
        uint64_t number = UINT64_MAX;
        (void)str_parse_u64(run, 255, &number);
        if (number != UINT64_MAX && before != UINT64_MAX &&
            ((before == octets[2] && number == octets[3]) ||
             (before == octets[3] && number == octets[2]))) {
            return true;
        }
        before = number;
    }
    return false;
}

static bool looks_dynamic(struct str name, struct ip_address address) {
    if (has_line_word(name)) {
        return true;
    }
    if (!ip_address_is_v4(address)) {
        return false;
    }
    const uint8_t *octets = address.bytes + 12;
    return has_last_numbers(name, octets) ||
           has_hex_address(name, (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 |
                                     (uint32_t)octets[2] << 8 | octets[3]);
}

static bool helo_is_odd(struct str helo) {
    struct ip_address address;
    if (str_ends(helo, STR("."))) {
        helo = str_slice(helo, 0, helo.length - 1);
    }
    return str_find(helo, '.') == SIZE_MAX || str_starts(helo, STR("[")) ||
           ip_address_parse(helo, &address);
}

bool greylist_suspicious(struct str client_name, struct str helo, struct ip_address address) {
    return client_name.length == 0 || helo_is_odd(helo) || looks_dynamic(client_name, address);
}
