/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"
#include "base/str.h"

/* The Postfix policy delegation protocol (SMTPD_POLICY_README, Postfix 3.5 to 3.11): `name=value`
 * lines in any order, an empty line ends the request. Values are any bytes but NUL and newline;
 * one trailing CR on a line is dropped (telnet); unknown attributes are skipped; newlines before a
 * request are skipped; of an attribute given twice the last counts. Every attribute but `request`
 * may be absent, which is the same as empty. Pure. */

/* Where Postfix stands in the SMTP dialogue. */
enum protocol_state {
    PROTOCOL_STATE_NONE = 0, /* Absent or a value we do not know. */
    PROTOCOL_STATE_CONNECT,
    PROTOCOL_STATE_HELO, /* HELO or EHLO */
    PROTOCOL_STATE_MAIL,
    PROTOCOL_STATE_RCPT,
    PROTOCOL_STATE_DATA,
    PROTOCOL_STATE_END_OF_MESSAGE,
    PROTOCOL_STATE_OTHER, /* VRFY, ETRN, XCLIENT ... */
    /* Not of Postfix, never parsed: the connection of the policy client ended, or began another
     * message, and this one had no END-OF-MESSAGE. */
    PROTOCOL_STATE_ENDED,
};

enum { POLICY_CLIENT_MAX = 46 };

/* Slices point into the buffer that was parsed and live as long as it does. */
struct policy_request {
    enum protocol_state state;
    struct ip_address client_address; /* none (::) when absent or not an address */
    struct str client_address_text;
    struct str client_name; /* "unknown" when not confirmed by forward DNS */
    struct str reverse_client_name;
    struct str server_address;
    struct str helo_name;
    struct str sender; /* empty: the null sender */
    struct str recipient;
    struct str queue_id;
    struct str instance;
    struct str sasl_method;
    struct str sasl_username;
    struct str sasl_sender;
    struct str encryption_protocol;
    struct str ccert_subject;
    struct str policy_context;
    /* Not an attribute: the address of the Postfix host that asks, as text; empty: this host. At
     * most POLICY_CLIENT_MAX bytes. Instances are unique only together with it. */
    struct str policy_client;
    uint64_t size; /* bytes; 0 unless given as a number */
    uint32_t recipient_count;
    uint16_t server_port;
};

/* Limits are settings (policy_server.request_bytes_max, .attributes_max, .value_bytes_max). */
struct policy_request_limits {
    size_t request_bytes_max;
    size_t attributes_max;
    size_t value_bytes_max;
};

enum policy_request_result {
    POLICY_REQUEST_MORE = 0, /* No complete request yet. */
    POLICY_REQUEST_OK,
    POLICY_REQUEST_TOO_LONG, /* request_bytes_max */
    POLICY_REQUEST_TOO_MANY_ATTRIBUTES,
    POLICY_REQUEST_VALUE_TOO_LONG,
    POLICY_REQUEST_NO_EQUALS, /* A line without "=" or with an empty name. */
    POLICY_REQUEST_NUL,
    POLICY_REQUEST_NOT_A_REQUEST, /* No `request=smtpd_access_policy`. */
    POLICY_REQUEST_RESULTS,
};

/* Finds the end of the next request without parsing it. `*scanned` is how much of `input` an
 * earlier call has already looked at: start with 0 for a new request and keep it between calls, so
 * that a request arriving byte by byte costs linear work. */
struct policy_request_frame {
    enum policy_request_result result; /* OK, MORE, TOO_LONG or NUL */
    size_t length; /* OK: bytes of `input` it takes, leading newlines included */
};
struct policy_request_frame policy_request_frame(struct str input, size_t *scanned,
                                                 const struct policy_request_limits *limits);

/* Parses one frame. Result is never MORE. On a result other than OK *ret_request is unspecified
 * and *ret_at (never NULL) is the offending line for the log. */
enum policy_request_result policy_request_parse(struct str frame,
                                                const struct policy_request_limits *limits,
                                                struct policy_request *ret_request,
                                                struct str *ret_at);

/* A sentence for the log: "a line without `=`", never NULL. */
const char *policy_request_problem(enum policy_request_result result);
const char *protocol_state_name(enum protocol_state state); /* "RCPT", "END-OF-MESSAGE", "" */
