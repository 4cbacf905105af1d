/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/reply.h"

#include "base/utf8.h"

enum placeholder {
    PLACEHOLDER_RETRY_IN = 0,
    PLACEHOLDER_CLIENT_ADDRESS,
    PLACEHOLDER_SENDER,
    PLACEHOLDER_RECIPIENT,
    PLACEHOLDER_POLICY,
    PLACEHOLDER_REASON,
    PLACEHOLDER_RULE,
    PLACEHOLDERS,
};

static const char *const placeholder_names[PLACEHOLDERS] = {
    [PLACEHOLDER_RETRY_IN] = "retry_in", [PLACEHOLDER_CLIENT_ADDRESS] = "client_address",
    [PLACEHOLDER_SENDER] = "sender",     [PLACEHOLDER_RECIPIENT] = "recipient",
    [PLACEHOLDER_POLICY] = "policy",     [PLACEHOLDER_REASON] = "reason",
    [PLACEHOLDER_RULE] = "rule",
};

static bool find_placeholder(struct str name, enum placeholder *ret_placeholder) {
    for (unsigned i = 0; i < PLACEHOLDERS; i++) {
        if (str_equal(name, str_from(placeholder_names[i]))) {
            *ret_placeholder = (enum placeholder)i;
            return true;
        }
    }
    return false;
}

/* What stands at the beginning of a reply text. */
enum token_kind { TOKEN_TEXT = 0, TOKEN_BRACE, TOKEN_PLACEHOLDER, TOKEN_MISTAKE };
struct token {
    enum token_kind kind;
    size_t length; /* in the text; MISTAKE: of what to show */
    enum placeholder placeholder;
};

static bool is_brace(char c) {
    return c == '{' || c == '}';
}

static struct token next_token(struct str text) {
    const char first = text.data[0];
    if (!is_brace(first)) {
        const size_t open = str_find(text, '{');
        const size_t close = str_find(text, '}');
        const size_t brace = open < close ? open : close;
        return (struct token){.kind = TOKEN_TEXT,
                              .length = brace < text.length ? brace : text.length};
    }
    if (text.length > 1 && text.data[1] == first) {
        return (struct token){.kind = TOKEN_BRACE, .length = 2};
    }
    const size_t close = first == '{' ? str_find(text, '}') : SIZE_MAX;
    struct token token = {.kind = TOKEN_MISTAKE, .length = close == SIZE_MAX ? 1 : close + 1};
    if (close != SIZE_MAX && find_placeholder(str_slice(text, 1, close), &token.placeholder)) {
        token.kind = TOKEN_PLACEHOLDER;
    }
    return token;
}

const char *reply_text_problem(struct str text, struct text *problem) {
    const char *found = NULL;
    for (struct token token; text.length > 0 && found == NULL;
         text = str_slice(text, token.length, text.length)) {
        token = next_token(text);
        uint32_t point;
        if (token.kind == TOKEN_MISTAKE) {
            text_add(problem, STR("\""));
            text_add_escaped(problem, str_slice(text, 0, token.length < 40 ? token.length : 40));
            text_add(problem, STR("\" is no placeholder; allowed are"));
            for (unsigned i = 0; i < PLACEHOLDERS; i++) {
                text_add(problem, STR(" {"));
                text_add(problem, str_from(placeholder_names[i]));
                text_add_byte(problem, '}');
            }
            text_add(problem, STR("; write {{ or }} for a brace"));
            found = text_zero(problem);
        }
        for (size_t i = 0; token.kind == TOKEN_TEXT && found == NULL && i < token.length;) {
            const size_t length = utf8_decode(str_slice(text, i, token.length), &point);
            if (length == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0)) {
                text_add(problem, STR("the text holds a control character or bytes that are not "
                                      "UTF-8; write one line of plain text"));
                found = text_zero(problem);
            }
            i += length;
        }
    }
    return found;
}

/* Adds as much of `s` as fits below `limit` without cutting a character. False: a character did
 * not fit, so that nothing more may follow although it might be shorter. */
static bool add_clean(struct text *out, size_t limit, struct str s) {
    for (;;) {
        const size_t plain = str_printable_length(s);
        text_add(out, str_slice(str_slice(s, 0, plain), 0, limit - out->length));
        s = str_slice(s, plain, s.length);
        if (s.length == 0) {
            return true;
        }
        uint32_t point = 0;
        const size_t length = utf8_decode(s, &point);
        const bool clean = length > 0 && point >= 0xa0;
        if (out->length + (clean ? length : 1) > limit) {
            return false;
        }
        text_add(out, clean ? str_slice(s, 0, length) : STR("?"));
        s = str_slice(s, length > 0 ? length : 1, s.length);
    }
}

static bool add_placeholder(struct text *out, size_t limit, enum placeholder placeholder,
                            const struct policy_request *request, const struct decision *decision) {
    char room[64];
    struct text value = TEXT_OVER(room);
    switch (placeholder) {
    case PLACEHOLDER_RETRY_IN:
        text_add_u64(&value, decision->retry_in_s);
        break;
    case PLACEHOLDER_CLIENT_ADDRESS:
        if (ip_address_is_none(request->client_address)) {
            return add_clean(out, limit, request->client_address_text);
        }
        ip_address_format(request->client_address, &value);
        break;
    case PLACEHOLDER_SENDER:
        return add_clean(out, limit, request->sender);
    case PLACEHOLDER_RECIPIENT:
        return add_clean(out, limit, request->recipient);
    case PLACEHOLDER_POLICY:
        return add_clean(out, limit, str_from(policy_info(decision->policy)->name));
    case PLACEHOLDER_REASON:
        return add_clean(out, limit, str_from(reason_info(decision->reason)->word));
    case PLACEHOLDER_RULE:
        return add_clean(out, limit, (struct str){decision->rule, decision->rule_length});
    case PLACEHOLDERS:
        break;
    }
    return add_clean(out, limit, text_str(&value));
}

/* A text with a mistake in it (settings refuse them) is told as it stands. */
static void expand(struct text *out, struct str text, const struct policy_request *request,
                   const struct decision *decision) {
    const size_t limit = out->length + REPLY_TEXT_MAX;
    bool fits = true;
    while (fits && text.length > 0) {
        const struct token token = next_token(text);
        if (token.kind == TOKEN_PLACEHOLDER) {
            fits = add_placeholder(out, limit, token.placeholder, request, decision);
        } else {
            const size_t shown = token.kind == TOKEN_BRACE ? 1 : token.length;
            fits = add_clean(out, limit, str_slice(text, 0, shown));
        }
        text = str_slice(text, token.length, text.length);
    }
}

static struct str default_text(enum reason reason) {
    switch (reason_info(reason)->policy) {
    case POLICY_GREYLISTING:
        return STR("Greylisted, please try again in {retry_in} seconds");
    case POLICY_ACL_BLOCK:
        return STR("Access denied");
    case POLICY_AUTO_BLACKLIST:
        return STR("Client host {client_address} is blocked for repeated abuse");
    case POLICY_IP_REPUTATION:
        return STR("Client host {client_address} has a bad reputation here");
    case POLICY_SENDER_RESTRICTIONS:
        return STR("You are not authorized to send to {recipient}");
    case POLICY_SENDER_IDENTITY:
        return STR("Sender address {sender} is not owned by the authenticated user");
    case POLICY_GEO:
        return STR("Mail from your country or network is not accepted here");
    case POLICY_RBL:
        return STR("Client host {client_address} is listed in {rule}");
    case POLICY_SPF:
        return STR("SPF check failed for {client_address} ({rule})");
    case POLICY_QUOTAS:
        return STR("Sending limit reached, please try again later");
    case POLICY_NONE:
    case POLICY_ACL_ALLOW:
    case POLICY_LIMIT:
        break;
    }
    return STR("A check of this mail could not be completed");
}

void reply_write(const struct policy_request *request, struct str text, struct decision *decision) {
    struct text out = TEXT_OVER(decision->reply);
    switch (decision->verdict) {
    case VERDICT_REJECT:
        text_add(&out, STR("REJECT 5.7.1 "));
        break;
    case VERDICT_DEFER:
        text_add(&out, STR("DEFER_IF_PERMIT 4.7.1 "));
        break;
    case VERDICT_NONE:
    case VERDICT_ACCEPT:
    case VERDICTS:
        if (decision->header_length > 0) {
            text_add(&out, STR("PREPEND "));
            text_add(&out, (struct str){decision->header, decision->header_length});
        } else {
            text_add(&out, STR("DUNNO"));
        }
        decision->reply_length = (uint16_t)out.length;
        return;
    }
    expand(&out, text.length > 0 ? text : default_text(decision->reason), request, decision);
    decision->reply_length = (uint16_t)out.length;
}
