/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/history_file.h"

/* The thread that finishes history files which are no longer written: indexes, full text,
 * journal_mode=DELETE. It works in the idle class, and rests while recording is behind; what it has
 * begun when it is stopped goes on at the next start. Internal to the writer. */

struct history_closer;
/* `readers`: of history_options. */
MUST_USE int history_closer_new(const char *folder, gid_t readers,
                                struct history_closer **ret_closer);
/* A file was added: all older ones are to be finished. */
void history_closer_wake(struct history_closer *closer);
/* Recording is behind, or no more: the thread rests, for a minute at most, unless somebody waits
 * for it. Any thread. */
void history_closer_rest(struct history_closer *closer, bool rest);
/* Blocks until there is nothing left to finish, or what is left cannot be finished now. */
void history_closer_settle(struct history_closer *closer);
/* Removes a file unless it is being worked on: false, try again later. */
bool history_closer_remove(struct history_closer *closer, const struct history_file *file);
void history_closer_free(struct history_closer *closer);
