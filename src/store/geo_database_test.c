/* SPDX-License-Identifier: Apache-2.0 */
#include "store/geo_database.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing/mmdb_writer.h"
#include "testing/test.h"

static unsigned char bytes[MMDB_FILE_MAX];
static char said[1024];
static char file_path[512];

static const struct mmdb_row rows[] = {
    {"198.51.0.0/16", "DE", 64496},      {"198.51.100.0/24", "fr", 0},
    {"203.0.113.50/32", "CN", 64497},    {"2001:db8::/32", "SE", 64498},
    {"192.0.2.0/24", NULL, 4200000000U},
};

static size_t write_rows(enum mmdb_shape shape, const struct mmdb_row *of, size_t count) {
    const struct mmdb_file file = {.type = "Test-Country",
                                   .built_s = 1700000000,
                                   .shape = shape,
                                   .rows = of,
                                   .row_count = count};
    return mmdb_write(&file, bytes);
}

static size_t write_all(enum mmdb_shape shape) {
    return write_rows(shape, rows, sizeof rows / sizeof rows[0]);
}

static struct str path_of(const char *name) {
    (void)snprintf(file_path, sizeof file_path, "%s/%s", test_folder(), name);
    return str_from(file_path);
}

static struct str save(size_t length) {
    const struct str path = path_of("test.mmdb");
    const int fd = open(file_path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    (void)close(fd);
    return path;
}

static int try_open(struct str path, struct geo_database **ret_database) {
    struct text problem = TEXT_OVER(said);
    *ret_database = NULL;
    const int result = geo_database_open(path, ret_database, &problem);
    (void)text_zero(&problem);
    assert_int_equal(result == 0, *ret_database != NULL);
    return result;
}

static struct geo_database *open_good(struct str path) {
    struct geo_database *database;
    const int result = try_open(path, &database);
    if (result != 0) {
        print_message("# %s\n", said);
    }
    assert_int_equal(result, 0);
    return database;
}

/* Refused, with a sentence that names the file and has `part` in it. */
static void assert_refused(struct str path, int error, const char *part) {
    struct geo_database *database;
    assert_int_equal(try_open(path, &database), error);
    if (strstr(said, part) == NULL) {
        print_message("# said: %s\n", said);
    }
    assert_non_null(strstr(said, part));
    assert_int_equal(strncmp(said, path.data, path.length), 0);
}

static struct ip_address address_of(const char *text) {
    struct ip_address address;
    assert_true(ip_address_parse(str_from(text), &address));
    return address;
}

static struct geo_place find(const struct geo_database *database, const char *address) {
    struct geo_place place = {0};
    uint64_t damaged = 0;
    const bool found = geo_database_find(database, address_of(address), &place, &damaged);
    assert_int_equal(damaged, 0);
    assert_int_equal(found, place.country[0] != '\0' || place.asn != 0);
    return place;
}

static void assert_place(const struct geo_database *database, const char *address,
                         const char *country, uint32_t asn) {
    const struct geo_place place = find(database, address);
    char text[3] = {place.country[0], place.country[1], '\0'};
    test_case(address);
    assert_string_equal(text, country);
    assert_int_equal(place.asn, asn);
}

TEST(geo_database_reads_both_shapes) {
    for (int shape = MMDB_SHAPE_NESTED; shape <= MMDB_SHAPE_FLAT; shape++) {
        struct geo_database *database = open_good(save(write_all((enum mmdb_shape)shape)));
        assert_place(database, "198.51.99.255", "DE", 64496);
        assert_place(database, "198.51.100.1", "FR", 0); /* upper case, and the longer prefix */
        assert_place(database, "198.51.101.0", "DE", 64496);
        assert_place(database, "203.0.113.50", "CN", 64497);
        assert_place(database, "203.0.113.51", "", 0);
        assert_place(database, "2001:db8:1::1", "SE", 64498);
        assert_place(database, "2001:db9::1", "", 0);
        assert_place(database, "::ffff:203.0.113.50", "CN", 64497);
        assert_place(database, "192.0.2.77", "", 4200000000U);
        assert_place(database, "127.0.0.1", "", 0);
        geo_database_close(database);
    }
}

TEST(geo_database_tells_what_it_is) {
    struct geo_database_info info;
    const size_t length = write_all(MMDB_SHAPE_NESTED);
    struct geo_database *database = open_good(save(length));
    geo_database_info(database, &info);
    assert_string_equal(info.type, "Test-Country");
    assert_int_equal(info.built_s, 1700000000);
    assert_int_equal(info.file_bytes, length);
    assert_true(info.nodes > 100);
    assert_true(info.has_country && info.has_asn && info.has_ipv6);
    const struct geo_place place = find(database, "198.51.0.1");
    assert_memory_equal(place.continent, "EU", 2);
    assert_int_equal(place.as_name_length, 13);
    assert_memory_equal(place.as_name, "Example N\xc3\xa9t 1", 13);
    geo_database_close(database);
    geo_database_close(NULL);
}

TEST(geo_database_adds_to_what_another_has_found) {
    static const struct mmdb_row countries[] = {{"192.0.2.0/24", "NO", 0}};
    static const struct mmdb_row systems[] = {{"192.0.2.0/24", NULL, 64500}};
    struct geo_database_info info;
    struct geo_place place = {0};
    struct geo_database *country = open_good(save(write_rows(MMDB_SHAPE_NESTED, countries, 1)));
    struct geo_database *system = open_good(save(write_rows(MMDB_SHAPE_NESTED, systems, 1)));
    geo_database_info(country, &info);
    assert_true(info.has_country && !info.has_asn);
    geo_database_info(system, &info);
    assert_true(!info.has_country && info.has_asn);
    assert_true(geo_database_find(country, address_of("192.0.2.1"), &place, NULL));
    assert_true(geo_database_find(system, address_of("192.0.2.1"), &place, NULL));
    assert_memory_equal(place.country, "NO", 2);
    assert_int_equal(place.asn, 64500);
    assert_false(geo_database_find(system, address_of("192.0.3.1"), &place, NULL));
    assert_memory_equal(place.country, "NO", 2);
    geo_database_close(country);
    geo_database_close(system);
}

TEST(geo_database_does_not_see_what_happens_to_the_file_later) {
    struct geo_database *database = open_good(save(write_all(MMDB_SHAPE_NESTED)));
    const int fd = open(file_path, O_WRONLY | O_CLOEXEC);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    assert_place(database, "203.0.113.50", "CN", 64497);
    assert_int_equal(ftruncate(fd, 0), 0);
    (void)close(fd);
    assert_place(database, "2001:db8::", "SE", 64498);
    geo_database_close(database);
}

TEST(geo_database_refuses_what_is_no_file_of_the_kind) {
    struct geo_database *database;
    assert_refused(path_of("missing"), -ENOENT, "cannot be opened: No such file or directory");
    assert_refused(str_from(test_folder()), -EINVAL, "is not a regular file");
    assert_int_equal(mkfifo(path_of("pipe").data, 0600), 0);
    assert_refused(path_of("pipe"), -EINVAL, "is not a regular file");
    assert_refused(save(0), -EINVAL, "is empty");
    memcpy(bytes, "<html><title>404 Not Found</title></html>\n", 42);
    assert_refused(save(42), -EINVAL, "is no MaxMind DB file, or its end is missing");
    assert_int_equal(try_open(STR(""), &database), -EINVAL);

    const struct str path = save(42);
    assert_int_equal(truncate(path.data, (off_t)GEO_FILE_MAX + 1), 0);
    assert_refused(path, -EFBIG, "larger than 512 MiB");
}

TEST(geo_database_refuses_a_database_of_something_else) {
    static const struct mmdb_row nothing[] = {{"192.0.2.0/24", NULL, 0}};
    assert_refused(save(write_rows(MMDB_SHAPE_FLAT, nothing, 1)), -EINVAL,
                   "is a database of the type \"Test-Country\" and tells neither countries nor");
    /* Two letters, or it is no country. */
    static const struct mmdb_row wrong[] = {{"192.0.2.0/24", "DEU", 0}, {"192.0.3.0/24", "4x", 0}};
    assert_refused(save(write_rows(MMDB_SHAPE_FLAT, wrong, 2)), -EINVAL, "neither countries");
}

TEST(geo_database_refuses_a_file_torn_anywhere) {
    const size_t length = write_all(MMDB_SHAPE_NESTED);
    struct geo_database *database;
    for (size_t kept = 0; kept < length; kept++) {
        const int result = try_open(save(kept), &database);
        if (result == 0) {
            print_message("# taken with %zu of %zu bytes\n", kept, length);
        }
        assert_int_equal(result, -EINVAL);
        assert_true(strlen(said) > 40);
    }
}

TEST(geo_database_refuses_a_file_with_a_hole) {
    /* As a download leaves it that was given its size ahead: zeros in the middle. */
    const size_t length = write_all(MMDB_SHAPE_NESTED);
    enum { NODE_BYTES = 7 };
    memset(bytes + 40 * NODE_BYTES, 0, 70 * NODE_BYTES);
    assert_refused(save(length), -EINVAL, "has a hole in its search tree");
}

/* Whatever single byte is wrong: refused, or answers that hurt nobody. */
TEST(geo_database_survives_every_damaged_byte) {
    const size_t length = write_all(MMDB_SHAPE_NESTED);
    size_t refused = 0;
    for (size_t i = 0; i < length; i++) {
        for (int pattern = 0; pattern < 3; pattern++) {
            const unsigned char was = bytes[i];
            bytes[i] = (unsigned char)(pattern == 0   ? was ^ 0xff
                                       : pattern == 1 ? was ^ 0x20
                                                      : was + 1);
            struct geo_database *database;
            struct geo_place place = {0};
            uint64_t damaged = 0;
            refused += try_open(save(length), &database) != 0;
            for (size_t k = 0; database != NULL && k < 4; k++) {
                static const char *const asked[] = {"198.51.100.1", "203.0.113.50", "2001:db8::1",
                                                    "192.0.2.1"};
                (void)geo_database_find(database, address_of(asked[k]), &place, &damaged);
                assert_true(place.as_name_length <= sizeof place.as_name);
            }
            geo_database_close(database);
            bytes[i] = was;
        }
    }
    assert_true(refused > length);
}

/* --- real files ---------------------------------------------------------------------------------
 */

static struct str data_path(const char *name) {
    const char *folder = test_data();
    if (folder == NULL) {
        skip();
    }
    (void)snprintf(file_path, sizeof file_path, "%s/mmdb/%s", folder, name);
    return str_from(file_path);
}

static void ask_everywhere(const struct geo_database *database) {
    for (unsigned i = 0; i < 65536; i += 7) {
        struct ip_address address = {{[10] = 0xff, [11] = 0xff}};
        struct geo_place place = {0};
        uint64_t damaged = 0;
        address.bytes[12] = (uint8_t)(i >> 8);
        address.bytes[13] = (uint8_t)i;
        (void)geo_database_find(database, address, &place, &damaged);
        memset(address.bytes, 0, 16);
        address.bytes[0] = (uint8_t)(i >> 8);
        address.bytes[1] = (uint8_t)i;
        (void)geo_database_find(database, address, &place, &damaged);
    }
}

TEST(geo_database_refuses_or_survives_the_known_bad_files) {
    char folder[512];
    (void)data_path("bad-data/maxminddb-golang");
    memcpy(folder, file_path, sizeof folder);
    DIR *list = opendir(folder);
    assert_non_null(list);
    unsigned seen = 0;
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        struct geo_database *database;
        char path[1024];
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        test_case(entry->d_name);
        if (try_open(str_from(path), &database) == 0) {
            ask_everywhere(database);
            geo_database_close(database);
        } else {
            assert_non_null(strstr(said, entry->d_name));
        }
        seen++;
    }
    (void)closedir(list);
    assert_int_equal(seen, 7);
}

static const char *text_at(const json_t *record, const char *outer, const char *inner) {
    const char *text = json_string_value(json_object_get(json_object_get(record, outer), inner));
    return text != NULL ? text : "";
}

struct expectation {
    struct geo_database *database;
    char file[128];
    bool usable; /* it can be opened: countries or autonomous systems are in it */
    uint64_t checked;
    uint64_t with_country;
    uint64_t with_asn;
};

/* The record as an independent reader has it, seen our way. */
static void check_record(struct expectation *expected, const char *address, const json_t *record) {
    struct geo_place place = {0};
    (void)geo_database_find(expected->database, address_of(address), &place, NULL);
    const char *country = text_at(record, "country", "iso_code");
    country = country[0] == '\0' ? text_at(record, "registered_country", "iso_code") : country;
    const char *continent = text_at(record, "continent", "code");
    json_int_t asn = json_integer_value(json_object_get(record, "autonomous_system_number"));
    if (asn == 0) {
        asn = json_integer_value(
            json_object_get(json_object_get(record, "traits"), "autonomous_system_number"));
    }
    const char found[] = {place.country[0], place.country[1], '\0'};
    const char found_continent[] = {place.continent[0], place.continent[1], '\0'};
    assert_string_equal(found, country);
    assert_string_equal(found_continent, continent);
    assert_int_equal(place.asn, asn);
    expected->checked++;
    expected->with_country += country[0] != '\0';
    expected->with_asn += asn != 0;
}

static void check_line(struct expectation *expected, char *line) {
    char *rest = NULL;
    const char *file = strtok_r(line, "\t", &rest);
    const char *address = strtok_r(NULL, "\t", &rest);
    const char *prefix = strtok_r(NULL, "\t", &rest);
    const char *text = strtok_r(NULL, "\n", &rest);
    assert_non_null(prefix);
    assert_non_null(text);
    if (strcmp(file, expected->file) != 0) {
        char path[256];
        (void)snprintf(expected->file, sizeof expected->file, "%s", file);
        (void)snprintf(path, sizeof path, "test-data/%s", file);
        geo_database_close(expected->database);
        expected->usable = try_open(data_path(path), &expected->database) == 0;
    }
    if (!expected->usable || strncmp(text, "ERROR", 5) == 0) {
        return;
    }
    test_case(address);
    json_t *record = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(record);
    check_record(expected, address, record);
    json_decref(record);
}

TEST(geo_database_finds_what_an_independent_reader_finds) {
    static char line[65536];
    struct expectation expected = {0};
    FILE *list = fopen(data_path("expected-testdata.tsv").data, "re");
    assert_non_null(list);
    assert_non_null(fgets(line, sizeof line, list)); /* heading */
    while (fgets(line, sizeof line, list) != NULL) {
        check_line(&expected, line);
    }
    (void)fclose(list);
    geo_database_close(expected.database);
    print_message("# %llu look-ups, %llu with a country, %llu with an ASN\n",
                  (unsigned long long)expected.checked, (unsigned long long)expected.with_country,
                  (unsigned long long)expected.with_asn);
    assert_true(expected.checked > 2500);
    assert_true(expected.with_country > 1000);
    assert_true(expected.with_asn > 100);
}

TEST(geo_database_finds_the_countries_of_a_real_file) {
    static char line[256];
    struct geo_database_info info;
    unsigned checked = 0;
    struct geo_database *database = open_good(data_path("country/geo-whois-asn-country.mmdb"));
    geo_database_info(database, &info);
    assert_true(info.has_country && info.has_ipv6);
    FILE *list = fopen(data_path("country/expected-public.tsv").data, "re");
    assert_non_null(list);
    assert_non_null(fgets(line, sizeof line, list));
    while (fgets(line, sizeof line, list) != NULL) {
        char *country = strchr(line, '\t');
        *country++ = '\0';
        country[strcspn(country, "\n")] = '\0';
        struct geo_place place = {0};
        (void)geo_database_find(database, address_of(line), &place, NULL);
        const char found[] = {place.country[0], place.country[1], '\0'};
        test_case(line);
        /* That reader looks for a mapped address where it is written; with us it is IPv4. */
        const bool is_mapped = strncmp(line, "::ffff:", 7) == 0;
        assert_string_equal(found, is_mapped ? "US" : country);
        checked++;
    }
    (void)fclose(list);
    geo_database_close(database);
    assert_int_equal(checked, 23277);
}
