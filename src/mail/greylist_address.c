/* SPDX-License-Identifier: Apache-2.0 */
/* The two normalisations for greylisting keys, declared in mail_address.h. They go towards a fixed
 * point: normalising the result again gives the same. */
#include "mail/mail_address.h"

enum {
    BATV_TAG_LENGTH_MIN = 8,
    BATV_TAG_LENGTH_MAX = 12,
    SRS_TIME_STAMP_LENGTH = 2,
    VERP_DIGITS_MIN = 3,
};

/* Slices of the address; what is taken away shortens them. */
struct parts {
    struct str srs; /* "srs0=" or "srs1=" to be written before `local`, or empty. */
    struct str local;
    struct str domain;
    bool has_domain;
};

static struct parts split(struct str address) {
    const size_t at = str_find_last(address, '@');
    const bool has_domain = at != SIZE_MAX;
    return (struct parts){
        .local = str_slice(address, 0, at < MAIL_LOCAL_PART_MAX ? at : MAIL_LOCAL_PART_MAX),
        .domain = has_domain ? str_slice(address, at + 1, SIZE_MAX) : (struct str){NULL, 0},
        .has_domain = has_domain,
    };
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_hexadecimal(struct str s) {
    for (size_t i = 0; i < s.length; i++) {
        const char c = ascii_lower(s.data[i]);
        if (!is_digit(c) && (c < 'a' || c > 'f')) {
            return false;
        }
    }
    return true;
}

/* Takes a non-empty field and the "=" behind it off the start of `rest`. */
static bool take_field(struct str *rest, struct str *ret_field) {
    const size_t equals = str_find(*rest, '=');
    if (equals == SIZE_MAX || equals == 0) {
        return false;
    }
    *ret_field = str_slice(*rest, 0, equals);
    *rest = str_slice(*rest, equals + 1, SIZE_MAX);
    return true;
}

/* "prvs=TAG=local" (draft-levine-smtp-batv): TAG changes every day. */
static bool drop_batv(struct parts *parts) {
    struct str rest = str_slice(parts->local, 5, SIZE_MAX);
    struct str tag;
    if (parts->srs.length > 0 || !str_equal_nocase(str_slice(parts->local, 0, 5), STR("prvs=")) ||
        !take_field(&rest, &tag) || tag.length < BATV_TAG_LENGTH_MIN ||
        tag.length > BATV_TAG_LENGTH_MAX || !is_hexadecimal(tag) || rest.length == 0) {
        return false;
    }
    parts->local = rest;
    return true;
}

static bool is_srs_separator(char c) {
    return c == '=' || c == '+' || c == '-';
}

/* Base 32 of the day: two letters or digits from 2 to 7. */
static bool is_srs_time_stamp(struct str s) {
    for (size_t i = 0; i < s.length; i++) {
        const char c = ascii_lower(s.data[i]);
        if ((c < 'a' || c > 'z') && (c < '2' || c > '7')) {
            return false;
        }
    }
    return s.length == SRS_TIME_STAMP_LENGTH;
}

/* "HASH=TT=" off the start of `rest`. */
static bool take_hash_and_time(struct str *rest) {
    struct str after = *rest;
    struct str hash;
    struct str time_stamp;
    if (!take_field(&after, &hash) || !take_field(&after, &time_stamp) ||
        !is_srs_time_stamp(time_stamp)) {
        return false;
    }
    *rest = after;
    return true;
}

/* "HASH=TT=domain=local" becomes local@domain. */
static bool restore_original(struct parts *parts, struct str rest) {
    struct str domain;
    if (!take_hash_and_time(&rest) || !take_field(&rest, &domain) || rest.length == 0 ||
        str_find(domain, '@') != SIZE_MAX) {
        return false;
    }
    *parts = (struct parts){.local = rest, .domain = domain, .has_domain = true};
    return true;
}

/* What stands between "SRS1=HASH=host=" and the inner hash is a separator of its own. */
static bool skip_first_hop(struct str *rest) {
    struct str field;
    if (!take_field(rest, &field) || !take_field(rest, &field) || rest->length == 0 ||
        !is_srs_separator(rest->data[0])) {
        return false;
    }
    *rest = str_slice(*rest, 1, SIZE_MAX);
    return true;
}

/* The kind of SRS address `parts` is, "srs0=" or "srs1=", and what follows that; or empty. */
static struct str find_srs(const struct parts *parts, struct str *ret_rest) {
    const struct str start = str_slice(parts->local, 0, 4);
    *ret_rest = parts->local;
    if (parts->srs.length > 0) {
        return parts->srs;
    }
    if (parts->local.length < 5 || !is_srs_separator(parts->local.data[4])) {
        return STR("");
    }
    *ret_rest = str_slice(parts->local, 5, SIZE_MAX);
    return str_equal_nocase(start, STR("srs0"))   ? STR("srs0=")
           : str_equal_nocase(start, STR("srs1")) ? STR("srs1=")
                                                  : STR("");
}

static bool undo_srs(struct parts *parts) {
    struct str rest;
    struct str hash;
    const struct str srs = find_srs(parts, &rest);
    if (srs.length == 0) {
        return false;
    }
    const bool is_srs1 = srs.data[3] == '1';
    struct str inner = rest;
    if ((!is_srs1 || skip_first_hop(&inner)) && restore_original(parts, inner)) {
        return true;
    }
    /* Set apart at least, so that "srs0=" stays as it is whatever becomes of the rest. */
    const bool changed = is_srs1 ? take_field(&rest, &hash) : take_hash_and_time(&rest);
    const bool set_apart = parts->srs.length == 0;
    parts->srs = srs;
    parts->local = rest;
    return changed || set_apart;
}

static bool drop_extension(struct parts *parts) {
    const size_t plus = str_find(parts->local, '+');
    const bool is_whole = parts->srs.length == 0;
    if (plus == SIZE_MAX || (is_whole && (plus == 0 || parts->local.data[0] == '"'))) {
        return false;
    }
    parts->local = str_slice(parts->local, 0, plus);
    return true;
}

static void reduce(struct parts *parts) {
    while (drop_batv(parts) || undo_srs(parts) || drop_extension(parts)) {
        /* Each makes the local part shorter: the loop ends. */
    }
}

static bool looks_like_verp(struct str local) {
    size_t digits = 0;
    for (size_t i = 0; i < local.length; i++) {
        digits = is_digit(local.data[i]) ? digits + 1 : 0;
        if (digits == VERP_DIGITS_MIN) {
            return true;
        }
        if (digits == 1 && i > 0 && (local.data[i - 1] == '=' || local.data[i - 1] == '-')) {
            return true;
        }
    }
    return false;
}

static size_t digits_length(struct str s) {
    size_t length = 0;
    while (length < s.length && is_digit(s.data[length])) {
        length++;
    }
    return length;
}

static void add_folded(struct str local, struct text *out) {
    while (local.length > 0) {
        const size_t digits = digits_length(local);
        if (digits > 0) {
            text_add_byte(out, '#');
        } else {
            text_add_byte(out, ascii_lower(local.data[0]));
        }
        local = str_slice(local, digits > 0 ? digits : 1, SIZE_MAX);
    }
}

static void format(const struct parts *parts, bool fold_digits, struct text *out) {
    text_add(out, parts->srs);
    if (fold_digits) {
        add_folded(parts->local, out);
    } else {
        text_add_lower(out, parts->local);
    }
    if (parts->has_domain) {
        text_add_byte(out, '@');
        mail_domain_normalise(parts->domain, out);
    }
}

void mail_sender_normalise_for_greylisting(struct str address, struct text *out) {
    struct parts parts = split(address);
    reduce(&parts);
    format(&parts, looks_like_verp(parts.local), out);
}

void mail_recipient_normalise_for_greylisting(struct str address, struct text *out) {
    struct parts parts = split(address);
    reduce(&parts);
    format(&parts, false, out);
}
