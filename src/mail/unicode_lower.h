/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* The lower-case letter of an upper-case Latin, Greek or Cyrillic one (Unicode's simple mapping);
 * any other character is returned as it is. Pure. */
uint32_t unicode_lower(uint32_t point);
