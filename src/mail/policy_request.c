/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/policy_request.h"

#include <string.h>

#include "base/byte_block.h"

/* In the order in which Postfix 3.5 to 3.12 sends them: each line is first compared with the name
 * that should follow the one before. Those we have no use for are here to keep that guess right. */
enum attribute {
    REQUEST = 0,
    PROTOCOL_STATE,
    PROTOCOL_NAME,
    CLIENT_ADDRESS,
    CLIENT_NAME,
    CLIENT_PORT,
    REVERSE_CLIENT_NAME,
    SERVER_ADDRESS,
    SERVER_PORT,
    HELO_NAME,
    SENDER,
    RECIPIENT,
    RECIPIENT_COUNT,
    QUEUE_ID,
    INSTANCE,
    SIZE,
    ETRN_DOMAIN,
    STRESS,
    SASL_METHOD,
    SASL_USERNAME,
    SASL_SENDER,
    CCERT_SUBJECT,
    CCERT_ISSUER,
    CCERT_FINGERPRINT,
    CCERT_PUBKEY_FINGERPRINT,
    ENCRYPTION_PROTOCOL,
    ENCRYPTION_CIPHER,
    ENCRYPTION_KEYSIZE,
    TLS_SNI,
    POLICY_CONTEXT,
    COMPATIBILITY_LEVEL,
    MAIL_VERSION,
    ATTRIBUTES,
};

#define NAME(literal)                                                                              \
    { literal, sizeof(literal) - 1 }
/* With the `=`, so that one comparison finds both; two blocks each with their length, which is
 * never compared. */
enum { NAME_ROOM = 2 * BYTE_BLOCK };
static const struct attribute_name {
    char bytes[NAME_ROOM - 1];
    uint8_t length;
} names[ATTRIBUTES] = {
    [REQUEST] = NAME("request="),
    [PROTOCOL_STATE] = NAME("protocol_state="),
    [PROTOCOL_NAME] = NAME("protocol_name="),
    [CLIENT_ADDRESS] = NAME("client_address="),
    [CLIENT_NAME] = NAME("client_name="),
    [CLIENT_PORT] = NAME("client_port="),
    [REVERSE_CLIENT_NAME] = NAME("reverse_client_name="),
    [SERVER_ADDRESS] = NAME("server_address="),
    [SERVER_PORT] = NAME("server_port="),
    [HELO_NAME] = NAME("helo_name="),
    [SENDER] = NAME("sender="),
    [RECIPIENT] = NAME("recipient="),
    [RECIPIENT_COUNT] = NAME("recipient_count="),
    [QUEUE_ID] = NAME("queue_id="),
    [INSTANCE] = NAME("instance="),
    [SIZE] = NAME("size="),
    [ETRN_DOMAIN] = NAME("etrn_domain="),
    [STRESS] = NAME("stress="),
    [SASL_METHOD] = NAME("sasl_method="),
    [SASL_USERNAME] = NAME("sasl_username="),
    [SASL_SENDER] = NAME("sasl_sender="),
    [CCERT_SUBJECT] = NAME("ccert_subject="),
    [CCERT_ISSUER] = NAME("ccert_issuer="),
    [CCERT_FINGERPRINT] = NAME("ccert_fingerprint="),
    [CCERT_PUBKEY_FINGERPRINT] = NAME("ccert_pubkey_fingerprint="),
    [ENCRYPTION_PROTOCOL] = NAME("encryption_protocol="),
    [ENCRYPTION_CIPHER] = NAME("encryption_cipher="),
    [ENCRYPTION_KEYSIZE] = NAME("encryption_keysize="),
    [TLS_SNI] = NAME("tls_sni="),
    [POLICY_CONTEXT] = NAME("policy_context="),
    [COMPATIBILITY_LEVEL] = NAME("compatibility_level="),
    [MAIL_VERSION] = NAME("mail_version="),
};
_Static_assert(sizeof names[0] == NAME_ROOM, "names are read two blocks at a time");

/* The line that the newline at `end` ends is empty, or only a CR. */
static bool ends_empty_line(const char *bytes, size_t end) {
    if (end > 0 && bytes[end - 1] == '\r') {
        end--;
    }
    return end == 0 || bytes[end - 1] == '\n';
}

/* The empty line ended at `end` ends a request unless it stands before its first line. Since a
 * request ends at the first empty line after a filled one, looking one line back is enough. */
static bool ends_request(const char *bytes, size_t end) {
    const size_t start = end > 0 && bytes[end - 1] == '\r' ? end - 1 : end;
    return ends_empty_line(bytes, end) && start > 0 && !ends_empty_line(bytes, start - 1);
}

/* Where the newline is, from `from` on, or the length of `text`. */
static size_t find_newline(struct str text, size_t from) {
    size_t at = from;
    for (; text.length - at >= BYTE_BLOCK; at += BYTE_BLOCK) {
        const unsigned found = byte_block_mask(byte_block_load(text.data + at) == '\n');
        if (found != 0) {
            return at + (size_t)__builtin_ctz(found);
        }
    }
    while (at < text.length && text.data[at] != '\n') {
        at++;
    }
    return at;
}

/* Bytes in which some newline may be followed by a newline or a CR. Reads one byte more. */
static byte_block may_end_request(const char *bytes) {
    /* `<=` takes in more than these two, which costs a second look and nothing else. */
    return (byte_block_load(bytes) == '\n') & (byte_block_load(bytes + 1) <= '\r');
}

/* Where in `text` a request ends, its last newline included, or SIZE_MAX. A stretch that cannot
 * hold the newline before the empty line is passed over at once: every byte of every request comes
 * here. */
static size_t find_end(struct str text, size_t from) {
    enum { STRETCH = 4 * BYTE_BLOCK };
    /* That newline and a CR may be among what was scanned before. */
    for (size_t at = from < 2 ? 0 : from - 2; at < text.length; at += STRETCH) {
        const char *const bytes = text.data + at;
        if (text.length - at > STRETCH &&
            byte_block_mask(may_end_request(bytes) | may_end_request(bytes + BYTE_BLOCK) |
                            may_end_request(bytes + 2 * BYTE_BLOCK) |
                            may_end_request(bytes + 3 * BYTE_BLOCK)) == 0) {
            continue;
        }
        const size_t until = text.length - at > STRETCH + 2 ? at + STRETCH + 2 : text.length;
        for (size_t end = find_newline(text, at); end < until; end = find_newline(text, end + 1)) {
            if (ends_request(text.data, end)) {
                return end + 1;
            }
        }
    }
    return SIZE_MAX;
}

struct policy_request_frame policy_request_frame(struct str input, size_t *scanned,
                                                 const struct policy_request_limits *limits) {
    const struct str seen = str_slice(input, 0, limits->request_bytes_max);
    const size_t end = find_end(seen, *scanned);
    const size_t until = end == SIZE_MAX ? seen.length : end;
    if (str_find(str_slice(seen, *scanned, until), '\0') != SIZE_MAX) {
        return (struct policy_request_frame){.result = POLICY_REQUEST_NUL};
    }
    *scanned = until;
    if (end != SIZE_MAX) {
        return (struct policy_request_frame){POLICY_REQUEST_OK, end};
    }
    return (struct policy_request_frame){.result = until == limits->request_bytes_max
                                                       ? POLICY_REQUEST_TOO_LONG
                                                       : POLICY_REQUEST_MORE};
}

/* How many bytes at the start of two places of NAME_ROOM bytes are the same. */
static unsigned bytes_in_common(const char *a, const char *b) {
    const unsigned first = byte_block_mask(byte_block_load(a) == byte_block_load(b));
    if (first != (1U << BYTE_BLOCK) - 1) {
        return (unsigned)__builtin_ctz(~first);
    }
    const unsigned second =
        byte_block_mask(byte_block_load(a + BYTE_BLOCK) == byte_block_load(b + BYTE_BLOCK));
    return BYTE_BLOCK + (unsigned)__builtin_ctz(~second);
}

/* No name holds a newline: comparing with all the rest of the request is comparing with its line.
 */
static bool has_name(struct str rest, const struct attribute_name *name) {
    if (rest.length < NAME_ROOM) {
        return str_starts(rest, (struct str){name->bytes, name->length});
    }
    return bytes_in_common(rest.data, (const char *)name) >= name->length;
}

/* The bytes of a line without the CR at their end. */
static struct str without_cr(struct str line) {
    const bool cr = line.length > 0 && line.data[line.length - 1] == '\r';
    return (struct str){line.data, line.length - cr};
}

/* Goes round from the guess, since what Postfix leaves out it leaves out in groups. */
static size_t find_attribute(struct str rest, size_t guess) {
    for (size_t i = 0; i < ATTRIBUTES; i++) {
        const size_t at = (guess + i) % ATTRIBUTES;
        if (has_name(rest, &names[at])) {
            return at;
        }
    }
    return ATTRIBUTES;
}

/* The name and "=" of `line`, which is at the start of `rest`: `named` is their length, 0 when the
 * line has none. The attribute may be one that we do not know. */
static size_t find_name(struct str rest, struct str line, size_t guess, size_t *ret_named) {
    const size_t found = find_attribute(rest, guess);
    if (found < ATTRIBUTES) {
        *ret_named = names[found].length;
    } else {
        const size_t equals = str_find(line, '=');
        *ret_named = equals == SIZE_MAX || equals == 0 ? 0 : equals + 1;
    }
    return found;
}

/* What has been found of a request so far. */
struct split {
    const struct policy_request_limits *limits;
    struct str *values; /* ATTRIBUTES, and one for any unknown one */
    size_t count;
    size_t guess; /* the attribute that should come next; ATTRIBUTES: none */
};

static enum policy_request_result take_value(struct split *split, size_t attribute,
                                             struct str value) {
    split->values[attribute] = value;
    split->count++;
    return split->count > split->limits->attributes_max    ? POLICY_REQUEST_TOO_MANY_ATTRIBUTES
           : value.length > split->limits->value_bytes_max ? POLICY_REQUEST_VALUE_TOO_LONG
                                                           : POLICY_REQUEST_OK;
}

/* Any line, at the start of `rest`. */
static enum policy_request_result take_line(struct split *split, struct str rest, struct str line) {
    if (line.length == 0) {
        return POLICY_REQUEST_OK;
    }
    size_t named;
    const size_t found = find_name(rest, line, split->guess, &named);
    if (found < ATTRIBUTES) {
        split->guess = found + 1;
    }
    const enum policy_request_result result =
        take_value(split, found, (struct str){line.data + named, line.length - named});
    return named == 0 && result != POLICY_REQUEST_TOO_MANY_ATTRIBUTES ? POLICY_REQUEST_NO_EQUALS
                                                                      : result;
}

/* Lines from `at` on, as long as each is the one that was expected and within the limits: nearly
 * all are. Returns where they end. */
static size_t take_expected(struct split *split, struct str frame, size_t at) {
    struct str *const values = split->values;
    const size_t value_bytes_max = split->limits->value_bytes_max;
    const size_t room = split->limits->attributes_max - split->count;
    const size_t first = split->guess;
    const size_t until = room < ATTRIBUTES - first ? first + room : ATTRIBUTES;
    size_t guess = first;
    for (; guess < until && at + NAME_ROOM <= frame.length; guess++) {
        const struct attribute_name *const name = &names[guess];
        const size_t from = at + name->length;
        if (bytes_in_common(frame.data + at, (const char *)name) < name->length) {
            break;
        }
        const size_t end = find_newline(frame, from);
        const struct str value = without_cr((struct str){frame.data + from, end - from});
        if (value.length > value_bytes_max) {
            break;
        }
        values[guess] = value;
        at = end + 1;
    }
    split->count += guess - first;
    split->guess = guess;
    return at;
}

/* Slices of all attributes we know the name of into `values`. */
static enum policy_request_result split(struct str frame,
                                        const struct policy_request_limits *limits,
                                        struct str values[static ATTRIBUTES + 1],
                                        struct str *ret_at) {
    struct split split = {.limits = limits, .values = values};
    size_t at = take_expected(&split, frame, 0);
    while (at < frame.length) {
        const struct str rest = str_slice(frame, at, SIZE_MAX);
        const size_t end = find_newline(rest, 0);
        const struct str line = without_cr((struct str){rest.data, end});
        if (line.length == 0 && split.count > 0) {
            return POLICY_REQUEST_OK;
        }
        const enum policy_request_result result = take_line(&split, rest, line);
        if (result != POLICY_REQUEST_OK) {
            *ret_at = line;
            return result;
        }
        at = take_expected(&split, frame, at + end + 1);
    }
    return POLICY_REQUEST_OK;
}

static const struct {
    struct str name;
    enum protocol_state state;
} states[] = {
    {NAME("RCPT"), PROTOCOL_STATE_RCPT},
    {NAME("DATA"), PROTOCOL_STATE_DATA},
    {NAME("END-OF-MESSAGE"), PROTOCOL_STATE_END_OF_MESSAGE},
    {NAME("MAIL"), PROTOCOL_STATE_MAIL},
    {NAME("EHLO"), PROTOCOL_STATE_HELO},
    {NAME("HELO"), PROTOCOL_STATE_HELO},
    {NAME("CONNECT"), PROTOCOL_STATE_CONNECT},
    {NAME("VRFY"), PROTOCOL_STATE_OTHER},
    {NAME("ETRN"), PROTOCOL_STATE_OTHER},
    {NAME("XCLIENT"), PROTOCOL_STATE_OTHER},
    {NAME("BDAT"), PROTOCOL_STATE_DATA},
};

static enum protocol_state parse_state(struct str text) {
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (str_equal(text, states[i].name)) {
            return states[i].state;
        }
    }
    return PROTOCOL_STATE_NONE;
}

static uint64_t parse_number(struct str text, uint64_t max) {
    uint64_t value = 0;
    (void)str_parse_u64(text, max, &value);
    return value;
}

static void assemble(const struct str values[static ATTRIBUTES], struct policy_request *request) {
    struct ip_address client_address = {{0}};
    (void)ip_address_parse(values[CLIENT_ADDRESS], &client_address);
    const enum protocol_state state = parse_state(values[PROTOCOL_STATE]);
    const uint64_t size = parse_number(values[SIZE], UINT64_MAX);
    const uint64_t recipient_count = parse_number(values[RECIPIENT_COUNT], UINT32_MAX);
    const uint64_t server_port = parse_number(values[SERVER_PORT], UINT16_MAX);
    /* With every member named, nothing has to be cleared before. */
    *request = (struct policy_request){
        .state = state,
        .client_address = client_address,
        .client_address_text = values[CLIENT_ADDRESS],
        .client_name = values[CLIENT_NAME],
        .reverse_client_name = values[REVERSE_CLIENT_NAME],
        .server_address = values[SERVER_ADDRESS],
        .helo_name = values[HELO_NAME],
        .sender = values[SENDER],
        .recipient = values[RECIPIENT],
        .queue_id = values[QUEUE_ID],
        .instance = values[INSTANCE],
        .sasl_method = values[SASL_METHOD],
        .sasl_username = values[SASL_USERNAME],
        .sasl_sender = values[SASL_SENDER],
        .encryption_protocol = values[ENCRYPTION_PROTOCOL],
        .ccert_subject = values[CCERT_SUBJECT],
        .policy_context = values[POLICY_CONTEXT],
        .policy_client = {NULL, 0},
        .size = size,
        .recipient_count = (uint32_t)recipient_count,
        .server_port = (uint16_t)server_port,
    };
}

enum policy_request_result policy_request_parse(struct str frame,
                                                const struct policy_request_limits *limits,
                                                struct policy_request *ret_request,
                                                struct str *ret_at) {
    struct str values[ATTRIBUTES + 1] = {{NULL, 0}}; /* The last: any unknown one. */
    *ret_at = STR("");
    const enum policy_request_result result = split(frame, limits, values, ret_at);
    if (result != POLICY_REQUEST_OK) {
        return result;
    }
    *ret_at = values[REQUEST].length == 0 ? STR("") : values[REQUEST];
    if (!str_equal(values[REQUEST], STR("smtpd_access_policy"))) {
        return POLICY_REQUEST_NOT_A_REQUEST;
    }
    assemble(values, ret_request);
    return POLICY_REQUEST_OK;
}

const char *policy_request_problem(enum policy_request_result result) {
    switch (result) {
    case POLICY_REQUEST_MORE:
        return "the request is not complete yet";
    case POLICY_REQUEST_OK:
        return "no problem";
    case POLICY_REQUEST_TOO_LONG:
        return "a request longer than policy_server.request_bytes_max";
    case POLICY_REQUEST_TOO_MANY_ATTRIBUTES:
        return "more attributes than policy_server.attributes_max";
    case POLICY_REQUEST_VALUE_TOO_LONG:
        return "a value longer than policy_server.value_bytes_max";
    case POLICY_REQUEST_NO_EQUALS:
        return "a line that is not name=value";
    case POLICY_REQUEST_NUL:
        return "a NUL byte";
    case POLICY_REQUEST_NOT_A_REQUEST:
        return "no request=smtpd_access_policy; is this a Postfix policy client?";
    case POLICY_REQUEST_RESULTS:
        break;
    }
    return "an unknown problem";
}

const char *protocol_state_name(enum protocol_state state) {
    switch (state) {
    case PROTOCOL_STATE_CONNECT:
        return "CONNECT";
    case PROTOCOL_STATE_HELO:
        return "HELO";
    case PROTOCOL_STATE_MAIL:
        return "MAIL";
    case PROTOCOL_STATE_RCPT:
        return "RCPT";
    case PROTOCOL_STATE_DATA:
        return "DATA";
    case PROTOCOL_STATE_END_OF_MESSAGE:
        return "END-OF-MESSAGE";
    case PROTOCOL_STATE_OTHER:
        return "OTHER";
    case PROTOCOL_STATE_ENDED:
        return "ENDED";
    case PROTOCOL_STATE_NONE:
        break;
    }
    return "";
}
