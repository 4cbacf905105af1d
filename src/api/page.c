/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "api/api.h"
#include "api/assets.h"

/* The dashboard: its files by their path, and index.html for every other path, because the
 * application reads the path itself. */

static const char not_built[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>SecZim</title>"
    "<h1>The dashboard was not built into this program</h1>"
    "<p>Build it with <code>./dev build</code> (it needs npm), and start seczim-api again. "
    "The REST API works: <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.</p></html>\n";

static const struct asset *find(struct str path) {
    const struct asset *index = NULL;
    for (size_t i = 0; i < asset_count; i++) {
        if (str_equal(path, str_from(assets[i].path))) {
            return &assets[i];
        }
        if (str_equal(STR("/index.html"), str_from(assets[i].path))) {
            index = &assets[i];
        }
    }
    return index;
}

/* Whether a list such as "gzip, br;q=0.5" has the word and does not give it weight 0. */
static bool accepts(struct str list, struct str word) {
    while (list.length > 0) {
        const size_t comma = str_find(list, ',');
        struct str item = str_trim(str_slice(list, 0, comma));
        const size_t semicolon = str_find(item, ';');
        const struct str name = str_trim(str_slice(item, 0, semicolon));
        const struct str weight =
            semicolon == SIZE_MAX ? STR("") : str_trim(str_slice(item, semicolon + 1, SIZE_MAX));
        if (str_equal_nocase(name, word)) {
            return !str_equal(weight, STR("q=0")) && !str_equal(weight, STR("q=0.0"));
        }
        list = comma == SIZE_MAX ? STR("") : str_slice(list, comma + 1, SIZE_MAX);
    }
    return false;
}

static void answer_asset(const struct http_request *request, struct http_response *response,
                         const struct asset *asset) {
    const struct str encodings = http_request_header(request, "Accept-Encoding");
    struct str bytes = asset->plain;
    const char *encoding = NULL;
    if (asset->brotli.data != NULL && accepts(encodings, STR("br"))) {
        bytes = asset->brotli;
        encoding = "br";
    } else if (asset->gzip.data != NULL && accepts(encodings, STR("gzip"))) {
        bytes = asset->gzip;
        encoding = "gzip";
    }
    char etag[64];
    (void)snprintf(etag, sizeof etag, "\"%s-%s\"", asset->etag,
                   encoding != NULL ? encoding : "plain");
    const bool same = str_equal(http_request_header(request, "If-None-Match"), str_from(etag));
    http_answer_bytes(response, same ? 304 : 200, asset->content_type, same ? STR("") : bytes,
                      true);
    http_answer_header(response, "ETag", etag);
    http_answer_header(response, "Vary", "Accept-Encoding");
    if (encoding != NULL && !same) {
        http_answer_header(response, "Content-Encoding", encoding);
    }
    /* The names of all other files hold a hash of their content. */
    http_answer_header(response, "Cache-Control",
                       str_ends(str_from(asset->path), STR(".html"))
                           ? "no-cache"
                           : "public, max-age=31536000, immutable");
}

void api_get_page(void *context, const struct http_request *request,
                  struct http_response *response) {
    (void)context;
    if (str_starts(request->path, STR("/api/"))) {
        http_answer_problem(response, 404, NULL,
                            STR("There is nothing at this path; /api/v1/openapi.json lists all."));
        return;
    }
    const struct asset *asset = find(request->path);
    if (asset == NULL) {
        http_answer_bytes(response, 200, "text/html; charset=utf-8", STR(not_built), true);
        return;
    }
    answer_asset(request, response, asset);
}
