/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_closer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"

enum { RETRY_MS = 500, PROGRESS_STEPS = 20000, REST_MS = 20, RESTS_MAX = 60000 / REST_MS };

struct history_closer {
    char *folder;
    gid_t readers;
    pthread_t thread;
    int wake_fd;
    atomic_bool stopping;
    atomic_bool resting;   /* recording is behind */
    atomic_uint rests;     /* taken since it was not */
    atomic_uint settling;  /* who waits until all is finished */
    pthread_mutex_t mutex; /* what follows */
    pthread_cond_t done_changed;
    uint64_t wanted; /* calls of wake */
    uint64_t done;   /* `wanted` as it was before the last complete look */
    char working_on[HISTORY_NAME_MAX];
    /* The thread's own. */
    uint64_t finished_up_to; /* files up to this one are finished */
};

/* While recording is behind, the processor and the disk are its own: a file without indexes is
 * only slower to search. After a minute of that this work goes on beside it. False: it is over. */
static bool make_way(struct history_closer *closer) {
    while (atomic_load(&closer->resting) && atomic_load(&closer->settling) == 0 &&
           !atomic_load(&closer->stopping) && atomic_load(&closer->rests) < RESTS_MAX) {
        atomic_fetch_add(&closer->rests, 1);
        (void)poll(NULL, 0, REST_MS);
    }
    return !atomic_load(&closer->stopping);
}

static int on_progress(void *context) {
    return make_way(context) ? 0 : 1;
}

static int finish_file(struct history_closer *closer, const struct history_file *file) {
    sqlite3 *db = NULL;
    int result = history_file_open(closer->folder, file, HISTORY_WRITE, &db);
    if (result == 0) {
        sqlite3_progress_handler(db, PROGRESS_STEPS, on_progress, closer);
        result = history_file_finish(db);
        sqlite3_progress_handler(db, 0, NULL, NULL);
        if (result == -EINTR || result == -EUCLEAN) {
            (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        }
        (void)sqlite3_close(db);
    }
    if (result == 0) {
        history_file_share(closer->folder, file, closer->readers);
    }
    if (result == -EUCLEAN) {
        (void)history_file_set_aside(closer->folder, file);
    }
    return result == -EUCLEAN || result == -ENOENT ? 0 : result;
}

static void set_working_on(struct history_closer *closer, const char *name) {
    (void)pthread_mutex_lock(&closer->mutex);
    memcpy(closer->working_on, name, strlen(name) + 1);
    (void)pthread_mutex_unlock(&closer->mutex);
}

static void log_failure(const struct history_file *file, int error) {
    static struct log_throttle throttle;
    uint64_t suppressed = 0;
    if (error != -EINTR && error != -EBUSY && log_throttle_pass(&throttle, &suppressed)) {
        log_write(LOG_WARN, "History",
                  "cannot build the indexes of %s: %s; searches in it are slower until it works",
                  file->name, strerror(-error));
    }
}

/* True when everything but the newest file is finished. */
static bool finish_all(struct history_closer *closer) {
    struct history_file *files = NULL;
    size_t count = 0;
    bool complete = true;
    if (history_file_list(closer->folder, &files, &count) < 0) {
        return false;
    }
    for (size_t i = 0; i + 1 < count; i++) {
        if (files[i].first_sequence <= closer->finished_up_to) {
            continue;
        }
        if (!make_way(closer)) {
            complete = false;
            break;
        }
        set_working_on(closer, files[i].name);
        const int result = finish_file(closer, &files[i]);
        set_working_on(closer, "");
        if (result < 0) {
            log_failure(&files[i], result);
            complete = false;
        } else if (complete) {
            closer->finished_up_to = files[i].first_sequence;
        }
    }
    free(files);
    return complete;
}

static void *run(void *argument) {
    struct history_closer *closer = argument;
    (void)pthread_setname_np(pthread_self(), "history");
    /* Runs when nobody else wants the processor, and makes way at once when a worker wakes: a
     * thread that is only nice would keep it for the rest of its slice, some milliseconds. */
    const struct sched_param none = {0};
    (void)pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
    while (!atomic_load(&closer->stopping)) {
        (void)pthread_mutex_lock(&closer->mutex);
        const uint64_t wanted = closer->wanted;
        (void)pthread_mutex_unlock(&closer->mutex);
        const bool complete = finish_all(closer);
        (void)pthread_mutex_lock(&closer->mutex);
        closer->done = wanted;
        (void)pthread_cond_broadcast(&closer->done_changed);
        (void)pthread_mutex_unlock(&closer->mutex);
        struct pollfd wait = {.fd = closer->wake_fd, .events = POLLIN};
        uint64_t ignored = 0;
        if (poll(&wait, 1, complete ? -1 : RETRY_MS) > 0) {
            (void)!read(closer->wake_fd, &ignored, sizeof ignored);
        }
    }
    return NULL;
}

int history_closer_new(const char *folder, gid_t readers, struct history_closer **ret_closer) {
    struct history_closer *closer = calloc(1, sizeof *closer);
    if (closer == NULL) {
        return -ENOMEM;
    }
    closer->folder = strdup(folder);
    closer->readers = readers;
    closer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)pthread_mutex_init(&closer->mutex, NULL);
    (void)pthread_cond_init(&closer->done_changed, NULL);
    closer->wanted = 1;
    int result = closer->folder == NULL ? ENOMEM : 0;
    if (result == 0 && closer->wake_fd < 0) {
        result = errno;
    }
    if (result == 0) {
        result = pthread_create(&closer->thread, NULL, run, closer);
    }
    if (result != 0) {
        if (closer->wake_fd >= 0) {
            (void)close(closer->wake_fd);
        }
        free(closer->folder);
        free(closer);
        return -result;
    }
    *ret_closer = closer;
    return 0;
}

static void wake(struct history_closer *closer) {
    const uint64_t one = 1;
    (void)!write(closer->wake_fd, &one, sizeof one);
}

void history_closer_wake(struct history_closer *closer) {
    (void)pthread_mutex_lock(&closer->mutex);
    closer->wanted++;
    (void)pthread_mutex_unlock(&closer->mutex);
    wake(closer);
}

void history_closer_rest(struct history_closer *closer, bool rest) {
    atomic_store(&closer->resting, rest);
    if (!rest) {
        atomic_store(&closer->rests, 0);
    }
}

void history_closer_settle(struct history_closer *closer) {
    atomic_fetch_add(&closer->settling, 1);
    history_closer_wake(closer);
    (void)pthread_mutex_lock(&closer->mutex);
    const uint64_t wanted = closer->wanted;
    while (closer->done < wanted) {
        (void)pthread_cond_wait(&closer->done_changed, &closer->mutex);
    }
    (void)pthread_mutex_unlock(&closer->mutex);
    atomic_fetch_sub(&closer->settling, 1);
}

bool history_closer_remove(struct history_closer *closer, const struct history_file *file) {
    (void)pthread_mutex_lock(&closer->mutex);
    const bool free_to_go = strcmp(closer->working_on, file->name) != 0;
    if (free_to_go) {
        history_file_remove(closer->folder, file);
    }
    (void)pthread_mutex_unlock(&closer->mutex);
    return free_to_go;
}

void history_closer_free(struct history_closer *closer) {
    if (closer == NULL) {
        return;
    }
    atomic_store(&closer->stopping, true);
    wake(closer);
    (void)pthread_join(closer->thread, NULL);
    (void)close(closer->wake_fd);
    (void)pthread_cond_destroy(&closer->done_changed);
    (void)pthread_mutex_destroy(&closer->mutex);
    free(closer->folder);
    free(closer);
}
