/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Programmer errors, and only those. CHECK() stays on in release builds: stopping is safer than
 * deciding on corrupt state, because the service manager restarts us within a second and Postfix
 * carries on meanwhile (default_action=DUNNO). */
#define CHECK(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

_Noreturn void check_failed(const char *condition, const char *file, int line);

/* On the prototype of a function whose result must be looked at. */
#define MUST_USE __attribute__((warn_unused_result))
