/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_work.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "hook/zimbra_lines.h"
#include "hook/zimbra_running.h"

#define ENDPOINT_DEFAULT "inet:127.0.0.1:10035"
#define KEPT_SUFFIX      ".before-seczim"

static void path_of(const struct zimbra_work *work, enum zimbra_place place, const char *suffix,
                    char *room) {
    (void)snprintf(room, PATH_MAX, "%s/%s%s", work->host.root, zimbra_place_path(place), suffix);
}

static struct str text_of(const struct zimbra_work_file *file) {
    return (struct str){file->file.bytes, file->file.length};
}

static struct str edited_of(const struct zimbra_work_file *file) {
    return (struct str){file->edited, file->edited_length};
}

/* Opening ------------------------------------------------------------------------------------- */

static void open_folders(struct zimbra_work *work) {
    for (unsigned i = 0; i < ZIMBRA_PLACES; i++) {
        struct zimbra_work_file *file = &work->files[i];
        const char *path = zimbra_place_path((enum zimbra_place)i);
        file->folder = zimbra_folder_open(work->host.root, path, &file->name);
    }
}

/* The name under which a file's text of before is kept. */
static void kept_name(const struct zimbra_work_file *file, char room[NAME_MAX + 1]) {
    (void)snprintf(room, NAME_MAX + 1, "%s" KEPT_SUFFIX, file->name);
}

static int sweep_file(const struct zimbra_work_file *file) {
    char kept[NAME_MAX + 1];
    kept_name(file, kept);
    const int swept = zimbra_file_sweep(file->folder, file->name);
    return swept != 0 ? swept : zimbra_file_sweep(file->folder, kept);
}

/* What a killed run left half-written is of no use; that it cannot be removed hinders nothing. */
static void sweep(struct zimbra_work *work) {
    for (unsigned i = 0; i < ZIMBRA_PLACES; i++) {
        const struct zimbra_work_file *file = &work->files[i];
        const int swept = file->folder >= 0 ? sweep_file(file) : 0;
        if (swept != 0) {
            zimbra_say(work->report, ZIMBRA_NOTE, "swept", "what is left beside %s/%s stays: %s",
                       work->host.root, zimbra_place_path((enum zimbra_place)i), strerror(-swept));
        }
    }
}

static bool read_files(struct zimbra_work *work) {
    bool good = true;
    for (unsigned i = 0; i < ZIMBRA_PLACES; i++) {
        const enum zimbra_place place = (enum zimbra_place)i;
        struct zimbra_work_file *file = &work->files[place];
        char path[PATH_MAX];
        path_of(work, place, "", path);
        const int loaded = zimbra_file_load(file->folder, file->name, ZIMBRA_FILE_MAX, &file->file);
        file->there = loaded == 0;
        if (loaded == -ENOENT && place == ZIMBRA_END_OF_DATA) {
            continue; /* A Zimbra without cbpolicyd has no use for it. */
        }
        if (loaded != 0) {
            zimbra_say(work->report, ZIMBRA_UNCLEAR, "file", "%s cannot be used: %s", path,
                       loaded == -ELOOP
                           ? "it, or a folder on the way to it, is a symbolic link, which "
                             "is not followed"
                           : strerror(-loaded));
            good = false;
            continue;
        }
        file->look = zimbra_place_look(place, text_of(file), work->endpoint);
    }
    return good;
}

static bool choose_endpoint(struct zimbra_work *work) {
    const bool marked = work->mark.state != ZIMBRA_OFF;
    const char *given = work->options->endpoint != NULL ? work->options->endpoint
                        : marked                        ? work->mark.endpoint
                                                        : ENDPOINT_DEFAULT;
    const char *problem = zimbra_endpoint_problem(str_from(given));
    if (problem != NULL) {
        zimbra_say(work->report, ZIMBRA_UNCLEAR, "endpoint",
                   "the endpoint \"%.100s\" cannot be used: %s", given, problem);
        return false;
    }
    (void)snprintf(work->endpoint_text, sizeof work->endpoint_text, "%s", given);
    work->endpoint = str_from(work->endpoint_text);
    if (marked && strcmp(given, work->mark.endpoint) != 0) {
        zimbra_say(work->report, ZIMBRA_UNCLEAR, "endpoint",
                   "the hook was enabled with the endpoint %s, not %s: leave --endpoint out, or "
                   "run `seczim zimbra disable` first",
                   work->mark.endpoint, given);
        return false;
    }
    return true;
}

bool zimbra_work_open(const struct zimbra_options *options, struct zimbra_report *report,
                      bool change, struct zimbra_work *work) {
    *work = (struct zimbra_work){.options = options, .report = report, .lock = -1};
    for (unsigned i = 0; i < ZIMBRA_PLACES; i++) {
        work->files[i].folder = -ENOENT;
    }
    if (!zimbra_host_open(options->root, options->user, options->seconds_max, report,
                          &work->host)) {
        return false;
    }
    if (change) {
        /* The watching unit runs it because another run changes files: nobody waits for that. */
        work->lock = zimbra_mark_lock(options->state_folder, options->if_lost);
    }
    if (work->lock == -EAGAIN) {
        zimbra_say(report, ZIMBRA_UNCLEAR, "busy",
                   "another `seczim zimbra` is at work on this host: wait until it has ended, and "
                   "run this again");
        return false;
    }
    const int loaded = change && work->lock < 0
                           ? work->lock
                           : zimbra_mark_load(options->state_folder, &work->mark);
    if (loaded < 0) {
        zimbra_say(report, ZIMBRA_UNCLEAR, "mark", "%s/%s cannot be used: %s",
                   options->state_folder, ZIMBRA_MARK_NAME, strerror(-loaded));
        return false;
    }
    if (!choose_endpoint(work)) {
        return false;
    }
    open_folders(work);
    if (change) {
        sweep(work);
    }
    return read_files(work);
}

void zimbra_work_close(struct zimbra_work *work) {
    for (unsigned i = 0; i < ZIMBRA_PLACES; i++) {
        zimbra_file_done(&work->files[i].file);
        free(work->files[i].edited);
        if (work->files[i].folder >= 0) {
            (void)close(work->files[i].folder);
        }
    }
    if (work->lock >= 0) {
        (void)close(work->lock);
    }
}

/* Editing ------------------------------------------------------------------------------------- */

void zimbra_work_edit(struct zimbra_work *work, bool add) {
    for (unsigned i = 0; i < ZIMBRA_PLACES; i++) {
        struct zimbra_work_file *file = &work->files[i];
        if (!file->there) {
            continue;
        }
        file->edited = file->edited != NULL ? file->edited : malloc(ZIMBRA_FILE_ROOM);
        CHECK(file->edited != NULL);
        struct text out = {.data = file->edited, .size = ZIMBRA_FILE_ROOM};
        if (add && !file->skipped) {
            zimbra_place_add((enum zimbra_place)i, text_of(file), work->endpoint, &out);
        } else {
            zimbra_place_remove((enum zimbra_place)i, text_of(file), work->endpoint, &out);
        }
        CHECK(!out.truncated);
        file->edited_length = out.length;
    }
}

static bool changes(const struct zimbra_work_file *file) {
    return file->there && file->edited != NULL && !str_equal(text_of(file), edited_of(file));
}

size_t zimbra_work_changes(const struct zimbra_work *work) {
    size_t count = 0;
    for (unsigned i = 0; i < ZIMBRA_PLACES; i++) {
        count += changes(&work->files[i]) ? 1 : 0;
    }
    return count;
}

static bool line_at(struct str text, size_t offset, struct str *ret_line) {
    return zimbra_line_next(text, &offset, ret_line);
}

/* An edit adds, drops or changes single lines: one look ahead tells which. */
static void show_file(struct zimbra_work *work, enum zimbra_place place) {
    const struct str before = text_of(&work->files[place]);
    const struct str after = edited_of(&work->files[place]);
    size_t from = 0;
    size_t to = 0;
    struct str old;
    struct str new;
    while (from < before.length || to < after.length) {
        const bool has_old = line_at(before, from, &old);
        const bool has_new = line_at(after, to, &new);
        struct str next;
        if (has_old && has_new && str_equal(old, new)) {
            from += old.length;
            to += new.length;
            continue;
        }
        const bool added =
            has_new &&
            (!has_old || (line_at(after, to + new.length, &next) && str_equal(next, old)));
        const bool dropped =
            has_old && !added &&
            (!has_new || (line_at(before, from + old.length, &next) && str_equal(next, new)));
        if (has_old && !added) {
            zimbra_say(work->report, ZIMBRA_FINE, "change", "%s: - %.*s", zimbra_place_path(place),
                       STR_ARGS(str_trim(old)));
            from += old.length;
        }
        if (has_new && !dropped) {
            zimbra_say(work->report, ZIMBRA_FINE, "change", "%s: + %.*s", zimbra_place_path(place),
                       STR_ARGS(str_trim(new)));
            to += new.length;
        }
    }
}

void zimbra_work_show(struct zimbra_work *work) {
    for (unsigned i = 0; i < ZIMBRA_PLACES; i++) {
        if (changes(&work->files[i])) {
            show_file(work, (enum zimbra_place)i);
        }
    }
}

static void drop_kept(struct zimbra_work *work, enum zimbra_place place) {
    char kept[NAME_MAX + 1];
    kept_name(&work->files[place], kept);
    const int removed = zimbra_file_remove(work->files[place].folder, kept);
    if (removed != 0) {
        zimbra_say(work->report, ZIMBRA_NOTE, "kept", "%s/%s" KEPT_SUFFIX " cannot be removed: %s",
                   work->host.root, zimbra_place_path(place), strerror(-removed));
    }
}

/* Writing ------------------------------------------------------------------------------------- */

static int keep_beside(struct zimbra_work *work, enum zimbra_place place) {
    struct zimbra_work_file *file = &work->files[place];
    char kept[NAME_MAX + 1];
    char *room = malloc(ZIMBRA_FILE_ROOM);
    CHECK(room != NULL);
    struct text without = {.data = room, .size = ZIMBRA_FILE_ROOM};
    zimbra_place_remove(place, text_of(file), work->endpoint, &without);
    kept_name(file, kept);
    const int result = zimbra_file_save(file->folder, kept, text_str(&without), &file->file);
    free(room);
    return result;
}

/* Who owned the file when it was read owns the new one: not when it is another's by now. */
static bool replace(struct zimbra_work *work, enum zimbra_place place, struct str bytes,
                    const char *code, const char *what) {
    struct zimbra_work_file *file = &work->files[place];
    const bool same = zimbra_file_same_owner(file->folder, file->name, &file->file);
    const int result = same ? zimbra_file_save(file->folder, file->name, bytes, &file->file) : 0;
    if (!same || result != 0) {
        zimbra_say(work->report, ZIMBRA_PROBLEM, code, "%s/%s cannot be %s: %s", work->host.root,
                   zimbra_place_path(place), what,
                   same ? strerror(-result) : "it is away, or another's than when it was read");
    }
    return same && result == 0;
}

bool zimbra_work_write(struct zimbra_work *work, bool keep) {
    for (unsigned i = 0; i < ZIMBRA_PLACES; i++) {
        const enum zimbra_place place = (enum zimbra_place)i;
        struct zimbra_work_file *file = &work->files[place];
        if (!changes(file)) {
            continue;
        }
        const int kept = keep ? keep_beside(work, place) : 0;
        if (kept != 0) {
            zimbra_say(work->report, ZIMBRA_PROBLEM, "write",
                       "%s/%s" KEPT_SUFFIX " cannot be written: %s", work->host.root,
                       zimbra_place_path(place), strerror(-kept));
            return false;
        }
        if (!replace(work, place, edited_of(file), "write", "written")) {
            return false;
        }
        file->written = true;
        zimbra_say(work->report, ZIMBRA_FINE, "written", "%s %s: %s",
                   keep ? "put into" : "taken out of", zimbra_place_path(place),
                   zimbra_place_gives(place));
    }
    return true;
}

void zimbra_work_undo(struct zimbra_work *work) {
    for (unsigned i = 0; i < ZIMBRA_PLACES; i++) {
        const enum zimbra_place place = (enum zimbra_place)i;
        if (!work->files[place].written) {
            continue;
        }
        if (!replace(work, place, text_of(&work->files[place]), "undo", "put back")) {
            zimbra_say(work->report, ZIMBRA_NOTE, "undo", "run `seczim zimbra disable`");
        }
        drop_kept(work, place);
    }
}

void zimbra_work_forget_kept(struct zimbra_work *work) {
    for (unsigned i = 0; i < ZIMBRA_PLACES; i++) {
        const struct zimbra_work_file *file = &work->files[i];
        char path[PATH_MAX];
        char name[NAME_MAX + 1];
        struct zimbra_file kept;
        path_of(work, (enum zimbra_place)i, KEPT_SUFFIX, path);
        kept_name(file, name);
        if (!file->there || zimbra_file_load(file->folder, name, ZIMBRA_FILE_ROOM, &kept) != 0) {
            continue;
        }
        if (str_equal(edited_of(file), (struct str){kept.bytes, kept.length})) {
            drop_kept(work, (enum zimbra_place)i);
        } else {
            zimbra_say(work->report, ZIMBRA_NOTE, "edited",
                       "%s was edited while the hook was in it: that stays; as it was before, it "
                       "is in %s",
                       zimbra_place_path((enum zimbra_place)i), path);
        }
        zimbra_file_done(&kept);
    }
}

bool zimbra_work_mark(struct zimbra_work *work, enum zimbra_state state, bool by_ldap) {
    struct zimbra_mark mark = {.state = state, .by_ldap = by_ldap};
    (void)snprintf(mark.endpoint, sizeof mark.endpoint, "%s", work->endpoint_text);
    (void)snprintf(mark.version, sizeof mark.version, "%s", work->host.version);
    const int saved = zimbra_mark_save(work->options->state_folder, &mark);
    if (saved != 0) {
        zimbra_say(work->report, ZIMBRA_PROBLEM, "mark", "%s/%s cannot be written: %s",
                   work->options->state_folder, ZIMBRA_MARK_NAME, strerror(-saved));
    }
    return saved == 0;
}

/* zmmtactl may return before zmconfigd has written. */
bool zimbra_work_rewrite(struct zimbra_work *work, bool present, bool by_ldap) {
    const struct timespec pause = {.tv_nsec = 250 * (long)NS_PER_MS};
    const int64_t until_ns = clock_boot_ns() + (int64_t)work->options->seconds_max * NS_PER_S;
    struct zimbra_running running;
    (void)zimbra_rewrite(&work->host);
    for (;;) {
        if (!zimbra_running_read(&work->host, work->endpoint, &running)) {
            return false;
        }
        if (present ? zimbra_running_complete(&running, by_ldap) : zimbra_running_clean(&running)) {
            return true;
        }
        if (clock_boot_ns() >= until_ns) {
            return false;
        }
        (void)nanosleep(&pause, NULL);
    }
}
