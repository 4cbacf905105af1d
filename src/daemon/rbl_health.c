/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/rbl_health.h"

#include <string.h>

enum {
    LATENCY_WEIGHT = 8, /* each answer counts an eighth */
    LISTED_RUN = 20,    /* so many clients named one after another make a probe worthwhile */
};
#define PROBE_PAUSE_NS (INT64_C(60) * 1000000000) /* between probes that answers ask for */

void rbl_health_init(struct rbl_health *health, int64_t now_ns) {
    *health = (struct rbl_health){
        .state = RBL_HEALTH_NEW, .since_boot_ns = now_ns, .next_probe_ns = now_ns};
}

static bool is_bad(enum dnsbl_status status) {
    return status == DNSBL_FAILED || status == DNSBL_TIMED_OUT;
}

static bool is_zero(const unsigned char code[4]) {
    static const unsigned char zero[4];
    return memcmp(code, zero, sizeof zero) == 0;
}

static void set_why(struct rbl_health *health, enum dnsbl_status status,
                    const unsigned char code[4]) {
    if (status == DNSBL_TIMED_OUT) {
        health->why = RBL_WHY_TIMED_OUT;
    } else {
        health->why = is_zero(code) ? RBL_WHY_FAILED : RBL_WHY_ERROR_CODE;
    }
    memcpy(health->code, code, sizeof health->code);
}

static void take_out(struct rbl_health *health, int64_t now_ns) {
    health->state = RBL_HEALTH_OUT;
    health->since_boot_ns = now_ns;
    health->times_out++;
}

/* 30 s after the first bad probe, then twice as long each time, up to 15 min. */
static int64_t pause_after(unsigned bad_probes) {
    int64_t pause_ns = RBL_PROBE_SOON_NS;
    for (unsigned i = 1; i < bad_probes && pause_ns < RBL_PROBE_SOON_MAX_NS; i++) {
        pause_ns *= 2;
    }
    return pause_ns < RBL_PROBE_SOON_MAX_NS ? pause_ns : RBL_PROBE_SOON_MAX_NS;
}

/* --- answers about clients -------------------------------------------------------------------- */

static void count(struct rbl_health *health, enum dnsbl_status status, int64_t latency_us) {
    health->asked++;
    health->listed += status == DNSBL_LISTED;
    health->not_listed += status == DNSBL_NOT_LISTED;
    health->failed += status == DNSBL_FAILED;
    health->timed_out += status == DNSBL_TIMED_OUT;
    if (latency_us >= 0) {
        health->latency_mean_us =
            health->latency_us == 0
                ? latency_us
                : health->latency_mean_us + (latency_us - health->latency_mean_us) / LATENCY_WEIGHT;
        health->latency_us = latency_us;
    }
}

bool rbl_health_answer(struct rbl_health *health, enum dnsbl_status status,
                       const unsigned char code[4], int64_t latency_us, int64_t now_ns) {
    if (status == DNSBL_OUT || status >= DNSBL_STATUSES) {
        return false;
    }
    count(health, status, latency_us);
    health->bad_run = is_bad(status) ? health->bad_run + 1 : 0;
    health->listed_run = status == DNSBL_LISTED ? health->listed_run + 1 : 0;
    if (health->state == RBL_HEALTH_OUT) {
        return false; /* Asked before it was taken out. Why it was stays. */
    }
    if (health->listed_run >= LISTED_RUN && now_ns - health->probed_boot_ns >= PROBE_PAUSE_NS) {
        health->listed_run = 0;
        health->next_probe_ns = now_ns < health->next_probe_ns ? now_ns : health->next_probe_ns;
    }
    if (!is_bad(status)) {
        return false;
    }
    set_why(health, status, code);
    if (health->bad_run < RBL_BAD_RUN) {
        return false;
    }
    take_out(health, now_ns);
    health->next_probe_ns = now_ns + RBL_PROBE_SOON_NS;
    return true;
}

/* --- probes ----------------------------------------------------------------------------------- */

/* Fills why and code of a bad probe; false: it was good. */
static bool find_fault(const struct rbl_probe *probe, struct rbl_health *health) {
    bool listed = false;
    for (size_t i = 0; i < probe->family_count; i++) {
        const struct rbl_probe_answer *must = &probe->must_list[i];
        const struct rbl_probe_answer *must_not = &probe->must_not_list[i];
        if (is_bad(must->status) || is_bad(must_not->status)) {
            const struct rbl_probe_answer *bad = is_bad(must->status) ? must : must_not;
            set_why(health, bad->status, bad->code);
            return true;
        }
        if (must_not->status == DNSBL_LISTED) {
            health->why = RBL_WHY_LISTS_WORLD;
            return true;
        }
        listed = listed || must->status == DNSBL_LISTED;
    }
    health->why = listed ? RBL_WHY_NONE : RBL_WHY_EMPTY;
    return !listed;
}

bool rbl_health_probed(struct rbl_health *health, const struct rbl_probe *probe, int64_t now_ns) {
    const enum rbl_health_state before = health->state;
    memset(health->code, 0, sizeof health->code);
    health->probed_boot_ns = now_ns;
    if (!find_fault(probe, health)) {
        health->bad_probes = 0;
        health->bad_run = 0;
        health->listed_run = 0;
        health->next_probe_ns = now_ns + RBL_PROBE_EVERY_NS;
        health->state = RBL_HEALTH_IN;
        health->since_boot_ns = before == RBL_HEALTH_IN ? health->since_boot_ns : now_ns;
        return before != RBL_HEALTH_IN;
    }
    health->bad_probes++;
    health->next_probe_ns = now_ns + pause_after(health->bad_probes);
    if (before != RBL_HEALTH_OUT) {
        take_out(health, now_ns);
    }
    return before != RBL_HEALTH_OUT;
}

/* --- words ------------------------------------------------------------------------------------ */

const char *rbl_health_state_name(enum rbl_health_state state) {
    static const char *const names[] = {
        [RBL_HEALTH_NEW] = "new", [RBL_HEALTH_IN] = "in", [RBL_HEALTH_OUT] = "out"};
    return names[state];
}

const char *rbl_health_why_name(enum rbl_health_why why) {
    static const char *const names[] = {
        [RBL_WHY_NONE] = "",
        [RBL_WHY_ERROR_CODE] = "error-code",
        [RBL_WHY_FAILED] = "failed",
        [RBL_WHY_TIMED_OUT] = "timed-out",
        [RBL_WHY_LISTS_WORLD] = "lists-world",
        [RBL_WHY_EMPTY] = "empty",
    };
    return names[why];
}

static void explain_code(const struct rbl_health *health, struct text *out) {
    const char *meaning = dnsbl_error_text(health->code);
    text_add(out, STR("it answers "));
    for (size_t i = 0; i < 4; i++) {
        text_add(out, i > 0 ? STR(".") : STR(""));
        text_add_u64(out, health->code[i]);
    }
    text_add(out, STR(", which is no listing but an error"));
    if (meaning != NULL) {
        text_add(out, STR(": "));
        text_add(out, str_from(meaning));
    }
    /* Of 127.255.255.0/24 the last byte says which; other answers are of a resolver that lies. */
    switch (health->code[0] == 127 ? health->code[3] : 254) {
    case 254:
        text_add(out, STR(". Let dns.servers name a resolver of your own"));
        break;
    case 255:
        text_add(out, STR(". Ask its operator for a subscription, and set the key"));
        break;
    default:
        text_add(out, STR(". See its operator's pages; switch it off if it lasts"));
        break;
    }
}

/* No sentence has the word that lines about clients are found by. */
void rbl_health_explain(const struct rbl_health *health, struct text *out) {
    switch (health->why) {
    case RBL_WHY_NONE:
        text_add(out, STR("it answers as it should"));
        break;
    case RBL_WHY_ERROR_CODE:
        explain_code(health, out);
        break;
    case RBL_WHY_FAILED:
        text_add(out, STR("its name servers answer with errors. If it lasts, see whether the list "
                          "still exists, and switch it off"));
        break;
    case RBL_WHY_TIMED_OUT:
        text_add(out, STR("it does not answer in time. See whether DNS works: `seczim rbl check "
                          "127.0.0.2`; if the others answer, switch it off"));
        break;
    case RBL_WHY_LISTS_WORLD:
        text_add(out, STR("it names 127.0.0.1, which must never be, so it may name everybody. "
                          "Switch it off unless its operator says that it is mended"));
        break;
    case RBL_WHY_EMPTY:
        text_add(out, STR("it does not name its test entry 127.0.0.2: it is closed, its zone is "
                          "written wrongly, or it answers subscribers alone. Mend that, or switch "
                          "it off"));
        break;
    }
}
