/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/geo_install.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/durable_file.h"
#include "cli/geo_fetch.h"
#include "cli/geo_unpack.h"

enum { HASHED_BYTES = 65536 };

/* The names in the folder of the database: .NAME.fetched, .NAME.new, NAME.old. */
struct place {
    int folder_fd;
    char folder[PATH_MAX];
    char name[NAME_MAX + 1];
    char fetched[NAME_MAX + 1];
    char new[NAME_MAX + 1];
    char old[NAME_MAX + 1];
    char old_new[NAME_MAX + 1];
    char new_path[PATH_MAX];
    int fetched_fd;
    int new_fd;
};

static int say(struct text *problem, const char *path, const char *sentence, int error) {
    text_add(problem, str_from(path));
    text_add(problem, STR(": "));
    text_add(problem, str_from(sentence));
    return error;
}

static int open_place(const char *path, struct place *place, struct text *problem) {
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const size_t folder = slash != NULL ? (size_t)(slash - path) : 0;
    enum { ADDED_MAX = 16 };
    *place = (struct place){.folder_fd = -1, .fetched_fd = -1, .new_fd = -1};
    if (name[0] == '\0' || strlen(name) > NAME_MAX - ADDED_MAX ||
        strlen(path) > PATH_MAX - 2 * ADDED_MAX) {
        return say(problem, path, "is no name of a file", -EINVAL);
    }
    (void)snprintf(place->folder, sizeof place->folder, "%.*s", (int)folder, path);
    if (slash == NULL || folder == 0) {
        (void)snprintf(place->folder, sizeof place->folder, "%s", slash == NULL ? "." : "/");
    }
    (void)snprintf(place->name, sizeof place->name, "%s", name);
    (void)snprintf(place->fetched, sizeof place->fetched, ".%.200s.fetched", name);
    (void)snprintf(place->new, sizeof place->new, ".%.200s.new", name);
    (void)snprintf(place->old, sizeof place->old, "%.200s.old", name);
    (void)snprintf(place->old_new, sizeof place->old_new, ".%.200s.old", name);
    (void)snprintf(place->new_path, sizeof place->new_path, "%.3800s/%.200s", place->folder,
                   place->new);
    place->folder_fd = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return place->folder_fd >= 0 ? 0 : say(problem, place->folder, strerror(errno), -errno);
}

/* The lock is on the file that is fetched into: it stays when a process is killed, the lock not. */
static int open_fetched(struct place *place, struct text *problem) {
    place->fetched_fd =
        openat(place->folder_fd, place->fetched, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (place->fetched_fd < 0) {
        return say(problem, place->folder, strerror(errno), -errno);
    }
    struct stat status;
    /* Without a name: whoever had it before us has finished just now. */
    if (flock(place->fetched_fd, LOCK_EX | LOCK_NB) != 0 ||
        fstat(place->fetched_fd, &status) != 0 || status.st_nlink == 0) {
        return say(problem, place->name, "another update is under way", -EBUSY);
    }
    return ftruncate(place->fetched_fd, 0) == 0
               ? 0
               : say(problem, place->fetched, strerror(errno), -errno);
}

static void close_place(struct place *place) {
    if (place->folder_fd >= 0) {
        if (place->new_fd >= 0) {
            (void)unlinkat(place->folder_fd, place->new, 0);
            (void)close(place->new_fd);
        }
        if (place->fetched_fd >= 0) {
            (void)unlinkat(place->folder_fd, place->fetched, 0);
            (void)close(place->fetched_fd);
        }
        (void)close(place->folder_fd);
    }
}

/* --- checksums ----------------------------------------------------------------------------------
 */

static int hash_file(int fd, unsigned char ret_sha256[crypto_hash_sha256_BYTES],
                     unsigned char ret_sha512[crypto_hash_sha512_BYTES]) {
    static unsigned char buffer[HASHED_BYTES];
    crypto_hash_sha256_state sha256;
    crypto_hash_sha512_state sha512;
    (void)crypto_hash_sha256_init(&sha256);
    (void)crypto_hash_sha512_init(&sha512);
    ssize_t got;
    if (lseek(fd, 0, SEEK_SET) != 0) {
        return -errno;
    }
    while ((got = read(fd, buffer, sizeof buffer)) > 0) {
        (void)crypto_hash_sha256_update(&sha256, buffer, (unsigned long long)got);
        (void)crypto_hash_sha512_update(&sha512, buffer, (unsigned long long)got);
    }
    (void)crypto_hash_sha256_final(&sha256, ret_sha256);
    (void)crypto_hash_sha512_final(&sha512, ret_sha512);
    return got < 0 ? -errno : 0;
}

static int check_sums(const struct geo_install *install, const struct geo_source *source, int fd,
                      struct text *problem) {
    unsigned char sha256[crypto_hash_sha256_BYTES];
    unsigned char sha512[crypto_hash_sha512_BYTES];
    char found[2 * crypto_hash_sha256_BYTES + 1];
    const int error = hash_file(fd, sha256, sha512);
    if (error != 0) {
        return say(problem, source->url, strerror(-error), error);
    }
    (void)sodium_bin2hex(found, sizeof found, sha256, sizeof sha256);
    if (install->sha256 != NULL && !str_equal_nocase(str_from(install->sha256), str_from(found))) {
        text_add(problem, STR("What was fetched has the SHA-256 "));
        text_add(problem, str_from(found));
        text_add(problem, STR(", not the one that was told; nothing was changed"));
        return -EINVAL;
    }
    if (source->has_sha256 && memcmp(source->sha256, sha256, sizeof sha256) != 0) {
        return say(
            problem, source->url,
            "is not the file whose checksum MaxMind tells; nothing was changed. If there was "
            "a new one just now, the next try goes well",
            -EINVAL);
    }
    if (source->has_sha512 && memcmp(source->sha512, sha512, sizeof sha512) != 0) {
        return say(problem, source->url,
                   "is not the file whose checksum the registry tells; nothing was changed",
                   -EINVAL);
    }
    return 0;
}

/* --- the new against the old --------------------------------------------------------------------
 */

static int refuse(struct text *problem, const char *sentence) {
    text_add(problem, STR("The new database "));
    text_add(problem, str_from(sentence));
    text_add(problem, STR("; the old one stays. If that is meant: --force"));
    return -EINVAL;
}

static int compare(const struct geo_install *install, const struct geo_installed *installed,
                   struct text *problem) {
    const struct geo_database_info *info = &installed->info;
    const struct geo_database_info *old = &installed->old;
    if (install->asn ? !info->has_asn : !info->has_country) {
        text_add(problem, STR("The new database ("));
        text_add(problem, str_from(info->type));
        text_add(problem, install->asn ? STR(") tells no autonomous systems; the old one stays")
                                       : STR(") tells no countries; the old one stays"));
        return -EINVAL;
    }
    if (!installed->had_old || install->force) {
        return 0;
    }
    if (strcmp(info->type, old->type) != 0) {
        char words[256];
        (void)snprintf(words, sizeof words, "is of the type \"%s\", the old one of \"%s\"",
                       info->type, old->type);
        return refuse(problem, words);
    }
    if (info->built_s < old->built_s) {
        return refuse(problem, "is older than the old one");
    }
    if (info->nodes < old->nodes / 2) {
        return refuse(problem, "has less than half the size of the old one");
    }
    return 0;
}

static int inspect(const char *path, struct geo_database_info *ret_info, struct text *problem) {
    struct geo_database *database;
    const int error = geo_database_open(str_from(path), &database, problem);
    if (error == 0) {
        geo_database_info(database, ret_info);
        geo_database_close(database);
    }
    return error;
}

static bool same_data(const struct geo_installed *installed) {
    return installed->had_old && installed->info.built_s == installed->old.built_s &&
           installed->info.nodes == installed->old.nodes &&
           installed->info.file_bytes == installed->old.file_bytes &&
           strcmp(installed->info.type, installed->old.type) == 0;
}

/* NAME.old becomes the present file; the present name stays all the time. */
static void keep_old(const struct place *place) {
    (void)unlinkat(place->folder_fd, place->old_new, 0);
    if (linkat(place->folder_fd, place->name, place->folder_fd, place->old_new, 0) == 0) {
        (void)renameat(place->folder_fd, place->old_new, place->folder_fd, place->old);
    }
}

static int check_new(const struct geo_install *install, const struct place *place,
                     struct geo_installed *installed, struct text *problem) {
    char words[512];
    struct text ignored = TEXT_OVER(words);
    const int error = inspect(place->new_path, &installed->info, problem);
    if (error != 0) {
        return error;
    }
    installed->had_old = inspect(install->path, &installed->old, &ignored) == 0;
    return compare(install, installed, problem);
}

static int put_in_place(struct place *place, bool had_old, struct text *problem) {
    enum { READABLE = 0644 }; /* by the daemon, whoever updates */
    if (fchmod(place->new_fd, READABLE) != 0) {
        return say(problem, place->new_path, strerror(errno), -errno);
    }
    if (had_old) {
        keep_old(place);
    }
    const int error = durable_file_commit(place->folder_fd, place->new_fd, place->new, place->name);
    return error == 0 ? 0 : say(problem, place->name, strerror(-error), error);
}

static int run(const struct geo_install *install, const struct geo_source *source,
               struct place *place, struct geo_installed *installed, struct text *problem) {
    const struct geo_fetch fetch = {
        .url = source->url,
        .account = source->account[0] != '\0' ? source->account : NULL,
        .key = source->key,
        .bytes_max = GEO_FILE_MAX,
        .seconds_max = install->seconds_max,
    };
    int error = open_fetched(place, problem);
    error = error != 0 ? error : geo_fetch_file(&fetch, place->fetched_fd, problem);
    error = error != 0 ? error : check_sums(install, source, place->fetched_fd, problem);
    if (error != 0) {
        return error;
    }
    place->new_fd = openat(place->folder_fd, place->new,
                           O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (place->new_fd < 0) {
        return say(problem, place->new_path, strerror(errno), -errno);
    }
    error = geo_unpack(place->fetched_fd, place->new_fd, GEO_FILE_MAX, problem);
    error = error != 0 ? error : check_new(install, place, installed, problem);
    if (error != 0) {
        return error;
    }
    installed->same = same_data(installed) && !install->force;
    return installed->same ? 0 : put_in_place(place, installed->had_old, problem);
}

int geo_install(const struct geo_install *install, const struct geo_source *source,
                struct geo_installed *ret_installed, struct text *problem) {
    struct place place;
    *ret_installed = (struct geo_installed){.had_old = false};
    int error = sodium_init() >= 0 ? open_place(install->path, &place, problem) : -ENOMEM;
    if (error != 0) {
        return error;
    }
    error = run(install, source, &place, ret_installed, problem);
    close_place(&place);
    return error;
}
