/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded: ends the process as `kill -9` would, just before it renames or removes a file for the
 * n-th time (SECZIM_KILL_AT=n). Threads are not thought of. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

static void step(void) {
    static long passed;
    const char *given = getenv("SECZIM_KILL_AT");
    if (given != NULL && ++passed == strtol(given, NULL, 10)) {
        (void)raise(SIGKILL);
    }
}

int renameat(int old_folder, const char *old_name, int new_folder, const char *new_name) {
    int (*real)(int, const char *, int, const char *);
    *(void **)&real = dlsym(RTLD_NEXT, "renameat");
    step();
    return real(old_folder, old_name, new_folder, new_name);
}

int unlinkat(int folder, const char *name, int flags) {
    int (*real)(int, const char *, int);
    struct stat status;
    *(void **)&real = dlsym(RTLD_NEXT, "unlinkat");
    if (fstatat(folder, name, &status, 0) == 0) {
        step();
    }
    return real(folder, name, flags);
}
