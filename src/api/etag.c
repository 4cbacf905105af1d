/* SPDX-License-Identifier: Apache-2.0 */
#include "api/etag.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_BYTES = 16, HASH_TEXT = 2 * HASH_BYTES };

static void add_hash(struct str bytes, struct text *out) {
    unsigned char hash[HASH_BYTES];
    char text[HASH_TEXT + 1];
    (void)crypto_generichash(hash, sizeof hash, (const unsigned char *)bytes.data, bytes.length,
                             NULL, 0);
    (void)sodium_bin2hex(text, sizeof text, hash, sizeof hash);
    text_add(out, str_from(text));
}

static void drop_counts(json_t *value) {
    (void)json_object_del(value, "counts");
    json_t *items = json_object_get(value, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        (void)json_object_del(json_array_get(items, i), "counts");
    }
}

/* The answer without what it counts, for free(); NULL where it counts nothing. */
static char *without_counts(struct str bytes) {
    static const char member[] = "\"counts\":";
    if (bytes.length == 0 || memmem(bytes.data, bytes.length, member, sizeof member - 1) == NULL) {
        return NULL;
    }
    json_t *value = json_loadb(bytes.data, bytes.length, 0, NULL);
    drop_counts(value);
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    return text;
}

void etag_make(struct str bytes, char ret_etag[ETAG_MAX]) {
    struct text out = {.data = ret_etag, .size = ETAG_MAX};
    char *state = without_counts(bytes);
    text_add_byte(&out, '"');
    if (state != NULL) {
        add_hash(str_from(state), &out);
        text_add_byte(&out, '-');
    }
    add_hash(bytes, &out);
    text_add_byte(&out, '"');
    (void)text_zero(&out);
    free(state);
}

static struct str state_of(struct str etag) {
    return str_slice(etag, 0, 1 + HASH_TEXT);
}

bool etag_same_state(struct str wanted, struct str bytes) {
    char etag[ETAG_MAX];
    etag_make(bytes, etag);
    return wanted.length > HASH_TEXT && str_equal(state_of(wanted), state_of(str_from(etag)));
}

void etag_answer(const struct http_request *request, struct http_response *response,
                 const char *content_type, struct str bytes) {
    char etag[ETAG_MAX];
    etag_make(bytes, etag);
    const bool same = request->method == HTTP_GET &&
                      str_equal(http_request_header(request, "If-None-Match"), str_from(etag));
    http_answer_bytes(response, same ? 304 : 200, content_type, same ? STR("") : bytes, false);
    http_answer_header(response, "ETag", etag);
}
