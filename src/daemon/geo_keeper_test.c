/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/geo_keeper.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "testing/mmdb_writer.h"
#include "testing/test.h"

static unsigned char bytes[MMDB_FILE_MAX];
static struct geo_keeper_status status;

static const char *path_of(const char *name) {
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", test_folder(), name);
    return path;
}

/* Complete under another name first, as an update does. */
static void put_file(const char *name, const void *content, size_t length) {
    const char *temporary = path_of("temporary");
    const int fd = open(temporary, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, length), (ssize_t)length);
    (void)close(fd);
    assert_int_equal(rename(temporary, path_of(name)), 0);
}

static void put_country(const char *name, const char *country, uint32_t asn) {
    const struct mmdb_row row = {"198.51.100.0/24", country, asn};
    const struct mmdb_file file = {
        .type = "Test", .built_s = 1700000000, .rows = &row, .row_count = 1};
    put_file(name, bytes, mmdb_write(&file, bytes));
}

static struct geo_keeper *open_keeper(const char *country, const char *asn) {
    struct geo_keeper *keeper;
    const struct geo_keeper_paths paths = {.country = country != NULL ? str_from(path_of(country))
                                                                      : STR(""),
                                           .asn = asn != NULL ? str_from(path_of(asn)) : STR("")};
    assert_int_equal(geo_keeper_open(&paths, &keeper), 0);
    return keeper;
}

static struct ip_address client(void) {
    struct ip_address address;
    assert_true(ip_address_parse(STR("198.51.100.7"), &address));
    return address;
}

static void assert_fact(struct geo_keeper *keeper, enum fact_status known, const char *country,
                        uint32_t asn) {
    struct facts facts = {0};
    geo_keeper_fill(keeper, 3, client(), &facts);
    assert_int_equal(facts.status[FACT_GEO], known);
    assert_int_equal(strncmp(facts.geo_country, country, 2), 0);
    assert_int_equal(facts.geo_asn, asn);
}

TEST(geo_keeper_without_a_database_knows_nothing) {
    struct geo_place place;
    struct geo_keeper *keeper = open_keeper("missing.mmdb", NULL);
    assert_fact(keeper, FACT_UNAVAILABLE, "", 0);
    assert_false(geo_keeper_ask(keeper, client(), &place));
    geo_keeper_status(keeper, &status);
    assert_false(status.country.open || status.asn.open);
    assert_non_null(strstr(status.country.problem, "missing.mmdb: No such file or directory"));
    assert_string_equal(status.asn.problem, "");
    geo_keeper_close(keeper);
    geo_keeper_close(NULL);
}

TEST(geo_keeper_puts_two_databases_together) {
    put_country("country.mmdb", "DE", 64496);
    put_country("asn.mmdb", NULL, 64500);
    struct geo_keeper *keeper = open_keeper("country.mmdb", "asn.mmdb");
    assert_fact(keeper, FACT_KNOWN, "DE", 64500); /* the database of systems knows better */
    geo_keeper_close(keeper);
    keeper = open_keeper("country.mmdb", NULL);
    assert_fact(keeper, FACT_KNOWN, "DE", 64496);
    geo_keeper_close(keeper);
    keeper = open_keeper(NULL, "asn.mmdb");
    assert_fact(keeper, FACT_KNOWN, GEO_NO_DATABASE, 64500);
    geo_keeper_close(keeper);
}

TEST(geo_keeper_takes_a_new_file) {
    put_country("country.mmdb", "DE", 0);
    struct geo_keeper *keeper = open_keeper("country.mmdb", NULL);
    assert_fact(keeper, FACT_KNOWN, "DE", 0);
    put_country("country.mmdb", "FR", 0);
    geo_keeper_look(keeper);
    assert_fact(keeper, FACT_KNOWN, "FR", 0);
    geo_keeper_look(keeper);
    geo_keeper_status(keeper, &status);
    assert_int_equal(status.swaps, 1);
    assert_int_equal(status.refused, 0);
    assert_true(status.country.open && status.country.info.has_country);
    assert_int_equal(status.lookups, 2);
    geo_keeper_close(keeper);
}

TEST(geo_keeper_keeps_the_old_one_when_the_new_one_is_corrupt_or_gone) {
    put_country("country.mmdb", "DE", 0);
    struct geo_keeper *keeper = open_keeper("country.mmdb", NULL);
    put_file("country.mmdb", "<html>404</html>", 16);
    for (int i = 0; i < 3; i++) { /* told once, not at each look */
        geo_keeper_look(keeper);
        assert_fact(keeper, FACT_KNOWN, "DE", 0);
        geo_keeper_status(keeper, &status);
        assert_int_equal(status.refused, 1);
        assert_non_null(strstr(status.country.problem, "is no MaxMind DB file"));
        assert_true(status.country.open);
    }
    assert_int_equal(unlink(path_of("country.mmdb")), 0);
    geo_keeper_look(keeper);
    assert_fact(keeper, FACT_KNOWN, "DE", 0);
    geo_keeper_status(keeper, &status);
    assert_non_null(strstr(status.country.problem, "No such file"));
    put_country("country.mmdb", "SE", 0);
    geo_keeper_look(keeper);
    assert_fact(keeper, FACT_KNOWN, "SE", 0);
    geo_keeper_status(keeper, &status);
    assert_string_equal(status.country.problem, "");
    geo_keeper_close(keeper);
}

TEST(geo_keeper_follows_other_paths) {
    put_country("one.mmdb", "DE", 0);
    put_country("two.mmdb", "NO", 0);
    struct geo_keeper *keeper = open_keeper("one.mmdb", NULL);
    const struct geo_keeper_paths paths = {.country = str_from(path_of("two.mmdb"))};
    geo_keeper_set_paths(keeper, &paths);
    geo_keeper_look(keeper);
    assert_fact(keeper, FACT_KNOWN, "NO", 0);
    geo_keeper_close(keeper);
}

/* --- look-ups while databases come and go -------------------------------------------------------
 */

static struct geo_keeper *shared;
static _Atomic bool done;
static _Atomic uint64_t wrong;

static void *look_up(void *context) {
    const unsigned worker = *(const unsigned *)context;
    while (!atomic_load(&done)) {
        struct geo_place place;
        const bool found = geo_keeper_find(shared, worker, client(), &place);
        const bool right = found && place.country[0] == place.country[1];
        atomic_fetch_add(&wrong, right ? 0 : 1);
    }
    return NULL;
}

TEST(geo_keeper_is_asked_while_databases_come_and_go) {
    enum { THREADS = 3, ROUNDS = 60 };
    static const char *const countries[] = {"SS", "MM", "CC", "FF"}; /* twice the same letter */
    static unsigned numbers[THREADS] = {0, 1, GEO_KEEPER_WORKERS - 1};
    pthread_t threads[THREADS];
    log_set(LOG_ERROR, LOG_TEXT);
    atomic_store(&done, false);
    put_country("country.mmdb", "MM", 0);
    shared = open_keeper("country.mmdb", NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, look_up, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        put_country("country.mmdb", countries[i % 4], 0);
        geo_keeper_look(shared);
    }
    atomic_store(&done, true);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    geo_keeper_status(shared, &status);
    assert_int_equal(status.swaps, ROUNDS);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_true(status.lookups > 0);
    geo_keeper_close(shared);
}
