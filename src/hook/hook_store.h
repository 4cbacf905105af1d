/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hook/hook_edit.h"
#include "hook/postfix_config.h"

/* The folder `seczim-hook` beside main.cf, and how a change of both files survives `kill -9`:
 *
 *   before/   both files as they were without the hook
 *   old/      both files before the change under way or the last one
 *   work/     both files as the change leaves them; postconf and `postfix check` judge them here
 *   pending   there while a change is put in place: "enable", "disable" or "undo"
 *   endpoint  where the hook last asked
 *   lock      held while a command works
 *
 * `pending` is written once old/ and work/ are synced; then main.cf and master.cf are replaced,
 * each by one rename, and `pending` goes away last. Every element we insert stands on its own
 * (main.cf and master.cf refer to nothing that only the other one's new version has), so that any
 * mixture of old and new files works and lets through no more mail. The next command finds
 * `pending` and puts the rest in place, or the old files back. */

enum hook_operation { HOOK_ENABLE = 0, HOOK_DISABLE, HOOK_UNDO };

struct hook_store {
    char config[512]; /* the folder of main.cf */
    char folder[540];
    int fd;   /* of `folder` */
    int lock; /* descriptor */
};

/* Makes the folder and takes the lock. NULL, or a sentence: not writable, somebody at work. */
const char *hook_store_open(const char *config, struct hook_store *ret_store, char *room);
/* For reading alone, without the lock; fd is -1 when nothing is kept there. */
void hook_store_look(const char *config, struct hook_store *ret_store);
void hook_store_close(struct hook_store *store);
/* Without opening: whether a change was interrupted. */
bool hook_store_is_pending(const char *config);

/* Writes both files into `part` ("before", "work"). NULL or a sentence. */
const char *hook_store_save(struct hook_store *store, const char *part,
                            const struct hook_files *files, char *room);
const char *hook_store_save_endpoint(struct hook_store *store, struct str endpoint, char *room);
/* Without opening: false when there is none. */
bool hook_store_load_endpoint(const char *config, char *ret_endpoint, size_t size);
/* False when there is not both. Heap memory of the caller. */
bool hook_store_load(const struct hook_store *store, const char *part,
                     struct hook_files *ret_files);

/* Puts work/ in place of the files, which are `old` now (a file changed meanwhile is a sentence and
 * nothing is done). `pending` stays until hook_store_finish(). */
const char *hook_store_put(struct hook_store *store, enum hook_operation operation,
                           const struct hook_files *old, char *room);
/* Puts old/ back. A file that is not what we wrote any more stays, and that is a sentence. */
const char *hook_store_undo(struct hook_store *store, char *room);
const char *hook_store_finish(struct hook_store *store, char *room);
/* Removes the folder with all it holds. */
void hook_store_remove(struct hook_store *store);

/* Completes or undoes what was interrupted. *ret_changed: Postfix has to be told. *ret_unjudged: an
 * "enable" was completed, and `pending` stays until hook_store_finish() or hook_store_undo().
 * `said`: what was done ("" when nothing was pending). NULL or a sentence. */
const char *hook_store_recover(struct hook_store *store, bool *ret_changed, bool *ret_unjudged,
                               char *said, size_t said_size, char *room);
