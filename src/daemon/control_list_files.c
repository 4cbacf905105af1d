/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sip_hash.h"
#include "daemon/control_api.h"
#include "store/list_import.h"

/* Whole lists in and out of files. */

enum {
    IMPORT_BATCH = 50000, /* entries in one change: about 50 MB, and other changes wait for it */
    IMPORT_REJECTED_MAX = 100, /* lines that are told; the others are counted */
    REJECTED_TEXT_MAX = 200,
    EXPORT_PAGE = 400,
};

static bool format_of(const struct http_request *request, struct http_response *response,
                      const char *allowed, enum list_import_format *ret_format) {
    const struct str name = http_request_parameter(request, "format");
    *ret_format = LIST_IMPORT_CSV;
    if (name.data == NULL || list_import_format_parse(name, ret_format)) {
        return true;
    }
    http_answer_problemf(response, 400, "format", "format must be %s.", allowed);
    return false;
}

static bool list_in_path(const struct http_request *request, struct http_response *response,
                         enum list_id *ret_list) {
    if (list_parse(request->parts[0], ret_list)) {
        return true;
    }
    http_answer_problem(response, 404, NULL,
                        STR("There is no such list; there are allow, block, greylist_exempt, "
                            "reputation_allow."));
    return false;
}

/* --- import --- */

/* What tells entries apart, and what they say, as numbers: for a dry run. */
struct fingerprint {
    struct hash128 key;
    struct hash128 content;
};

struct import_run {
    struct control *control;
    const char *author;
    enum list_id list;
    bool dry_run;
    struct config_list_entry *batch; /* IMPORT_BATCH */
    size_t batch_count;
    struct config_add_result total;
    struct fingerprint *prints; /* dry run: of every entry so far */
    size_t print_count;
    size_t print_size;
    json_t *rejected;
    uint64_t rejected_count;
    int error;
    struct engine_problem problem;
};

static struct fingerprint fingerprint_of(const struct config_list_entry *entry) {
    static const struct sip_key fixed = {{0}};
    char buffer[CONFIG_COMMENT_MAX + 64];
    const struct list_item *item = &entry->item;
    struct text text = TEXT_OVER(buffer);
    struct fingerprint fingerprint = {0};
    text_add_u64(&text, item->pattern.type);
    text_add_byte(&text, ' ');
    address_pattern_format(&item->pattern, &text);
    fingerprint.key = sip_hash(&fixed, text.data, text.length);
    text.length = 0;
    text_add_u64(&text, item->direction);
    text_add_u64(&text, item->require);
    text_add_byte(&text, ' ');
    text_add_u64(&text, item->expires_s);
    text_add_byte(&text, ' ');
    text_add(&text, str_from(entry->comment));
    fingerprint.content = sip_hash(&fixed, text.data, text.length);
    return fingerprint;
}

static int compare_fingerprints(const void *a, const void *b) {
    const struct fingerprint *left = a;
    const struct fingerprint *right = b;
    if (left->key.high != right->key.high) {
        return left->key.high < right->key.high ? -1 : 1;
    }
    return left->key.low < right->key.low ? -1 : left->key.low > right->key.low;
}

/* Notes the batch for compare(). */
static int note_batch(struct import_run *run) {
    const size_t needed = run->print_count + run->batch_count;
    if (needed > run->print_size) {
        const size_t size = needed > 2 * run->print_size ? needed : 2 * run->print_size;
        struct fingerprint *prints = realloc(run->prints, size * sizeof *prints);
        if (prints == NULL) {
            return -ENOMEM;
        }
        run->prints = prints;
        run->print_size = size;
    }
    for (size_t i = 0; i < run->batch_count; i++) {
        run->prints[run->print_count++] = fingerprint_of(&run->batch[i]);
    }
    return 0;
}

static bool compare_one(void *context, const struct config_list_entry *entry) {
    struct import_run *run = context;
    if (entry->item.list != run->list) {
        return true;
    }
    const struct fingerprint stored = fingerprint_of(entry);
    const struct fingerprint *found =
        bsearch(&stored, run->prints, run->print_count, sizeof stored, compare_fingerprints);
    if (found != NULL) {
        const bool same = memcmp(&found->content, &stored.content, sizeof stored.content) == 0;
        run->total.unchanged += same;
        run->total.changed += !same;
    }
    return true;
}

/* What adding everything would do. A pattern that stands twice in the file counts once and then as
 * unchanged. */
static int compare(struct import_run *run) {
    if (run->print_count == 0) {
        return 0;
    }
    qsort(run->prints, run->print_count, sizeof *run->prints, compare_fingerprints);
    size_t last = 0;
    for (size_t i = 1; i < run->print_count; i++) {
        if (compare_fingerprints(&run->prints[last], &run->prints[i]) != 0) {
            run->prints[++last] = run->prints[i];
        }
    }
    const size_t repeated = run->print_count - (last + 1);
    run->print_count = last + 1;
    struct config_db *db = engine_config_lock(run->control->engine);
    const int error = config_db_each_entry(db, 0, false, compare_one, run);
    engine_config_unlock(run->control->engine);
    run->total.added = run->print_count - run->total.changed - run->total.unchanged;
    run->total.unchanged += repeated;
    return error;
}

static bool flush_batch(struct import_run *run) {
    if (run->batch_count == 0) {
        return true;
    }
    if (http_server_stopping(run->control->http)) {
        run->error = -ECANCELED;
    } else if (run->dry_run) {
        run->error = note_batch(run);
    } else {
        struct config_add_result result = {0};
        run->error = engine_import_entries(run->control->engine, run->batch, run->batch_count,
                                           run->author, &result, &run->problem);
        run->total.added += result.added;
        run->total.changed += result.changed;
        run->total.unchanged += result.unchanged;
    }
    run->batch_count = 0;
    return run->error == 0;
}

static bool import_entry(void *context, const struct config_list_entry *entry) {
    struct import_run *run = context;
    run->batch[run->batch_count++] = *entry;
    return run->batch_count < IMPORT_BATCH || flush_batch(run);
}

static void import_rejected(void *context, uint64_t line, struct str text, struct str problem) {
    struct import_run *run = context;
    run->rejected_count++;
    if (json_array_size(run->rejected) < IMPORT_REJECTED_MAX) {
        (void)json_array_append_new(run->rejected,
                                    json_pack("{s:o, s:o, s:o}", "line", json_count(line), "text",
                                              json_text(str_slice(text, 0, REJECTED_TEXT_MAX)),
                                              "problem", json_text(problem)));
    }
}

/* The last batch, and what follows all of them. */
static void finish(struct import_run *run) {
    if (run->error != 0 || !flush_batch(run)) {
        return;
    }
    run->error = run->dry_run ? compare(run) : engine_finish_import(run->control->engine);
}

static void answer_import(struct import_run *run, struct http_response *response) {
    if (run->error == -ECANCELED) {
        http_answer_problemf(response, 503, NULL,
                             "After %zu entries were added or changed the import stopped, because "
                             "the service is being stopped or restarted; send the file again.",
                             run->total.added + run->total.changed);
        return;
    }
    if (run->error != 0) {
        http_answer_problemf(response, 500, NULL,
                             "After %zu entries were added or changed the import stopped: %s.",
                             run->total.added + run->total.changed,
                             run->problem.setting.text[0] != '\0' ? run->problem.setting.text
                                                                  : strerror(-run->error));
        return;
    }
    json_t *answer = json_object();
    json_put(answer, "added", json_count(run->total.added));
    json_put(answer, "changed", json_count(run->total.changed));
    json_put(answer, "unchanged", json_count(run->total.unchanged));
    json_put(answer, "rejected", json_incref(run->rejected));
    json_put(answer, "rejected_count", json_count(run->rejected_count));
    json_put(answer, "dry_run", json_boolean(run->dry_run));
    http_answer_json(response, 200, answer);
}

void control_import(void *context, const struct http_request *request,
                    struct http_response *response) {
    struct control *control = context;
    struct import_run run = {.control = control, .author = request->author};
    enum list_import_format format;
    const struct str dry_run = http_request_parameter(request, "dry_run");
    if (!list_in_path(request, response, &run.list) ||
        !format_of(request, response, "csv, json, postfix or postgrey", &format)) {
        return;
    }
    if (dry_run.data != NULL && !str_equal(dry_run, STR("true")) &&
        !str_equal(dry_run, STR("false"))) {
        http_answer_problem(response, 400, "dry_run", STR("dry_run must be true or false."));
        return;
    }
    if (format == LIST_IMPORT_POSTGREY && run.list != LIST_GREYLIST_EXEMPT) {
        http_answer_problem(response, 400, "format",
                            STR("Postgrey's lists go into greylist_exempt."));
        return;
    }
    run.dry_run = str_equal(dry_run, STR("true"));
    run.batch = calloc(IMPORT_BATCH, sizeof *run.batch);
    run.rejected = json_array();
    if (run.batch == NULL || run.rejected == NULL) {
        http_answer_json(response, 200, NULL);
    } else {
        const struct list_import import = {
            .format = format,
            .list = run.list,
            .now_s = (uint32_t)(engine_now_ns(control->engine) / NS_PER_S),
            .context = &run,
            .entry = import_entry,
            .problem = import_rejected,
        };
        (void)list_import(&import, request->body);
        finish(&run);
        answer_import(&run, response);
    }
    json_decref(run.rejected);
    free(run.prints);
    free(run.batch);
}

/* --- export --- */

/* A page of the list at a time, so that the config lock is held for a moment only. */
struct export {
    struct control *control;
    enum list_id list;
    bool json;
    bool begun;
    bool ended;
    bool failed;
    uint64_t before_id;
    size_t used; /* bytes of `page` that were sent */
    size_t visited;
    struct text page;
    char bytes[EXPORT_PAGE * LIST_LINE_MAX / 4];
};

static bool export_one(void *context, const struct config_list_entry *entry) {
    struct export *export = context;
    if (export->page.size - export->page.length < LIST_LINE_MAX) {
        return false;
    }
    if (export->json) {
        list_entry_format_json(entry, &export->page);
    } else {
        list_entry_format_csv(entry, &export->page);
    }
    export->before_id = entry->item.id;
    export->visited++;
    return true;
}

static bool next_page(struct export *export) {
    export->page.length = 0;
    export->used = 0;
    if (!export->begun && !export->json) {
        text_add(&export->page, STR(LIST_CSV_HEADER));
    }
    export->begun = true;
    export->visited = 0;
    struct config_db *db = engine_config_lock(export->control->engine);
    const int error = config_db_list(db, export->list, STR(""), export->before_id, EXPORT_PAGE,
                                     export_one, export);
    engine_config_unlock(export->control->engine);
    export->failed = error != 0;
    export->ended = export->visited == 0;
    return !export->failed && export->page.length > 0;
}

static ssize_t export_read(void *context, char *out, size_t size) {
    struct export *export = context;
    if (export->used == export->page.length && (export->ended || !next_page(export))) {
        return export->failed ? HTTP_STREAM_FAILED : HTTP_STREAM_END;
    }
    const size_t left = export->page.length - export->used;
    const size_t length = left < size ? left : size;
    memcpy(out, export->page.data + export->used, length);
    export->used += length;
    return (ssize_t)length;
}

void control_export(void *context, const struct http_request *request,
                    struct http_response *response) {
    struct control *control = context;
    enum list_id list;
    enum list_import_format format;
    if (!list_in_path(request, response, &list) ||
        !format_of(request, response, "csv or json", &format)) {
        return;
    }
    if (format != LIST_IMPORT_CSV && format != LIST_IMPORT_JSON) {
        http_answer_problem(response, 400, "format", STR("format must be csv or json."));
        return;
    }
    struct export *export = malloc(sizeof *export);
    if (export == NULL) {
        http_answer_json(response, 200, NULL);
        return;
    }
    memset(export, 0, offsetof(struct export, bytes));
    export->control = control;
    export->list = list;
    export->json = format == LIST_IMPORT_JSON;
    export->page = TEXT_OVER(export->bytes);
    const struct http_stream stream = {export, export_read, free, false};
    http_answer_stream(response, export->json ? "application/jsonl" : "text/csv", &stream);
}
