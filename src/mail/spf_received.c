/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "mail/spf.h"

/* RFC 5322 3.2.3: what may stand without quotes. */
static bool is_dot_atom(struct str value) {
    bool after_dot = true;
    for (size_t i = 0; i < value.length; i++) {
        const char c = ascii_lower(value.data[i]);
        const bool atom = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                          str_find(STR("!#$%&'*+-/=?^_`{|}~"), c) != SIZE_MAX;
        if (!atom && (c != '.' || after_dot)) {
            return false;
        }
        after_dot = c == '.';
    }
    return value.length > 0 && !after_dot;
}

static char printable(char c) {
    return c >= ' ' && c < 0x7f ? c : '?';
}

/* A byte of `special` gets a backslash before it. */
static void add_guarded(struct text *out, struct str value, struct str special) {
    for (size_t i = 0; i < value.length; i++) {
        const char c = printable(value.data[i]);
        if (str_find(special, c) != SIZE_MAX) {
            text_add_byte(out, '\\');
        }
        text_add_byte(out, c);
    }
}

static void add_comment_text(struct text *out, struct str value) {
    add_guarded(out, value, STR("()\\"));
}

/* All of the piece, or nothing. */
static void add_whole(struct text *out, const struct text *piece) {
    if (!piece->truncated && piece->length <= out->size - out->length) {
        text_add(out, text_str(piece));
    }
}

enum { PIECE_ROOM = 400, PAIRS_ROOM = 2048 };

static void add_pair(struct text *out, const char *key, struct str value) {
    char room[PIECE_ROOM];
    struct text piece = TEXT_OVER(room);
    text_add(&piece, STR(" "));
    text_add(&piece, str_from(key));
    text_add_byte(&piece, '=');
    if (is_dot_atom(value)) {
        text_add(&piece, value);
    } else {
        text_add_byte(&piece, '"');
        add_guarded(&piece, value, STR("\"\\"));
        text_add_byte(&piece, '"');
    }
    text_add_byte(&piece, ';');
    add_whole(out, &piece);
}

/* What the result means for the address, as a person says it. */
static void add_sentence(struct text *out, const struct spf_received *received,
                         struct str address) {
    static const struct {
        const char *before;
        const char *after;
    } sentences[SPF_RESULTS] = {
        [SPF_NONE] = {" has no SPF record that could name ", ""},
        [SPF_PASS] = {" designates ", " as permitted sender"},
        [SPF_FAIL] = {" does not designate ", " as permitted sender"},
        [SPF_SOFTFAIL] = {" probably does not designate ", " as permitted sender"},
        [SPF_NEUTRAL] = {" neither permits nor denies ", ""},
        [SPF_TEMPERROR] = {" could not be asked about ", " in time"},
        [SPF_PERMERROR] = {" has a wrong SPF record, asked about ", ""},
    };
    text_add(out, STR("domain of "));
    add_comment_text(out, received->is_helo ? received->helo_name : received->sender);
    text_add(out, str_from(sentences[received->result].before));
    text_add(out, address);
    text_add(out, str_from(sentences[received->result].after));
}

static void add_comment(struct text *out, const struct spf_received *received, struct str receiver,
                        struct str address) {
    char room[PIECE_ROOM];
    struct text piece = TEXT_OVER(room);
    text_add(&piece, STR(" ("));
    add_comment_text(&piece, receiver);
    text_add(&piece, STR(": "));
    add_sentence(&piece, received, address);
    text_add_byte(&piece, ')');
    add_whole(out, &piece);
}

static void add_pairs(struct text *out, const struct spf_received *received, struct str receiver,
                      struct str address) {
    add_pair(out, "client-ip", address);
    add_pair(out, "envelope-from", received->sender.length > 0 ? received->sender : STR("<>"));
    add_pair(out, "helo", received->helo_name);
    add_pair(out, "identity", received->is_helo ? STR("helo") : STR("mailfrom"));
    add_pair(out, "receiver", receiver);
    add_pair(out, "mechanism",
             received->mechanism.length > 0 ? received->mechanism : STR("default"));
    if (received->problem.length > 0) {
        add_pair(out, "problem", received->problem);
    }
}

void spf_received_format(const struct spf_received *received, struct text *out) {
    char address_room[IP_ADDRESS_TEXT_MAX];
    char pairs_room[PAIRS_ROOM];
    struct text address = TEXT_OVER(address_room);
    const struct str receiver = received->receiver.length > 0 ? received->receiver : STR("unknown");
    CHECK(received->result < SPF_RESULTS);
    ip_address_format(received->client_address, &address);
    text_add(out, str_from(spf_result_name(received->result)));
    const size_t room = out->size - out->length;
    struct text pairs = {.data = pairs_room, .size = room < PAIRS_ROOM ? room : PAIRS_ROOM};
    add_pairs(&pairs, received, receiver, text_str(&address));
    /* The comment gets what is left. */
    struct text before = {
        .data = out->data, .size = out->size - pairs.length, .length = out->length};
    add_comment(&before, received, receiver, text_str(&address));
    out->length = before.length;
    text_add(out, text_str(&pairs));
}
