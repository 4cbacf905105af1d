/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* A connection that rested longer may be about to be closed by the other end: the least deadline
 * for a head of ours is 60 s. */
enum { LINE_MAX_BYTES = 1024 * 1024, URL_MAX = 16384, KEPT_S_MAX = 20 };

/* Handles that rest; each has its connection. */
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static CURL *kept[HTTP_CLIENT_KEPT_MAX];
static size_t kept_count;

/* What arrives, as a body to keep or as lines to hand over. */
struct arrival {
    CURL *curl;
    struct http_reply *reply;
    size_t size;
    size_t max;
    bool too_large;
    http_client_line *line; /* NULL: keep everything */
    void *line_context;
    bool stopped; /* by the receiver of lines */
};

static bool keep(struct arrival *arrival, const char *bytes, size_t length) {
    struct http_reply *reply = arrival->reply;
    if (length > arrival->max - reply->length) {
        arrival->too_large = true;
        return false;
    }
    if (reply->length + length + 1 > arrival->size) {
        size_t size = arrival->size == 0 ? 4096 : arrival->size;
        while (size < reply->length + length + 1) {
            size *= 2;
        }
        char *body = realloc(reply->body, size);
        if (body == NULL) {
            return false;
        }
        reply->body = body;
        arrival->size = size;
    }
    memcpy(reply->body + reply->length, bytes, length);
    reply->length += length;
    reply->body[reply->length] = '\0';
    return true;
}

/* Hands over the whole lines of what was kept and keeps the rest. */
static bool hand_over_lines(struct arrival *arrival) {
    struct http_reply *reply = arrival->reply;
    struct str rest = {reply->body, reply->length};
    size_t newline;
    while ((newline = str_find(rest, '\n')) != SIZE_MAX) {
        if (!arrival->line(arrival->line_context, str_slice(rest, 0, newline))) {
            arrival->stopped = true;
            return false;
        }
        rest = str_slice(rest, newline + 1, rest.length);
    }
    if (rest.length > 0) {
        memmove(reply->body, rest.data, rest.length);
    }
    reply->length = rest.length;
    return true;
}

static size_t receive(char *bytes, size_t one, size_t length, void *context) {
    (void)one;
    struct arrival *arrival = context;
    if (!keep(arrival, bytes, length)) {
        return 0;
    }
    if (arrival->line != NULL) {
        long status = 0;
        (void)curl_easy_getinfo(arrival->curl, CURLINFO_RESPONSE_CODE, &status);
        if (status == 200 && !hand_over_lines(arrival)) {
            return 0;
        }
    }
    return length;
}

static void init_curl(void) {
    (void)curl_global_init(CURL_GLOBAL_NOTHING);
}

/* Called by the library while it waits. */
static int look_whether_to_go_on(void *context, curl_off_t to_come, curl_off_t came,
                                 curl_off_t to_send, curl_off_t sent) {
    (void)to_come;
    (void)came;
    (void)to_send;
    (void)sent;
    const struct http_call *call = context;
    return call->go_on(call->go_on_context) ? 0 : 1;
}

/* The one that was used last, so that those which are too many grow old. */
static CURL *take_handle(const struct http_call *call) {
    CURL *curl = NULL;
    pthread_mutex_lock(&kept_lock);
    if (call->keep && kept_count > 0) {
        curl = kept[--kept_count];
    }
    pthread_mutex_unlock(&kept_lock);
    return curl != NULL ? curl : curl_easy_init();
}

static void give_handle(const struct http_call *call, CURL *curl, bool good) {
    bool taken = false;
    if (call->keep && good) {
        curl_easy_reset(curl); /* All but its connection. */
        pthread_mutex_lock(&kept_lock);
        taken = kept_count < HTTP_CLIENT_KEPT_MAX;
        if (taken) {
            kept[kept_count++] = curl;
        }
        pthread_mutex_unlock(&kept_lock);
    }
    if (!taken) {
        curl_easy_cleanup(curl);
    }
}

static struct curl_slist *make_headers(const struct http_call *call) {
    /* Without the empty one curl would wait a second for "100 Continue" before larger bodies. */
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (call->body.data != NULL) {
        headers = curl_slist_append(headers, "Content-Type: application/json");
    }
    if (call->author != NULL) {
        char author[256];
        (void)snprintf(author, sizeof author, "X-Seczim-Author: %s", call->author);
        headers = curl_slist_append(headers, author);
    }
    return headers;
}

static void set_options(CURL *curl, const struct http_call *call, const char *url,
                        struct curl_slist *headers, struct arrival *arrival, char *error) {
    (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, call->socket_path);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(call->timeout_ns / NS_PER_MS));
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    (void)curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, (long)KEPT_S_MAX);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, arrival);
    if (call->go_on != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_whether_to_go_on);
        (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, call);
    }
    if (call->body.data != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.length);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body.data);
    }
}

/* What the library's result means for the caller: a negative errno, and a sentence. */
static int explain(CURL *curl, CURLcode code, const struct http_call *call,
                   const struct arrival *arrival, const char *error, struct text *problem) {
    long system_error = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &system_error);
    text_add(problem, STR("The socket "));
    text_add_escaped(problem, str_from(call->socket_path));
    if (arrival->too_large) {
        text_add(problem, STR(" sent a reply that is too long."));
        return -EFBIG;
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        text_add(problem, STR(" is not waited for any more."));
        return -ECANCELED;
    }
    if (code == CURLE_COULDNT_CONNECT) {
        const int cause = system_error > 0 ? (int)system_error : ECONNREFUSED;
        text_add(problem, STR(" cannot be reached: "));
        text_add(problem, str_from(strerror(cause)));
        text_add(problem, cause == EACCES ? STR(". Run this as root or as a member of the "
                                                "service's group.")
                                          : STR(". Is seczim-daemon running?"));
        return -cause;
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        text_add(problem, STR(" did not answer in time."));
        return -ETIMEDOUT;
    }
    text_add(problem, STR(" gave no complete answer: "));
    text_add(problem, str_from(error[0] != '\0' ? error : curl_easy_strerror(code)));
    text_add_byte(problem, '.');
    long head_length = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_HEADER_SIZE, &head_length);
    const bool cut = code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR ||
                     (code == CURLE_RECV_ERROR && head_length == 0);
    return cut && arrival->reply->length == 0 ? -ECONNRESET : -EPROTO;
}

static int perform(const struct http_call *call, struct arrival *arrival, struct text *problem) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_curl);
    CURL *curl = take_handle(call);
    char *url = malloc(URL_MAX);
    if (curl == NULL || url == NULL ||
        snprintf(url, URL_MAX, "http://seczim%s", call->target) >= URL_MAX) {
        text_add(problem, STR("The request is too long, or memory is out."));
        free(url);
        curl_easy_cleanup(curl);
        return -E2BIG;
    }
    char error[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = make_headers(call);
    arrival->curl = curl;
    set_options(curl, call, url, headers, arrival, error);
    const CURLcode code = curl_easy_perform(curl);
    int result = 0;
    if (code != CURLE_OK && !arrival->stopped) {
        result = explain(curl, code, call, arrival, error, problem);
    }
    const char *content_type = NULL;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &arrival->reply->status);
    (void)curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &content_type);
    (void)snprintf(arrival->reply->content_type, sizeof arrival->reply->content_type, "%s",
                   content_type != NULL ? content_type : "");
    curl_slist_free_all(headers);
    give_handle(call, curl, result == 0);
    free(url);
    return result;
}

int http_client_call(const struct http_call *call, struct http_reply *ret_reply,
                     struct text *problem) {
    struct http_reply reply = {.body = calloc(1, 1)};
    struct arrival arrival = {.reply = &reply, .size = 1, .max = call->reply_max};
    if (reply.body == NULL) {
        text_add(problem, STR("Out of memory."));
        return -ENOMEM;
    }
    const int result = perform(call, &arrival, problem);
    if (result != 0) {
        http_reply_free(&reply);
        return result;
    }
    *ret_reply = reply;
    return 0;
}

int http_client_follow(const struct http_call *call, http_client_line *line, void *context,
                       struct http_reply *ret_reply, struct text *problem) {
    *ret_reply = (struct http_reply){.body = calloc(1, 1)};
    struct arrival arrival = {.reply = ret_reply,
                              .size = 1,
                              .max = LINE_MAX_BYTES,
                              .line = line,
                              .line_context = context};
    if (ret_reply->body == NULL) {
        text_add(problem, STR("Out of memory."));
        return -ENOMEM;
    }
    return perform(call, &arrival, problem);
}

void http_reply_free(struct http_reply *reply) {
    free(reply->body);
    *reply = (struct http_reply){0};
}

void http_client_escape(struct str value, struct text *out) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < value.length; i++) {
        const unsigned char c = (unsigned char)value.data[i];
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
            (c != '\0' && strchr("-._~", c) != NULL)) {
            text_add_byte(out, (char)c);
        } else {
            text_add_byte(out, '%');
            text_add_byte(out, digits[c >> 4]);
            text_add_byte(out, digits[c & 15]);
        }
    }
}
