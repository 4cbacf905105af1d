/* SPDX-License-Identifier: Apache-2.0 */
/* bench_facts spf COUNT             evaluations of SPF whose answers are at hand: two includes and
 * a redirect, the last term decides (4 questions) bench_facts geo COUNT FILE        look-ups of
 * addresses all over IPv4 in a MaxMind DB file Prints the mean time of one. Instructions: valgrind
 * --tool=callgrind
 * --toggle-collect='bench_spf*' or 'bench_geo*', divided by COUNT. */
#include <inttypes.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "mail/spf.h"
#include "store/geo_database.h"

static const struct {
    const char *name;
    const char *record;
} zone[] = {
    {"example.org",
     "v=spf1 include:_spf.example.net ip4:198.51.100.0/24 redirect=more.example.org"},
    {"_spf.example.net",
     "v=spf1 ip4:203.0.113.0/24 ip4:10.0.0.0/8 include:b._spf.example.net ~all"},
    {"b._spf.example.net", "v=spf1 ip6:2001:db8::/32 ip4:100.64.0.0/10 ?all"},
    {"more.example.org", "v=spf1 ip4:172.16.0.0/12 ip4:192.0.2.0/24 -all"},
};

static void answer(struct spf *spf, const struct dns_question *question) {
    struct str item;
    struct dns_answer found = {.status = DNS_NO_NAME};
    for (size_t i = 0; i < sizeof zone / sizeof zone[0]; i++) {
        if (str_equal(question->name, str_from(zone[i].name))) {
            item = str_from(zone[i].record);
            found =
                (struct dns_answer){.status = DNS_FOUND, .ttl_s = 300, .count = 1, .items = &item};
        }
    }
    spf_answer(spf, &found);
}

/* Named for callgrind. */
__attribute__((noinline)) static uint64_t bench_spf(uint64_t count) {
    static alignas(max_align_t) char memory[64 * 1024];
    uint64_t passed = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct spf_query query = {
            .client_address = {{[10] = 0xff, 0xff, 192, 0, 2, (uint8_t)i}},
            .helo_name = STR("mail.example.org"),
            .sender = STR("a@example.org"),
        };
        struct spf *spf = spf_start(memory, &query, NULL, NULL);
        struct dns_question question;
        struct spf_verdict verdict;
        while (spf_step(spf, &question, &verdict)) {
            answer(spf, &question);
        }
        passed += verdict.result == SPF_PASS;
    }
    return passed;
}

__attribute__((noinline)) static uint64_t bench_geo(const struct geo_database *database,
                                                    uint64_t count) {
    uint64_t found = 0;
    uint32_t number = 1;
    for (uint64_t i = 0; i < count; i++) {
        number = number * 1664525U + 1013904223U; /* Numerical Recipes: all over the range */
        struct ip_address address = {{[10] = 0xff, 0xff}};
        for (unsigned k = 0; k < 4; k++) {
            address.bytes[12 + k] = (uint8_t)(number >> (24 - 8 * k));
        }
        struct geo_place place = {0};
        found += geo_database_find(database, address, &place, NULL);
    }
    return found;
}

static void say(const char *what, uint64_t count, uint64_t good, int64_t took_ns) {
    (void)printf("%s: %" PRIu64 " of %" PRIu64 " good, %.2f us each\n", what, good, count,
                 (double)took_ns / 1000.0 / (double)count);
}

static int geo(uint64_t count, const char *path) {
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    struct geo_database *database;
    if (geo_database_open(str_from(path), &database, &problem) != 0) {
        (void)fprintf(stderr, "bench_facts: %s\n", text_zero(&problem));
        return EXIT_FAILURE;
    }
    const int64_t began_ns = clock_boot_ns();
    const uint64_t found = bench_geo(database, count);
    say("geo", count, found, clock_boot_ns() - began_ns);
    geo_database_close(database);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    uint64_t count = 0;
    if (argc >= 3 && str_parse_u64(str_from(argv[2]), UINT32_MAX, &count) && count > 0) {
        if (strcmp(argv[1], "geo") == 0 && argc == 4) {
            return geo(count, argv[3]);
        }
        if (strcmp(argv[1], "spf") == 0 && argc == 3) {
            const int64_t began_ns = clock_boot_ns();
            const uint64_t passed = bench_spf(count);
            say("spf", count, passed, clock_boot_ns() - began_ns);
            return passed == count ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    (void)fputs("usage: bench_facts spf COUNT | bench_facts geo COUNT FILE\n", stderr);
    return 2;
}
