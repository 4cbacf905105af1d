/* SPDX-License-Identifier: Apache-2.0 */
#include "base/failpoint.h"

#ifdef SECZIM_FAILPOINTS

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/str.h"

static struct str armed_name;
static _Atomic uint64_t passings_left;
static pthread_once_t armed = PTHREAD_ONCE_INIT;

static void arm(void) {
    const struct str given = str_from(getenv("SECZIM_FAILPOINT"));
    uint64_t count = 0;
    const size_t colon = str_find_last(given, ':');
    if (given.length == 0) {
        return;
    }
    /* A misspelt variable must not look like a test that passed. */
    CHECK(colon != SIZE_MAX);
    CHECK(str_parse_u64(str_slice(given, colon + 1, given.length), UINT64_MAX, &count));
    CHECK(count > 0);
    armed_name = str_slice(given, 0, colon);
    atomic_store(&passings_left, count);
}

void failpoint(const char *name) {
    (void)pthread_once(&armed, arm);
    if (armed_name.length == 0 || !str_equal(armed_name, str_from(name))) {
        return;
    }
    if (atomic_fetch_sub(&passings_left, 1) == 1) {
        (void)raise(SIGKILL);
    }
}

#else

/* ISO C wants a declaration in every translation unit. */
extern int failpoints_are_not_built;

#endif
