/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Gives the open file `to` the extended attributes of the file `name` in `folder`, access lists
 * (ACL) among them. As well as it goes: a file system that has none, or one that only the kernel
 * may write, is no failure. Call it after owner and mode are set, which an access list goes with.
 */
void file_attributes_copy(int folder, const char *name, int to);
