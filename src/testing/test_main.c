/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

enum { TESTS_MAX = 256 };

static struct CMUnitTest tests[TESTS_MAX];
static size_t tests_count;
static const char *current_case = "";
static char folder[64];

void test_register(const char *name, void (*run)(void **state)) {
    CHECK(tests_count < TESTS_MAX);
    tests[tests_count].name = name;
    tests[tests_count].test_func = run;
    tests_count++;
}

void test_case(const char *label) {
    current_case = label;
}

const char *test_folder(void) {
    if (folder[0] == '\0') {
        (void)snprintf(folder, sizeof folder, "/tmp/seczim-test-XXXXXX");
        CHECK(mkdtemp(folder) != NULL);
    }
    return folder;
}

const char *test_data(void) {
    static char path[4096];
    const char *given = getenv("SECZIM_DATA");
    (void)snprintf(path, sizeof path, "%s",
                   given != NULL ? given : SECZIM_SOURCE_ROOT "/../shared/data");
    return access(path, R_OK) == 0 ? path : NULL;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static int set_up(void **state) {
    (void)state;
    current_case = "";
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    if (folder[0] != '\0') {
        (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        folder[0] = '\0';
    }
    return 0;
}

static void say_case(void) {
    if (current_case[0] != '\0') {
        printf("# last case: %s\n", current_case);
    }
}

int main(int argc, char **argv) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    for (size_t i = 0; i < tests_count; i++) {
        tests[i].setup_func = set_up;
        tests[i].teardown_func = tear_down;
    }
    const int failed = _cmocka_run_group_tests("", tests, tests_count, NULL, NULL);
    if (failed != 0) {
        say_case();
    }
    return failed != 0;
}
