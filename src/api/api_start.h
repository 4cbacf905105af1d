/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "base/str.h"

/* Start and end of seczim-api, for main alone; one thread. */

struct api;

/* Reads the settings. Negative errno with a sentence. */
MUST_USE int api_open(const char *config_path, struct api **ret_api, struct text *problem);
/* Opens log, api.db and every listener; serves from then on. The first start of all makes the user
 * admin and prints its one-time password to standard output. */
MUST_USE int api_serve(struct api *api, struct text *problem);
/* Writes a copy of api.db into a new file, while seczim-api runs or not. Negative errno with a
 * sentence. Instead of api_serve(). */
MUST_USE int api_backup(struct api *api, const char *path, struct text *problem);
/* Opens the log anew, and the TLS listeners with the certificate that is in the files now; where
 * that cannot be used the old one goes on. */
void api_reload(struct api *api);
/* What is to be done every day: removes from the audit log what is too old. */
void api_keep_house(struct api *api);
/* Ends streams and requests, closes everything. */
void api_close(struct api *api);
