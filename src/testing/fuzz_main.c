/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over given files, with any compiler: the regressions of ./dev test. Each
 * argument is a file or a folder of files; prints TAP. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"

enum { INPUT_BYTES_MAX = 1 << 20, PATH_BYTES_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static unsigned files_run;

static void run_file(const char *path) {
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    uint8_t *bytes = malloc(INPUT_BYTES_MAX);
    CHECK(bytes != NULL);
    const size_t length = fread(bytes, 1, INPUT_BYTES_MAX, file);
    (void)fclose(file);
    /* A copy of the exact size, so that ASan sees a read one byte too far. */
    uint8_t *exact = malloc(length > 0 ? length : 1);
    CHECK(exact != NULL);
    memcpy(exact, bytes, length);
    free(bytes);
    (void)LLVMFuzzerTestOneInput(exact, length);
    free(exact);
    files_run++;
    printf("ok %u - %s\n", files_run, path);
}

static void run_folder(const char *path) {
    struct dirent **entries = NULL;
    const int count = scandir(path, &entries, NULL, alphasort);
    CHECK(count >= 0);
    for (int i = 0; i < count; i++) {
        char inner[PATH_BYTES_MAX];
        if (entries[i]->d_name[0] != '.') {
            (void)snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
            run_file(inner);
        }
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        struct stat status;
        CHECK(stat(argv[i], &status) == 0);
        if (S_ISDIR(status.st_mode)) {
            run_folder(argv[i]);
        } else {
            run_file(argv[i]);
        }
    }
    printf("1..%u\n", files_run);
    return 0;
}
