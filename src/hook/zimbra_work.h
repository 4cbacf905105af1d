/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hook/zimbra_file.h"
#include "hook/zimbra_hook.h"
#include "hook/zimbra_host.h"
#include "hook/zimbra_mark.h"
#include "hook/zimbra_place.h"

/* One run of a command: the host, the mark, and the four files with what is to become of them. What
 * zimbra_hook.h is made of, not for others. */

/* Of Zimbra's Postfix: where the path of a unix: endpoint starts that is not absolute. */
#define ZIMBRA_QUEUE_FOLDER STR("/opt/zimbra/data/postfix/spool")

struct zimbra_work_file {
    int folder; /* open from the beginning to the end; a negative errno without one */
    const char *name;
    bool there;
    bool skipped; /* goes without the hook: the LDAP attribute is used instead */
    struct zimbra_file file;
    struct zimbra_look look;
    char *edited; /* heap, ZIMBRA_FILE_ROOM */
    size_t edited_length;
    bool written; /* by this run */
};

struct zimbra_work {
    const struct zimbra_options *options;
    struct zimbra_report *report;
    struct zimbra_host host;
    struct zimbra_mark mark; /* as found */
    char endpoint_text[256]; /* given, or of the mark, or the default */
    struct str endpoint;     /* the same */
    int lock;                /* -1 without one */
    struct zimbra_work_file files[ZIMBRA_PLACES];
};

/* Opens host and mark, and reads the files; with `change` it takes the lock first. False: the
 * report says why not. */
bool zimbra_work_open(const struct zimbra_options *options, struct zimbra_report *report,
                      bool change, struct zimbra_work *work);
void zimbra_work_close(struct zimbra_work *work);

/* What each file becomes: with the hook, or without. */
void zimbra_work_edit(struct zimbra_work *work, bool add);
/* How many files that would change. */
size_t zimbra_work_changes(const struct zimbra_work *work);
/* A row for each line that would change. */
void zimbra_work_show(struct zimbra_work *work);
/* Writes what changes; with `keep` the text without the hook is kept beside first. False after the
 * first that could not be written. */
bool zimbra_work_write(struct zimbra_work *work, bool keep);
/* Puts back what this run wrote. */
void zimbra_work_undo(struct zimbra_work *work);
/* Takes away what was kept beside where the file is again what it was. */
void zimbra_work_forget_kept(struct zimbra_work *work);
bool zimbra_work_mark(struct zimbra_work *work, enum zimbra_state state, bool by_ldap);
/* Has main.cf made anew and waits until it shows the hook, or no trace of it. */
bool zimbra_work_rewrite(struct zimbra_work *work, bool present, bool by_ldap);
