/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/hook_diff.h"

enum { CONTEXT = 3, LOOKAHEAD = 64 };

struct cursor {
    struct str text;
    size_t at;
    uint64_t line; /* 1 is the first */
};

static bool has_more(const struct cursor *c) {
    return c->at < c->text.length;
}

/* The line at the cursor with its newline. */
static struct str line_at(const struct cursor *c) {
    const struct str rest = str_slice(c->text, c->at, c->text.length);
    const size_t newline = str_find(rest, '\n');
    return newline == SIZE_MAX ? rest : str_slice(rest, 0, newline + 1);
}

static void step(struct cursor *c) {
    c->at += line_at(c).length;
    c->line++;
}

static void skip(struct cursor *c, size_t count) {
    while (count-- > 0 && has_more(c)) {
        step(c);
    }
}

static bool same_line(const struct cursor *a, const struct cursor *b) {
    return has_more(a) && has_more(b) && str_equal(line_at(a), line_at(b));
}

static bool both_end(const struct cursor *a, const struct cursor *b) {
    return !has_more(a) && !has_more(b);
}

/* How many lines went (in a) and came (in b) until both agree again: the least in sum. */
static void find_agreement(struct cursor a, struct cursor b, size_t *ret_went, size_t *ret_came) {
    for (size_t sum = 1; sum <= LOOKAHEAD; sum++) {
        for (size_t went = 0; went <= sum; went++) {
            struct cursor x = a;
            struct cursor y = b;
            skip(&x, went);
            skip(&y, sum - went);
            if (same_line(&x, &y) || both_end(&x, &y)) {
                *ret_went = went;
                *ret_came = sum - went;
                return;
            }
        }
    }
    *ret_went = *ret_came = SIZE_MAX; /* All the rest. */
}

static void print_lines(struct cursor *c, size_t count, char sign, struct text *out) {
    while (count-- > 0 && has_more(c)) {
        const struct str line = line_at(c);
        text_add_byte(out, sign);
        text_add(out, line);
        if (!str_ends(line, STR("\n"))) {
            text_add(out, STR("\n\\ No newline at end of file\n"));
        }
        step(c);
    }
}

/* The cursor up to CONTEXT lines before `c`, and how many they are. */
static struct cursor context_of(const struct cursor *c) {
    struct cursor before = *c;
    for (size_t i = 0; i < CONTEXT && before.at > 0; i++) {
        before.at--;
        while (before.at > 0 && before.text.data[before.at - 1] != '\n') {
            before.at--;
        }
        before.line--;
    }
    return before;
}

/* Whether both agree for more lines than two hunks would show between them, or to the end. */
static bool agree_for_long(struct cursor a, struct cursor b) {
    for (size_t i = 0; i <= 2 * CONTEXT; i++) {
        if (both_end(&a, &b)) {
            return true;
        }
        if (!same_line(&a, &b)) {
            return false;
        }
        step(&a);
        step(&b);
    }
    return true;
}

/* Moves both cursors over one change. */
static void pass_change(struct cursor *a, struct cursor *b, struct text *out) {
    size_t went = 0;
    size_t came = 0;
    find_agreement(*a, *b, &went, &came);
    if (out != NULL) {
        print_lines(a, went, '-', out);
        print_lines(b, came, '+', out);
    } else {
        skip(a, went);
        skip(b, came);
    }
}

/* Moves both cursors from a first change to the end of its hunk, context included; prints it when
 * `out` is given. */
static void pass_hunk(struct cursor *a, struct cursor *b, struct text *out) {
    do {
        pass_change(a, b, out);
        const size_t shown = agree_for_long(*a, *b) ? CONTEXT : SIZE_MAX;
        for (size_t i = 0; i < shown && same_line(a, b); i++) {
            struct cursor line = *a;
            if (out != NULL) {
                print_lines(&line, 1, ' ', out);
            }
            step(a);
            step(b);
        }
        if (shown == CONTEXT) {
            return;
        }
    } while (has_more(a) || has_more(b));
}

static void print_range(char sign, const struct cursor *from, const struct cursor *until,
                        struct text *out) {
    const uint64_t count = until->line - from->line;
    text_add_byte(out, sign);
    text_add_u64(out, count > 0 ? from->line : from->line - 1);
    text_add_byte(out, ',');
    text_add_u64(out, count);
    text_add_byte(out, ' ');
}

static void print_hunk(struct cursor *a, struct cursor *b, struct text *out) {
    struct cursor a_start = context_of(a);
    const struct cursor b_start = context_of(b);
    struct cursor a_end = *a;
    struct cursor b_end = *b;
    pass_hunk(&a_end, &b_end, NULL);
    text_add(out, STR("@@ "));
    print_range('-', &a_start, &a_end, out);
    print_range('+', &b_start, &b_end, out);
    text_add(out, STR("@@\n"));
    print_lines(&a_start, (size_t)(a->line - a_start.line), ' ', out);
    pass_hunk(a, b, out);
}

void hook_diff(struct str before, struct str after, const char *name, struct text *out) {
    struct cursor a = {.text = before, .line = 1};
    struct cursor b = {.text = after, .line = 1};
    if (str_equal(before, after)) {
        return;
    }
    text_add(out, STR("--- "));
    text_add(out, str_from(name));
    text_add(out, STR("\n+++ "));
    text_add(out, str_from(name));
    text_add_byte(out, '\n');
    while (has_more(&a) || has_more(&b)) {
        if (same_line(&a, &b)) {
            step(&a);
            step(&b);
        } else {
            print_hunk(&a, &b, out);
        }
    }
}

size_t hook_diff_size(struct str before, struct str after) {
    /* Each line at most once with its sign; a heading for each run of changes. */
    return 8 * (before.length + after.length) + 1024;
}
