/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/geo_fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REDIRECTS_MAX = 5, CONNECT_SECONDS_MAX = 20, URL_SHOWN_MAX = 200 };

struct arrival {
    int fd; /* -1: into `text` */
    char *text;
    uint64_t length;
    uint64_t max;
    bool too_large;
    int error; /* errno of a write */
};

static size_t on_bytes(char *bytes, size_t one, size_t count, void *context) {
    struct arrival *arrival = context;
    const size_t length = one * count;
    if (length > arrival->max - arrival->length) {
        arrival->too_large = true;
        return 0;
    }
    if (arrival->fd < 0) {
        memcpy(arrival->text + arrival->length, bytes, length);
    }
    for (size_t written = 0; arrival->fd >= 0 && written < length;) {
        const ssize_t put = write(arrival->fd, bytes + written, length - written);
        if (put < 0 && errno != EINTR) {
            arrival->error = errno;
            return 0;
        }
        written += put > 0 ? (size_t)put : 0;
    }
    arrival->length += length;
    return length;
}

static bool is_local(struct str url) {
    static const char *const hosts[] = {"http://127.0.0.1", "http://[::1]", "http://localhost"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        const struct str host = str_from(hosts[i]);
        if (str_starts(url, host)) {
            const struct str rest = str_slice(url, host.length, url.length);
            return rest.length == 0 || rest.data[0] == ':' || rest.data[0] == '/';
        }
    }
    return false;
}

static int say(struct text *problem, const char *url, const char *sentence, int error) {
    text_add_escaped(problem, str_slice(str_from(url), 0, URL_SHOWN_MAX));
    text_add(problem, STR(": "));
    text_add(problem, str_from(sentence));
    return error;
}

static const char *explain_status(long status) {
    switch (status) {
    case 401:
    case 403:
        return "account or key are not right, or the account may not have this database";
    case 429:
        return "so often nobody may fetch there. Nothing was changed; try again tomorrow, and not "
               "more than once a day";
    default:
        return status >= 500 ? "it has trouble of its own. Nothing was changed; try again later"
                             : "nothing was changed; is the address right?";
    }
}

static int say_result(const struct geo_fetch *fetch, const struct arrival *arrival, CURLcode result,
                      long status, struct text *problem) {
    if (arrival->too_large) {
        return say(problem, fetch->url, "is larger than what is taken; nothing was changed",
                   -EFBIG);
    }
    if (arrival->error != 0) {
        return say(problem, fetch->url, strerror(arrival->error), -arrival->error);
    }
    if (result == CURLE_HTTP_RETURNED_ERROR) {
        text_add(problem, STR("The server answered "));
        text_add_u64(problem, (uint64_t)status);
        text_add(problem, STR(" to "));
        return say(problem, fetch->url, explain_status(status), -ENOENT);
    }
    if (result == CURLE_UNSUPPORTED_PROTOCOL || result == CURLE_TOO_MANY_REDIRECTS) {
        return say(problem, fetch->url,
                   result == CURLE_TOO_MANY_REDIRECTS
                       ? "sends on from address to address without end; nothing was changed"
                       : "sends on to an address that is not https://; nothing was changed",
                   -EPROTO);
    }
    if (result == CURLE_OPERATION_TIMEDOUT) {
        return say(problem, fetch->url, "took too long and was given up; nothing was changed",
                   -ETIMEDOUT);
    }
    return say(problem, fetch->url, curl_easy_strerror(result), -ECONNRESET);
}

static void set_options(CURL *curl, const struct geo_fetch *fetch, bool local,
                        struct arrival *arrival) {
    (void)curl_easy_setopt(curl, CURLOPT_URL, fetch->url);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "seczim/" SECZIM_VERSION);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, local ? "http,https" : "https");
    (void)curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    (void)curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS_MAX);
    (void)curl_easy_setopt(
        curl, CURLOPT_TIMEOUT,
        (long)(fetch->seconds_max > 0 ? fetch->seconds_max : GEO_FETCH_SECONDS_MAX));
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)GEO_FETCH_SLOW_BYTES);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)GEO_FETCH_STALLED_SECONDS);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, arrival);
    if (fetch->account != NULL && fetch->key != NULL) {
        /* Not sent on to the host of a redirect. */
        (void)curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        (void)curl_easy_setopt(curl, CURLOPT_USERNAME, fetch->account);
        (void)curl_easy_setopt(curl, CURLOPT_PASSWORD, fetch->key);
    }
}

static int fetch_into(const struct geo_fetch *fetch, struct arrival *arrival,
                      struct text *problem) {
    const bool local = is_local(str_from(fetch->url));
    if (!local && !str_starts(str_from(fetch->url), STR("https://"))) {
        return say(problem, fetch->url, "is not fetched: only https:// proves where it comes from",
                   -EINVAL);
    }
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        return say(problem, fetch->url, "cannot be fetched: no memory", -ENOMEM);
    }
    long status = 0;
    set_options(curl, fetch, local, arrival);
    const CURLcode result = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    return result == CURLE_OK ? 0 : say_result(fetch, arrival, result, status, problem);
}

int geo_fetch_file(const struct geo_fetch *fetch, int fd, struct text *problem) {
    struct arrival arrival = {.fd = fd, .max = fetch->bytes_max};
    return fetch_into(fetch, &arrival, problem);
}

int geo_fetch_text(const struct geo_fetch *fetch, char **ret_text, struct text *problem) {
    struct arrival arrival = {
        .fd = -1, .text = malloc(GEO_FETCH_TEXT_MAX + 1), .max = GEO_FETCH_TEXT_MAX};
    if (arrival.text == NULL) {
        return say(problem, fetch->url, "cannot be fetched: no memory", -ENOMEM);
    }
    const int error = fetch_into(fetch, &arrival, problem);
    if (error != 0) {
        free(arrival.text);
        return error;
    }
    arrival.text[arrival.length] = '\0';
    *ret_text = arrival.text;
    return 0;
}
