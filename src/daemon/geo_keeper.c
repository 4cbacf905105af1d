/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/geo_keeper.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rfc3339.h"
#include "daemon/engine.h"
#include "policy/geo.h"

/* Who reads a database says so in a slot of its own (a hazard pointer) for the time of the look-up;
 * whoever has put another database in its place waits until no slot names the old one, and closes
 * it. A look-up takes less than a microsecond, so that wait is short. */

enum { FILES = 2, READERS = GEO_KEEPER_WORKERS + 1, ASKING = GEO_KEEPER_WORKERS };
enum { FILE_COUNTRY = 0, FILE_ASN };
static const char *const file_names[FILES] = {"country.mmdb", "asn.mmdb"};
static const char *const file_kinds[FILES] = {"Country database", "ASN database"};

struct reader {
    _Alignas(64) _Atomic(struct geo_database *) reading;
    _Atomic uint64_t lookups; /* written by the reader alone */
    _Atomic uint64_t damaged;
};

/* What tells one file from another that stands at its path. */
struct identity {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
    struct timespec modified;
};

struct kept_file {
    char path[sizeof((struct geo_keeper_file *)0)->path];
    bool optional; /* nobody has named it: none is no mistake */
    bool seen;     /* `identity` is that of the file last looked at; otherwise there was none */
    struct identity identity;
    char problem[sizeof((struct geo_keeper_file *)0)->problem];
    struct geo_database_info info;
    int64_t opened_wall_ns;
};

struct geo_keeper {
    _Atomic(struct geo_database *) databases[FILES];
    struct reader readers[READERS];
    pthread_mutex_t ask_lock; /* the last reader's */

    pthread_mutex_t look_lock; /* all that follows */
    struct kept_file files[FILES];
    struct engine *engine; /* NULL: the paths stay */
    bool told_missing;     /* that rules are given and no database is there */
    uint64_t swaps;
    uint64_t refused;

    pthread_t thread;
    bool running;
    int stop_fd;
};

/* --- look-ups -----------------------------------------------------------------------------------
 */

static bool find_in(struct geo_keeper *keeper, struct reader *reader, unsigned file,
                    struct ip_address address, struct geo_place *place) {
    _Atomic(struct geo_database *) *current = &keeper->databases[file];
    struct geo_database *database = atomic_load_explicit(current, memory_order_acquire);
    uint64_t damaged = 0;
    while (database != NULL) {
        /* The slot must be seen before `current` is read again: the keeper changes that first and
         * looks at the slots after. */
        atomic_store_explicit(&reader->reading, database, memory_order_seq_cst);
        struct geo_database *now = atomic_load_explicit(current, memory_order_seq_cst);
        if (now == database) {
            break;
        }
        database = now;
    }
    if (database != NULL) {
        (void)geo_database_find(database, address, place, &damaged);
        atomic_fetch_add_explicit(&reader->damaged, damaged, memory_order_relaxed);
    }
    atomic_store_explicit(&reader->reading, NULL, memory_order_release);
    return database != NULL;
}

static bool find(struct geo_keeper *keeper, struct reader *reader, struct ip_address address,
                 struct geo_place *place, bool *ret_has_countries) {
    struct geo_place system = {0};
    memset(place, 0, sizeof *place);
    const bool has_country = find_in(keeper, reader, FILE_COUNTRY, address, place);
    const bool has_asn = find_in(keeper, reader, FILE_ASN, address, &system);
    if (system.asn != 0) {
        place->asn = system.asn;
        place->as_name_length = system.as_name_length;
        memcpy(place->as_name, system.as_name, sizeof place->as_name);
    }
    atomic_fetch_add_explicit(&reader->lookups, 1, memory_order_relaxed);
    *ret_has_countries = has_country;
    return has_country || has_asn;
}

bool geo_keeper_find(struct geo_keeper *keeper, unsigned worker, struct ip_address address,
                     struct geo_place *ret_place) {
    bool has_countries;
    CHECK(worker < GEO_KEEPER_WORKERS);
    return find(keeper, &keeper->readers[worker], address, ret_place, &has_countries);
}

static void fill(struct geo_keeper *keeper, struct reader *reader, struct ip_address address,
                 struct facts *facts) {
    struct geo_place place;
    bool has_countries;
    if (!find(keeper, reader, address, &place, &has_countries)) {
        facts->status[FACT_GEO] = FACT_UNAVAILABLE;
        return;
    }
    facts->status[FACT_GEO] = FACT_KNOWN;
    memcpy(facts->geo_country, has_countries ? place.country : GEO_NO_DATABASE,
           sizeof facts->geo_country);
    facts->geo_asn = place.asn;
}

void geo_keeper_fill(struct geo_keeper *keeper, unsigned worker, struct ip_address address,
                     struct facts *facts) {
    CHECK(worker < GEO_KEEPER_WORKERS);
    fill(keeper, &keeper->readers[worker], address, facts);
}

void geo_keeper_ask_fact(struct geo_keeper *keeper, struct ip_address address,
                         struct facts *facts) {
    (void)pthread_mutex_lock(&keeper->ask_lock);
    fill(keeper, &keeper->readers[ASKING], address, facts);
    (void)pthread_mutex_unlock(&keeper->ask_lock);
}

bool geo_keeper_ask(struct geo_keeper *keeper, struct ip_address address,
                    struct geo_place *ret_place) {
    bool has_countries;
    (void)pthread_mutex_lock(&keeper->ask_lock);
    const bool found = find(keeper, &keeper->readers[ASKING], address, ret_place, &has_countries);
    (void)pthread_mutex_unlock(&keeper->ask_lock);
    return found;
}

/* --- files; look_lock held ----------------------------------------------------------------------
 */

static bool is_used(struct geo_keeper *keeper, const struct geo_database *database) {
    for (unsigned i = 0; i < READERS; i++) {
        if (atomic_load_explicit(&keeper->readers[i].reading, memory_order_seq_cst) == database) {
            return true;
        }
    }
    return false;
}

static void put_in_place(struct geo_keeper *keeper, unsigned file, struct geo_database *database) {
    struct geo_database *old =
        atomic_exchange_explicit(&keeper->databases[file], database, memory_order_seq_cst);
    if (old == NULL) {
        return;
    }
    keeper->swaps++;
    while (is_used(keeper, old)) {
        (void)poll(NULL, 0, 1);
    }
    geo_database_close(old);
}

static bool same_time(struct timespec a, struct timespec b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_identity(const struct identity *a, const struct identity *b) {
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           same_time(a->changed, b->changed) && same_time(a->modified, b->modified);
}

/* 0 or errno. */
static int identify(const char *path, struct identity *ret_identity) {
    struct stat status;
    if (stat(path, &status) != 0) {
        return errno;
    }
    *ret_identity = (struct identity){
        .device = status.st_dev,
        .inode = status.st_ino,
        .size = status.st_size,
        .changed = status.st_ctim,
        .modified = status.st_mtim,
    };
    return 0;
}

static void tell_problem(struct geo_keeper *keeper, unsigned file, struct str sentence) {
    struct kept_file *kept = &keeper->files[file];
    const bool has_old =
        atomic_load_explicit(&keeper->databases[file], memory_order_acquire) != NULL;
    struct text problem = {.data = kept->problem, .size = sizeof kept->problem};
    text_add(&problem, sentence);
    (void)text_zero(&problem);
    log_write(LOG_ERROR, "GeoIP", "%s not taken: %s%s", file_kinds[file], kept->problem,
              has_old ? "; the one before stays in use" : "");
}

static void tell_opened(const struct kept_file *kept, unsigned file) {
    char bytes[RFC3339_TEXT_MAX];
    struct text built = TEXT_OVER(bytes);
    rfc3339_format(kept->info.built_s * NS_PER_S, &built);
    log_write(LOG_INFO, "GeoIP", "%s %s in use: %s of %.10s, %llu nodes", file_kinds[file],
              kept->path, kept->info.type, text_zero(&built), (unsigned long long)kept->info.nodes);
}

static void check_kind(const struct kept_file *kept, unsigned file) {
    if (file == FILE_COUNTRY ? !kept->info.has_country : !kept->info.has_asn) {
        log_write(LOG_WARN, "GeoIP", "%s %s (%s) tells no %s", file_kinds[file], kept->path,
                  kept->info.type, file == FILE_COUNTRY ? "countries" : "autonomous systems");
    }
}

static void open_file(struct geo_keeper *keeper, unsigned file, const struct identity *identity) {
    struct kept_file *kept = &keeper->files[file];
    char bytes[sizeof kept->problem];
    struct text problem = TEXT_OVER(bytes);
    struct geo_database *database;
    struct identity after;
    const int error = geo_database_open(str_from(kept->path), &database, &problem);
    if (identify(kept->path, &after) != 0 || !same_identity(identity, &after)) {
        /* Somebody is writing to it: the next look finds it finished. */
        if (error == 0) {
            geo_database_close(database);
        }
        return;
    }
    kept->identity = *identity;
    kept->seen = true;
    if (error != 0) {
        keeper->refused++;
        tell_problem(keeper, file, text_str(&problem));
        return;
    }
    kept->problem[0] = '\0';
    kept->opened_wall_ns = clock_wall_ns();
    geo_database_info(database, &kept->info);
    put_in_place(keeper, file, database);
    tell_opened(kept, file);
    check_kind(kept, file);
}

/* A file that went away leaves its database in use. */
static void note_missing(struct geo_keeper *keeper, unsigned file, int error) {
    struct kept_file *kept = &keeper->files[file];
    const bool first = kept->seen || kept->problem[0] == '\0';
    kept->seen = false;
    if (kept->optional &&
        atomic_load_explicit(&keeper->databases[file], memory_order_acquire) == NULL) {
        kept->problem[0] = '\0';
    } else if (first) {
        char bytes[sizeof kept->problem];
        struct text sentence = TEXT_OVER(bytes);
        text_add(&sentence, str_from(kept->path));
        text_add(&sentence, STR(": "));
        text_add(&sentence, str_from(strerror(error)));
        tell_problem(keeper, file, text_str(&sentence));
    }
}

static void look_at(struct geo_keeper *keeper, unsigned file) {
    struct kept_file *kept = &keeper->files[file];
    struct identity identity;
    if (kept->path[0] == '\0') {
        return;
    }
    const int error = identify(kept->path, &identity);
    if (error != 0) {
        note_missing(keeper, file, error);
    } else if (!kept->seen || !same_identity(&identity, &kept->identity)) {
        open_file(keeper, file, &identity);
    }
}

static void set_path(struct kept_file *kept, struct str path, bool optional) {
    kept->optional = optional;
    if (path.length >= sizeof kept->path || str_equal(path, str_from(kept->path))) {
        return;
    }
    memcpy(kept->path, path.data, path.length);
    kept->path[path.length] = '\0';
    kept->seen = false;
    kept->problem[0] = '\0';
}

static void set_path_or_usual(struct geo_keeper *keeper, unsigned file, struct str path,
                              struct str folder) {
    char bytes[sizeof keeper->files[file].path];
    struct text usual = TEXT_OVER(bytes);
    if (path.length == 0) {
        text_add(&usual, folder);
        text_add_byte(&usual, '/');
        text_add(&usual, str_from(file_names[file]));
    }
    if (!usual.truncated) {
        set_path(&keeper->files[file], path.length > 0 ? path : text_str(&usual), path.length == 0);
    }
}

static void tell_rules_without_database(struct geo_keeper *keeper, bool has_rules) {
    const bool missing = has_rules && atomic_load(&keeper->databases[FILE_COUNTRY]) == NULL &&
                         atomic_load(&keeper->databases[FILE_ASN]) == NULL;
    if (missing && !keeper->told_missing) {
        log_write(LOG_WARN, "GeoIP",
                  "Rules for countries or networks are given and there is no database: the policy "
                  "geo abstains. Fetch one with: seczim geo update");
    }
    keeper->told_missing = missing;
}

static void look(struct geo_keeper *keeper) {
    bool has_rules = false;
    if (keeper->engine != NULL) {
        const struct generation *generation = engine_generation_acquire(keeper->engine);
        const struct settings *settings = generation->settings;
        set_path_or_usual(keeper, FILE_COUNTRY, settings->geo.database, settings->paths.data);
        set_path_or_usual(keeper, FILE_ASN, settings->geo.asn_database, settings->paths.data);
        has_rules = geo_wants_fact(&settings->policy, DIRECTION_INBOUND) ||
                    geo_wants_fact(&settings->policy, DIRECTION_OUTBOUND);
        engine_generation_release(keeper->engine, generation);
    }
    for (unsigned i = 0; i < FILES; i++) {
        look_at(keeper, i);
    }
    tell_rules_without_database(keeper, has_rules);
}

void geo_keeper_look(struct geo_keeper *keeper) {
    (void)pthread_mutex_lock(&keeper->look_lock);
    look(keeper);
    (void)pthread_mutex_unlock(&keeper->look_lock);
}

void geo_keeper_set_paths(struct geo_keeper *keeper, const struct geo_keeper_paths *paths) {
    (void)pthread_mutex_lock(&keeper->look_lock);
    set_path(&keeper->files[FILE_COUNTRY], paths->country, false);
    set_path(&keeper->files[FILE_ASN], paths->asn, false);
    (void)pthread_mutex_unlock(&keeper->look_lock);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void *run(void *context) {
    struct geo_keeper *keeper = context;
    struct pollfd wait = {.fd = keeper->stop_fd, .events = POLLIN};
    (void)pthread_setname_np(pthread_self(), "geo keeper");
    while (poll(&wait, 1, GEO_KEEPER_LOOK_MS) <= 0) {
        geo_keeper_look(keeper);
    }
    return NULL;
}

static int open_keeper(struct engine *engine, const struct geo_keeper_paths *paths,
                       struct geo_keeper **ret_keeper) {
    struct geo_keeper *keeper = aligned_alloc(64, sizeof *keeper);
    if (keeper == NULL) {
        return -ENOMEM;
    }
    memset(keeper, 0, sizeof *keeper);
    (void)pthread_mutex_init(&keeper->ask_lock, NULL);
    (void)pthread_mutex_init(&keeper->look_lock, NULL);
    keeper->engine = engine;
    if (paths != NULL) {
        geo_keeper_set_paths(keeper, paths);
    }
    geo_keeper_look(keeper);
    keeper->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int error = keeper->stop_fd < 0 ? -errno : 0;
    if (error == 0) {
        error = -pthread_create(&keeper->thread, NULL, run, keeper);
        keeper->running = error == 0;
    }
    if (error != 0) {
        geo_keeper_close(keeper);
        return error;
    }
    *ret_keeper = keeper;
    return 0;
}

int geo_keeper_start(struct engine *engine, struct geo_keeper **ret_keeper) {
    return open_keeper(engine, NULL, ret_keeper);
}

int geo_keeper_open(const struct geo_keeper_paths *paths, struct geo_keeper **ret_keeper) {
    return open_keeper(NULL, paths, ret_keeper);
}

void geo_keeper_close(struct geo_keeper *keeper) {
    if (keeper == NULL) {
        return;
    }
    if (keeper->running) {
        const uint64_t one = 1;
        (void)!write(keeper->stop_fd, &one, sizeof one);
        (void)pthread_join(keeper->thread, NULL);
    }
    if (keeper->stop_fd >= 0) {
        (void)close(keeper->stop_fd);
    }
    for (unsigned i = 0; i < FILES; i++) {
        geo_database_close(atomic_load(&keeper->databases[i]));
    }
    (void)pthread_mutex_destroy(&keeper->ask_lock);
    (void)pthread_mutex_destroy(&keeper->look_lock);
    free(keeper);
}

static void fill_status(struct geo_keeper *keeper, unsigned file, struct geo_keeper_file *status) {
    const struct kept_file *kept = &keeper->files[file];
    memcpy(status->path, kept->path, sizeof status->path);
    memcpy(status->problem, kept->problem, sizeof status->problem);
    status->open = atomic_load(&keeper->databases[file]) != NULL;
    status->info = kept->info;
    status->opened_wall_ns = kept->opened_wall_ns;
}

void geo_keeper_status(struct geo_keeper *keeper, struct geo_keeper_status *ret_status) {
    *ret_status = (struct geo_keeper_status){.lookups = 0};
    (void)pthread_mutex_lock(&keeper->look_lock);
    fill_status(keeper, FILE_COUNTRY, &ret_status->country);
    fill_status(keeper, FILE_ASN, &ret_status->asn);
    ret_status->swaps = keeper->swaps;
    ret_status->refused = keeper->refused;
    (void)pthread_mutex_unlock(&keeper->look_lock);
    for (unsigned i = 0; i < READERS; i++) {
        ret_status->lookups +=
            atomic_load_explicit(&keeper->readers[i].lookups, memory_order_relaxed);
        ret_status->damaged +=
            atomic_load_explicit(&keeper->readers[i].damaged, memory_order_relaxed);
    }
}
