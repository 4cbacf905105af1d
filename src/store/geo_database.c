/* SPDX-License-Identifier: Apache-2.0 */
#include "store/geo_database.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <maxminddb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"

enum {
    COPY_BYTES = 256 * 1024,
    FORMAT_MAJOR = 2,
    RECORDS_CHECKED_MAX = 4 * 1024 * 1024, /* different ones; more are read when they are asked */
};

/* Where databases keep what we look for. A file is read once as a whole when it is opened; of these
 * places only those that occur in it are asked later. */
enum place_kind { PLACE_COUNTRY, PLACE_CONTINENT, PLACE_ASN, PLACE_AS_NAME };
static const struct {
    enum place_kind kind;
    const char *path[3]; /* NULL ends it */
} places[] = {
    {PLACE_COUNTRY, {"country", "iso_code", NULL}},
    {PLACE_COUNTRY, {"registered_country", "iso_code", NULL}},
    {PLACE_COUNTRY, {"country_code", NULL}},
    {PLACE_CONTINENT, {"continent", "code", NULL}},
    {PLACE_CONTINENT, {"continent_code", NULL}},
    {PLACE_ASN, {"autonomous_system_number", NULL}},
    {PLACE_ASN, {"asn", NULL}},
    {PLACE_ASN, {"traits", "autonomous_system_number", NULL}},
    {PLACE_AS_NAME, {"autonomous_system_organization", NULL}},
    {PLACE_AS_NAME, {"as_name", NULL}},
    {PLACE_AS_NAME, {"traits", "autonomous_system_organization", NULL}},
};
enum { PLACES = sizeof places / sizeof places[0], PLACES_ALL = (1 << PLACES) - 1 };

struct geo_database {
    MMDB_s mmdb;
    unsigned places; /* bit per element of `places` that occurs in the file */
    struct geo_database_info info;
};

/* --- one record ---------------------------------------------------------------------------------
 */

static bool is_letter(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Two letters; anything else says nothing. */
static bool take_code(const MMDB_entry_data_s *value, char ret_code[2]) {
    if (value->type != MMDB_DATA_TYPE_UTF8_STRING || value->data_size != 2 ||
        !is_letter(value->utf8_string[0]) || !is_letter(value->utf8_string[1])) {
        return false;
    }
    ret_code[0] = (char)(value->utf8_string[0] & ~0x20);
    ret_code[1] = (char)(value->utf8_string[1] & ~0x20);
    return true;
}

/* A number, or text such as "AS64496". */
static bool take_asn(const MMDB_entry_data_s *value, uint32_t *ret_asn) {
    uint64_t number = 0;
    if (value->type == MMDB_DATA_TYPE_UINT16) {
        number = value->uint16;
    } else if (value->type == MMDB_DATA_TYPE_UINT32) {
        number = value->uint32;
    } else if (value->type == MMDB_DATA_TYPE_UINT64) {
        number = value->uint64;
    } else if (value->type == MMDB_DATA_TYPE_UTF8_STRING) {
        struct str digits = {value->utf8_string, value->data_size};
        if (str_starts(digits, STR("AS"))) {
            digits = str_slice(digits, 2, digits.length);
        }
        (void)str_parse_u64(digits, UINT32_MAX, &number);
    }
    if (number == 0 || number > UINT32_MAX) {
        return false;
    }
    *ret_asn = (uint32_t)number;
    return true;
}

static bool take_name(const MMDB_entry_data_s *value, struct geo_place *place) {
    if (value->type != MMDB_DATA_TYPE_UTF8_STRING || value->data_size == 0) {
        return false;
    }
    const struct str name = {value->utf8_string, value->data_size};
    size_t length = 0;
    while (length < name.length) {
        uint32_t point;
        const size_t character = utf8_decode(str_slice(name, length, name.length), &point);
        if (character == 0 || length + character > sizeof place->as_name) {
            break;
        }
        length += character;
    }
    memcpy(place->as_name, name.data, length);
    place->as_name_length = (uint16_t)length;
    return length > 0;
}

static bool take(enum place_kind kind, const MMDB_entry_data_s *value, struct geo_place *place) {
    switch (kind) {
    case PLACE_COUNTRY:
        return take_code(value, place->country);
    case PLACE_CONTINENT:
        return take_code(value, place->continent);
    case PLACE_ASN:
        return take_asn(value, &place->asn);
    case PLACE_AS_NAME:
        return take_name(value, place);
    }
    return false;
}

/* Of each kind the first place that says something counts. Returns the bits of the places that did;
 * *ret_damaged: something cannot be read. */
static unsigned read_record(MMDB_entry_s *entry, unsigned wanted, struct geo_place *place,
                            bool *ret_damaged) {
    unsigned taken = 0;
    unsigned kinds = 0;
    for (unsigned i = 0; i < PLACES; i++) {
        MMDB_entry_data_s value;
        if ((wanted & 1u << i) == 0 || (kinds & 1u << places[i].kind) != 0) {
            continue;
        }
        const int error = MMDB_aget_value(entry, &value, places[i].path);
        if (error == MMDB_SUCCESS && value.has_data) {
            if (take(places[i].kind, &value, place)) {
                taken |= 1u << i;
                kinds |= 1u << places[i].kind;
            }
        } else if (error != MMDB_SUCCESS && error != MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR) {
            *ret_damaged = true;
        }
    }
    return taken;
}

/* --- the file in memory of our own --------------------------------------------------------------
 */

static int fail(struct text *problem, struct str path, const char *sentence, int error) {
    text_add(problem, path);
    text_add(problem, STR(": "));
    text_add(problem, str_from(sentence));
    if (error != 0) {
        text_add(problem, STR(": "));
        text_add(problem, str_from(strerror(error)));
    }
    return error != 0 ? -error : -EINVAL;
}

static int refuse(struct text *problem, struct str path, const char *sentence) {
    return fail(problem, path, sentence, 0);
}

static int copy_bytes(int from, int to, uint64_t size) {
    char *buffer = malloc(COPY_BYTES);
    if (buffer == NULL) {
        return -ENOMEM;
    }
    uint64_t copied = 0;
    int result = 0;
    while (result == 0) {
        const ssize_t got = read(from, buffer, COPY_BYTES);
        if (got <= 0) {
            result = got < 0 ? -errno : 0;
            break;
        }
        copied += (uint64_t)got;
        if (copied > size || write(to, buffer, (size_t)got) != got) {
            result = copied > size ? -EAGAIN : -ENOMEM;
        }
    }
    free(buffer);
    return result == 0 && copied != size ? -EAGAIN : result;
}

static int check_file(int fd, struct str path, uint64_t *ret_size, struct text *problem) {
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return fail(problem, path, "cannot be looked at", errno);
    }
    if (!S_ISREG(status.st_mode)) {
        return refuse(problem, path,
                      "is not a regular file; name the .mmdb file of a country or ASN database");
    }
    if (status.st_size == 0) {
        return refuse(problem, path, "is empty; fetch it again with `seczim geo update`");
    }
    if (status.st_size > GEO_FILE_MAX) {
        (void)fail(problem, path, "is larger than 512 MiB, the most that is taken", 0);
        return -EFBIG;
    }
    *ret_size = (uint64_t)status.st_size;
    return 0;
}

/* The library maps the file that it opens. A mapped file that somebody overwrites or cuts would
 * kill the process (SIGBUS) or answer nonsense, so what it gets to see is a private copy that has
 * no name: memory behind a descriptor, reached through /proc. Returns that descriptor. */
static int copy_file(struct str path, uint64_t *ret_size, struct text *problem) {
    char name[PATH_MAX];
    if (path.length == 0 || path.length >= sizeof name) {
        return refuse(problem, path, "is no path of a file");
    }
    memcpy(name, path.data, path.length);
    name[path.length] = '\0';
    /* Without waiting: a pipe of that name would stop us for ever. */
    const int from = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (from < 0) {
        return fail(problem, path, "cannot be opened", errno);
    }
    int result = check_file(from, path, ret_size, problem);
    int to = -1;
    if (result == 0) {
        to = memfd_create("geo database", MFD_CLOEXEC);
        result = to < 0 ? -errno : copy_bytes(from, to, *ret_size);
        if (result == -EAGAIN) {
            (void)refuse(problem, path,
                         "changed while it was read; put a new file in its place by rename, as "
                         "`seczim geo update` does");
        } else if (result != 0) {
            (void)fail(problem, path, "cannot be read into memory", -result);
        }
    }
    (void)close(from);
    if (result != 0 && to >= 0) {
        (void)close(to);
    }
    return result == 0 ? to : result;
}

/* --- verification -------------------------------------------------------------------------------
 */

struct check {
    const MMDB_s *mmdb;
    unsigned char *seen; /* bit per offset of the data section */
    unsigned places;     /* that occur */
    uint64_t records;    /* different ones */
    const char *problem;
};

static bool check_data(struct check *check, MMDB_entry_s *entry) {
    unsigned char *seen = &check->seen[entry->offset / 8];
    const unsigned bit = 1u << entry->offset % 8;
    if ((*seen & bit) != 0 || check->records == RECORDS_CHECKED_MAX) {
        return true;
    }
    *seen = (unsigned char)(*seen | bit);
    check->records++;
    struct geo_place place = {0};
    bool damaged = false;
    /* All places, each for itself: one may speak here and another there. */
    for (unsigned i = 0; i < PLACES; i++) {
        check->places |= read_record(entry, 1u << i, &place, &damaged);
    }
    if (damaged) {
        check->problem = "holds a damaged record";
    }
    return !damaged;
}

static bool check_record(struct check *check, uint8_t type, uint64_t value, MMDB_entry_s *entry) {
    switch (type) {
    case MMDB_RECORD_TYPE_EMPTY:
        return true;
    case MMDB_RECORD_TYPE_SEARCH_NODE:
        return true;
    case MMDB_RECORD_TYPE_DATA:
        if (entry->offset < check->mmdb->data_section_size) {
            return check_data(check, entry);
        }
        break;
    default:
        break;
    }
    /* The library knows too that nothing leads back to the root: zeros where nodes should be. */
    check->problem = value == 0 ? "has a hole in its search tree"
                                : "has a search tree that leads out of the file";
    return false;
}

/* Every node of the tree, in the order of the file. */
static bool check_tree(struct check *check) {
    for (uint32_t i = 0; i < check->mmdb->metadata.node_count; i++) {
        MMDB_search_node_s node;
        if (MMDB_read_node(check->mmdb, i, &node) != MMDB_SUCCESS) {
            check->problem = "has a search tree that cannot be read";
            return false;
        }
        if (!check_record(check, node.left_record_type, node.left_record,
                          &node.left_record_entry) ||
            !check_record(check, node.right_record_type, node.right_record,
                          &node.right_record_entry)) {
            return false;
        }
    }
    return true;
}

static void say_corrupt(struct text *problem, struct str path, const char *what) {
    text_add(problem, path);
    text_add(problem, STR(": "));
    text_add(problem, str_from(what));
    text_add(problem, STR("; it is incomplete or damaged, fetch it again with `seczim geo "
                          "update`"));
}

static void fill_info(struct geo_database *database, uint64_t file_bytes) {
    const MMDB_metadata_s *metadata = &database->mmdb.metadata;
    struct geo_database_info *info = &database->info;
    struct text type = {.data = info->type, .size = sizeof info->type - 1};
    text_add_escaped(&type, str_from(metadata->database_type));
    info->type[type.length] = '\0';
    info->built_s = metadata->build_epoch < INT64_MAX / 1000000000 ? (int64_t)metadata->build_epoch
                                                                   : INT64_MAX / 1000000000;
    info->nodes = metadata->node_count;
    info->file_bytes = file_bytes;
    info->has_ipv6 = metadata->ip_version == 6;
    for (unsigned i = 0; i < PLACES; i++) {
        if ((database->places & 1u << i) != 0) {
            info->has_country = info->has_country || places[i].kind == PLACE_COUNTRY;
            info->has_asn = info->has_asn || places[i].kind == PLACE_ASN;
        }
    }
}

static int verify(struct geo_database *database, struct str path, struct text *problem) {
    const MMDB_metadata_s *metadata = &database->mmdb.metadata;
    if (metadata->binary_format_major_version != FORMAT_MAJOR || metadata->node_count == 0 ||
        (metadata->ip_version != 4 && metadata->ip_version != 6) ||
        metadata->database_type == NULL) {
        say_corrupt(problem, path, "its metadata make no sense");
        return -EINVAL;
    }
    struct check check = {
        .mmdb = &database->mmdb,
        .seen = calloc(1, database->mmdb.data_section_size / 8 + 1),
    };
    if (check.seen == NULL) {
        return fail(problem, path, "cannot be checked", ENOMEM);
    }
    const bool good = check_tree(&check);
    free(check.seen);
    if (!good) {
        say_corrupt(problem, path, check.problem);
        return -EINVAL;
    }
    database->places = check.places;
    return 0;
}

static int refuse_other_type(const struct geo_database *database, struct str path,
                             struct text *problem) {
    text_add(problem, path);
    text_add(problem, STR(": is a database of the type \""));
    text_add(problem, str_from(database->info.type));
    text_add(problem, STR("\" and tells neither countries nor autonomous systems; use a country or "
                          "an ASN database"));
    return -EINVAL;
}

/* --- open, find, close --------------------------------------------------------------------------
 */

/* What the library says of a file that it does not take. */
static int say_library(struct text *problem, struct str path, int error) {
    switch (error) {
    case MMDB_OUT_OF_MEMORY_ERROR:
        return fail(problem, path, "cannot be opened", ENOMEM);
    case MMDB_FILE_OPEN_ERROR:
    case MMDB_IO_ERROR:
        return fail(problem, path, "cannot be mapped through /proc/self/fd", EIO);
    case MMDB_UNKNOWN_DATABASE_FORMAT_ERROR:
        return refuse(problem, path, "is of a version of the MaxMind DB format that is not known");
    case MMDB_INVALID_METADATA_ERROR:
        say_corrupt(problem, path, "is no MaxMind DB file, or its end is missing");
        return -EINVAL;
    default:
        say_corrupt(problem, path, MMDB_strerror(error));
        return -EINVAL;
    }
}

int geo_database_open(struct str path, struct geo_database **ret_database, struct text *problem) {
    uint64_t size = 0;
    const int fd = copy_file(path, &size, problem);
    if (fd < 0) {
        return fd;
    }
    struct geo_database *database = calloc(1, sizeof *database);
    if (database == NULL) {
        (void)close(fd);
        return fail(problem, path, "cannot be opened", ENOMEM);
    }
    char copy[32];
    (void)snprintf(copy, sizeof copy, "/proc/self/fd/%d", fd);
    const int error = MMDB_open(copy, MMDB_MODE_MMAP, &database->mmdb);
    (void)close(fd); /* the mapping keeps the memory */
    if (error != MMDB_SUCCESS) {
        free(database);
        return say_library(problem, path, error);
    }
    int result = verify(database, path, problem);
    if (result == 0) {
        fill_info(database, size);
        if (!database->info.has_country && !database->info.has_asn) {
            result = refuse_other_type(database, path, problem);
        }
    }
    if (result != 0) {
        geo_database_close(database);
        return result;
    }
    *ret_database = database;
    return 0;
}

void geo_database_close(struct geo_database *database) {
    if (database != NULL) {
        MMDB_close(&database->mmdb);
        free(database);
    }
}

void geo_database_info(const struct geo_database *database, struct geo_database_info *ret_info) {
    *ret_info = database->info;
}

static MMDB_lookup_result_s look_up(const MMDB_s *mmdb, struct ip_address address, int *ret_error) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (ip_address_is_v4(address)) {
        memcpy(&v4.sin_addr, address.bytes + 12, sizeof v4.sin_addr);
        return MMDB_lookup_sockaddr(mmdb, (const struct sockaddr *)&v4, ret_error);
    }
    memcpy(&v6.sin6_addr, address.bytes, sizeof v6.sin6_addr);
    return MMDB_lookup_sockaddr(mmdb, (const struct sockaddr *)&v6, ret_error);
}

bool geo_database_find(const struct geo_database *database, struct ip_address address,
                       struct geo_place *place, uint64_t *damaged) {
    int error = MMDB_SUCCESS;
    MMDB_lookup_result_s found = look_up(&database->mmdb, address, &error);
    bool bad = error != MMDB_SUCCESS && error != MMDB_IPV6_LOOKUP_IN_IPV4_DATABASE_ERROR;
    unsigned taken = 0;
    if (error == MMDB_SUCCESS && found.found_entry) {
        taken = read_record(&found.entry, database->places, place, &bad);
    }
    if (bad && damaged != NULL) {
        ++*damaged;
    }
    return taken != 0;
}
