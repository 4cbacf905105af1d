/* SPDX-License-Identifier: Apache-2.0 */
/* What is read: elements in order and inside the text. Our element inserted anywhere is found
 * there, nothing else changes, and removing it gives the elements of before. */
#include <string.h>

#include "base/check.h"
#include "hook/restriction_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct str ours = {"inet:192.0.2.77:10035", 21};

static void check_elements(const struct restriction_list *list) {
    size_t at = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct restriction *element = &list->elements[i];
        CHECK(element->start >= at && element->end > element->start);
        CHECK(element->end <= list->text.length && element->name.length > 0);
        (void)restriction_option(element, STR("timeout"));
        at = element->end;
    }
}

static void check_same(const struct restriction_list *a, const struct restriction_list *b,
                       size_t skip) {
    for (size_t i = 0; i < a->count; i++) {
        const struct restriction *x = &a->elements[i];
        const struct restriction *y = &b->elements[i + (i >= skip ? 1 : 0)];
        CHECK(str_equal(x->name, y->name) && str_equal(x->parameter, y->parameter));
        CHECK(x->kind == y->kind && x->warn_only == y->warn_only);
    }
}

static void insert_and_remove(const struct restriction_list *list, size_t index,
                              enum restriction_spacing spacing) {
    static char changed_bytes[2 * RESTRICTION_TEXT_MAX];
    static char undone_bytes[2 * RESTRICTION_TEXT_MAX];
    static struct restriction_list changed;
    static struct restriction_list undone;
    char element_bytes[RESTRICTION_ELEMENT_MAX];
    struct text element = TEXT_OVER(element_bytes);
    struct text changed_text = TEXT_OVER(changed_bytes);
    struct text undone_text = TEXT_OVER(undone_bytes);
    restriction_format(ours, spacing, &element);
    restriction_list_insert(list, index, text_str(&element), spacing, &changed_text);
    CHECK(!changed_text.truncated);
    if (restriction_list_parse(text_str(&changed_text), &changed) != NULL) {
        CHECK(list->count == RESTRICTIONS_MAX || changed_text.length > RESTRICTION_TEXT_MAX);
        return;
    }
    check_elements(&changed);
    CHECK(changed.count == list->count + 1);
    CHECK(restriction_is_one_of(&changed.elements[index], &ours, 1));
    check_same(list, &changed, index);
    restriction_list_remove(&changed, index, &undone_text);
    CHECK(restriction_list_parse(text_str(&undone_text), &undone) == NULL);
    CHECK(undone.count == list->count);
    check_same(list, &undone, SIZE_MAX);
    if (list->count > 0) {
        CHECK(str_equal(text_str(&undone_text), list->text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct restriction_list list;
    if (length == 0) {
        return 0;
    }
    const struct str text = {(const char *)bytes + 1, length - 1};
    const char *problem = restriction_list_parse(text, &list);
    if (problem != NULL) {
        CHECK(strlen(problem) > 10);
        return 0;
    }
    check_elements(&list);
    struct str element;
    const struct restriction_place place = restriction_place_find(&list, &list);
    CHECK(place.index <= list.count && place.reason != NULL);
    (void)restriction_relay_answer(&list, &list, &ours, 1, &element);
    insert_and_remove(&list, bytes[0] % (list.count + 1), RESTRICTION_SPACED);
    insert_and_remove(&list, bytes[0] % (list.count + 1), RESTRICTION_COMPACT);
    return 0;
}
