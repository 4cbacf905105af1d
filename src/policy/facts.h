/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/dnsbl.h"
#include "mail/spf.h"

/* What a decision needs to know from outside. decide() says which of them it wants; the daemon
 * fetches them (daemon/fetch.h) and decides again. A record keeps those that are known. */

enum fact_id {
    FACT_SPF = 0, /* DNS */
    FACT_RBL,     /* DNS */
    FACT_GEO,     /* a file in memory: fetched before the first decision when geo is enabled */
    FACTS
};
enum fact_status {
    FACT_UNASKED = 0, /* Nobody needed it yet. */
    FACT_WANTED,      /* decide needs it: fetch it and run again. */
    FACT_KNOWN,
    FACT_UNAVAILABLE, /* Could not be had before the deadline, or no fetcher: on_error decides. */
};

/* In the place of a country where there is a database, but none of countries. */
#define GEO_NO_DATABASE "--"

/* What one list said of the client address. */
struct rbl_answer {
    uint8_t list;          /* number: dnsbl.h */
    uint8_t status;        /* enum dnsbl_status */
    unsigned char code[4]; /* 127.0.0.2; zeros: none */
};

/* Only what belongs to a KNOWN fact is set; the rest is left as it was. */
struct facts {
    enum fact_status status[FACTS];
    /* Bit per fact_id: KNOWN without having been asked for, because it was at hand. decide() makes
     * the same of it as if it had been asked for, and leaves none. */
    uint32_t at_hand;

    /* FACT_SPF. Deadline missed: KNOWN with SPF_TEMPERROR. */
    uint8_t spf_result;      /* enum spf_result of MAIL FROM (of HELO for the null sender) */
    uint8_t spf_helo_result; /* enum spf_result of the HELO name */
    uint16_t spf_domain_length;
    uint16_t spf_mechanism_length;
    uint16_t spf_problem_length; /* of permerror and temperror; else the explanation of a fail */
    char spf_domain[256];        /* that was checked, lower case; when it passed it is authorised */
    char spf_mechanism[SPF_MECHANISM_MAX];
    char spf_problem[SPF_EXPLANATION_MAX];

    /* FACT_RBL: an answer for each list that is asked about the client (rbl_asks()), by number,
     * ascending. */
    uint8_t rbl_count;
    struct rbl_answer rbl[DNSBL_LISTS_MAX];

    /* FACT_GEO: some database is there; without any it is UNAVAILABLE. */
    char geo_country[2]; /* upper case; zeros: not in the database; GEO_NO_DATABASE */
    uint32_t geo_asn;    /* 0: unknown */
};
