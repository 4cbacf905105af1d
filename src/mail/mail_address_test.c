/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/mail_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing/test.h"

typedef void normalise(struct str address, struct text *out);

static const char *run(normalise *function, const char *address) {
    static char bytes[MAIL_ADDRESS_MAX + 1];
    struct text out = TEXT_OVER(bytes);
    function(str_from(address), &out);
    return text_zero(&out);
}

struct row {
    const char *from;
    const char *to;
};

/* Each row, and that normalising its result again changes nothing. */
static void expect_rows(normalise *function, const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        test_case(rows[i].from);
        assert_string_equal(run(function, rows[i].from), rows[i].to);
        assert_string_equal(run(function, rows[i].to), rows[i].to);
    }
}
#define EXPECT_ROWS(function, rows) expect_rows(function, rows, sizeof(rows) / sizeof(rows)[0])

TEST(mail_address_splits_at_the_last_at) {
    static const struct {
        const char *address;
        const char *local;
        const char *domain;
    } rows[] = {
        {"a@example.com", "a", "example.com"},
        {"root", "root", ""},
        {"", "", ""},
        {"\"a@b\"@example.com", "\"a@b\"", "example.com"},
        {"@example.com", "", "example.com"},
        {"a@", "a", ""},
        {"@", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str local;
        struct str domain;
        test_case(rows[i].address);
        mail_address_split(str_from(rows[i].address), &local, &domain);
        assert_true(str_equal(local, str_from(rows[i].local)));
        assert_true(str_equal(domain, str_from(rows[i].domain)));
    }
}

TEST(mail_address_that_postfix_may_route_elsewhere) {
    assert_true(mail_address_is_routed(STR("a%b.example@c.example")));
    assert_true(mail_address_is_routed(STR("b.example!a@c.example")));
    assert_true(mail_address_is_routed(STR("\"a@b.example\"@c.example")));
    assert_true(mail_address_is_routed(STR("a%b.example")));
    assert_false(mail_address_is_routed(STR("a@b.example")));
    assert_false(mail_address_is_routed(STR("a+b@c.example")));
    assert_false(mail_address_is_routed(STR("")));
}

TEST(mail_domain_becomes_lower_case_a_labels) {
    static const struct row rows[] = {
        {"Example.COM", "example.com"},
        {"example.com.", "example.com"},
        {"example.com...", "example.com"},
        {"", ""},
        {".", ""},
        {".example..com", ".example..com"},
        {"[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]"},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example"},
        {"B\xc3\x9c"
         "CHER.Example",
         "xn--bcher-kva.example"},
        {"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
        {"\xd0\xa0\xd0\x9e\xd0\xa1\xd0\xa1\xd0\x98\xd0\xaf.\xd0\xa0\xd0\xa4",
         "xn--h1alffa9f.xn--p1ai"},
        {"\xce\x95\xce\xbb\xce\xbb\xce\xac\xce\xb4\xce\xb1.gr", "xn--hxakic4aa.gr"},
        {"\xe3\x81\xbf\xe3\x82\x93\xe3\x81\x82", "xn--l8jtg9b"},
        {"stra\xc3\x9f"
         "e.example",
         "xn--strae-oqa.example"},
        /* Not UTF-8: the bytes stay, the letters become lower case. */
        {"B\xfc"
         "CHER.Example",
         "b\xfc"
         "cher.example"},
    };
    EXPECT_ROWS(mail_domain_normalise, rows);
}

TEST(mail_domain_label_without_room_for_its_a_label_stays) {
    char label[256] = "";
    char same[256];
    /* 57 letters and one that is not ASCII: 4 + 57 + 1 + 2 digits make more than 63 bytes. */
    memset(label, 'a', 57);
    memcpy(label + 57, "\xc3\xa4", 3);
    (void)snprintf(same, sizeof same, "%s", run(mail_domain_normalise, label));
    assert_string_equal(same, label);
    /* One letter fewer, and one fewer again: what fits is converted. */
    size_t converted = 0;
    for (size_t letters = 50; letters < 57; letters++) {
        memset(label, 'a', letters);
        memcpy(label + letters, "\xc3\xa4", 3);
        const char *result = run(mail_domain_normalise, label);
        assert_true(strlen(result) <= 63 || strcmp(result, label) == 0);
        converted += strncmp(result, "xn--", 4) == 0;
    }
    assert_true(converted >= 4);
    /* More characters than any label has. */
    for (size_t i = 0; i < 64; i++) {
        memcpy(label + 2 * i, "\xc3\xa4", 3);
    }
    assert_string_equal(run(mail_domain_normalise, label), label);
}

TEST(mail_domain_a_label_may_be_63_bytes_long) {
    char label[256];
    char expected[256];
    size_t longest = 0;
    for (size_t letters = 40; letters < 60; letters++) {
        memset(label, 'a', letters);
        memcpy(label + letters, "\xc3\xa4", 3);
        (void)snprintf(expected, sizeof expected, "%s", run(mail_domain_normalise, label));
        if (strncmp(expected, "xn--", 4) == 0) {
            longest = strlen(expected);
        }
    }
    assert_int_equal(longest, 63);
}

TEST(mail_address_for_lists) {
    static const struct row rows[] = {
        {"User+Tag@Example.COM.", "user+tag@example.com"},
        {"Root", "root"},
        {"", ""},
        {"\"John Doe\"@Example.com", "\"john doe\"@example.com"},
        {"USER@", "user@"},
        {"@B.example", "@b.example"},
        {"a@b@C.example", "a@b@c.example"},
        {"\xc3\x84rger@B\xc3\xbc"
         "cher.example",
         "\xc3\x84rger@xn--bcher-kva.example"},
    };
    EXPECT_ROWS(mail_address_normalise, rows);
}

/* Nobody escapes a domain's entry by a local part that pushes the domain out of the buffer. */
TEST(mail_address_of_any_length_keeps_its_domain) {
    static char address[2000];
    normalise *const functions[] = {mail_address_normalise, mail_sender_normalise_for_greylisting,
                                    mail_recipient_normalise_for_greylisting};
    memset(address, 'A', sizeof address);
    for (size_t local = 250; local < 1900; local += 50) {
        memset(address, 'A', sizeof address);
        memcpy(address + local, "@Blocked.example", 17);
        for (size_t i = 0; i < 3; i++) {
            const char *result = run(functions[i], address);
            const size_t kept = local < MAIL_LOCAL_PART_MAX ? local : MAIL_LOCAL_PART_MAX;
            assert_string_equal(result + kept, "@blocked.example");
            assert_int_equal(strspn(result, "a"), kept);
        }
    }
}

TEST(mail_sender_for_greylisting) {
    static const struct row rows[] = {
        /* Plain addresses and extensions. */
        {"User@Example.com", "user@example.com"},
        {"user+list@example.com", "user@example.com"},
        {"user+a+b@example.com", "user@example.com"},
        {"+user@example.com", "+user@example.com"},
        {"\"a+b\"@example.com", "\"a+b\"@example.com"},
        {"root+x", "root"},
        {"", ""},
        {"@", "@"},
        /* VERP. */
        {"bounce-1234-user=example.net@lists.example.org",
         "bounce-#-user=example.net@lists.example.org"},
        {"bounces-7@x.example", "bounces-#@x.example"},
        {"b=7@x.example", "b=#@x.example"},
        {"b-0@x.example", "b-#@x.example"},
        {"b-9@x.example", "b-#@x.example"},
        {"msg123@x.example", "msg#@x.example"},
        {"msg12@x.example", "msg12@x.example"},
        {"12@x.example", "12@x.example"},
        {"7-x@x.example", "7-x@x.example"},
        {"a1b22c333d4@x.example", "a#b#c#d#@x.example"},
        {"bounces+1234-abcd-user=example.net@em.example", "bounces@em.example"},
        {"v@mail123.example", "v@mail123.example"},
        /* SRS0, the three separators of libsrs2. */
        {"SRS0=HHHH=TT=orig.example=Alice@forward.example", "alice@orig.example"},
        {"SRS0+abC/=5x=orig.example=alice@forward.example", "alice@orig.example"},
        {"SRS0=HHHH=AZ=orig.example=alice@forward.example", "alice@orig.example"},
        {"SRS0=HHHH=27=orig.example=alice@forward.example", "alice@orig.example"},
        {"SRS0-HHHH=TT=orig.example=alice@forward.example", "alice@orig.example"},
        {"srs0=hhhh=tt=Orig.Example=alice+tag@forward.example", "alice@orig.example"},
        {"SRS0=HHHH=TT=orig.example=a=b@forward.example", "a=b@orig.example"},
        {"SRS0=HHHH=TT=orig.example=alice", "alice@orig.example"},
        /* SRS1, the second hop. */
        {"SRS1=GGGG=hop.example==HHHH=TT=orig.example=alice@last.example", "alice@orig.example"},
        {"SRS1=GGGG=hop.example=+HHHH=TT=orig.example=alice@last.example", "alice@orig.example"},
        {"SRS1+GGGG=hop.example=-HHHH=TT=orig.example=alice@last.example", "alice@orig.example"},
        /* What cannot be undone loses what changes. */
        {"SRS0=HHHH=TT=opaque@forward.example", "srs0=opaque@forward.example"},
        {"SRS0+HHHH=T2=opaque+x@forward.example", "srs0=opaque@forward.example"},
        {"SRS0=HHHH=TT==alice@forward.example", "srs0==alice@forward.example"},
        {"SRS0=HHHH=TT=orig.example=@forward.example", "srs0=orig.example=@forward.example"},
        {"SRS0=HHHH=TT=d@e=l@forward.example", "srs0=d@e=l@forward.example"},
        {"SRS0=HHHH=TT=@forward.example", "srs0=@forward.example"},
        {"SRS1=GGGG=hop.example=HHHH=opaque@last.example", "srs1=opaque@last.example"},
        {"SRS1=GGGG=@last.example", "srs1=@last.example"},
        {"SRS1=GGGG=hop.example=@last.example", "srs1=@last.example"},
        {"SRS1=GGGG=hop.example==HHHH=T1=orig.example=alice@last.example",
         "srs1==hhhh=t1=orig.example=alice@last.example"},
        {"SRS0=HHHH=TT=+x@forward.example", "srs0=@forward.example"},
        /* What only looks like SRS. */
        {"SRS0=HHHH@forward.example", "srs0=hhhh@forward.example"},
        {"SRS0=HHHH=T@forward.example", "srs0=hhhh=t@forward.example"},
        {"SRS0=HHHH=TTT=d=l@forward.example", "srs0=hhhh=ttt=d=l@forward.example"},
        {"SRS0=HHHH=T9=d=l@forward.example", "srs0=hhhh=t9=d=l@forward.example"},
        {"SRS0=HHHH={T=d=l@forward.example", "srs0=hhhh={t=d=l@forward.example"},
        {"SRS0=HHHH=[T=d=l@forward.example", "srs0=hhhh=[t=d=l@forward.example"},
        {"SRS0==TT=d=l@forward.example", "srs0==tt=d=l@forward.example"},
        {"SRS0@forward.example", "srs0@forward.example"},
        {"SRS0.x=y@forward.example", "srs0.x=y@forward.example"},
        {"SRS2=HHHH=TT=d=l@forward.example", "srs2=hhhh=tt=d=l@forward.example"},
        {"SRS1=@forward.example", "srs1=@forward.example"},
        /* BATV. */
        {"prvs=0123abcdef=alice@example.com", "alice@example.com"},
        {"PRVS=43816cc28=Alice@example.com", "alice@example.com"},
        {"prvs=0123abcdef=alice+x@example.com", "alice@example.com"},
        {"prvs=0123abc=alice@example.com", "prvs=#abc=alice@example.com"},
        {"prvs=aabbccddeeff=alice@example.com", "alice@example.com"},
        {"prvs=abcdabcd=alice@example.com", "alice@example.com"},
        {"prvs=aabbccddeeffa=alice@example.com", "prvs=aabbccddeeffa=alice@example.com"},
        {"prvs=ghijklmnop=alice@example.com", "prvs=ghijklmnop=alice@example.com"},
        {"prvs=abcde*abcd=alice@example.com", "prvs=abcde*abcd=alice@example.com"},
        {"prvs=abcdeabcde=@example.com", "prvs=abcdeabcde=@example.com"},
        {"prvs=abcdeabcde@example.com", "prvs=abcdeabcde@example.com"},
        {"prvs=@example.com", "prvs=@example.com"},
        /* One in the other. */
        {"prvs=0123abcdef=SRS0=HHHH=TT=orig.example=bounce-77@forward.example",
         "bounce-#@orig.example"},
        {"SRS0=HHHH=TT=orig.example=prvs=0123abcdef=alice@forward.example", "alice@orig.example"},
        {"SRS0=HHHH=TT=opaque-12@forward.example", "srs0=opaque-#@forward.example"},
        /* SRS1 that lacks the first host, or what parts it from the hash; a hash of one letter. */
        {"SRS1=HASH==HHH=TT=orig.example=al@forward.example",
         "srs1==hhh=tt=orig.example=al@forward.example"},
        {"SRS1=HASH=host=HHH=TT=orig.example=al@forward.example", "srs1=al@forward.example"},
        {"SRS1=HASH=host==H=TT=orig.example=al@forward.example", "al@orig.example"},
        /* Nothing behind the separator. */
        {"SRS0+@forward.example", "srs0=@forward.example"},
        {"SRS0@forward.example", "srs0@forward.example"},
        /* Digits from the first byte on. */
        {"123@example.com", "#@example.com"},
        {"12@example.com", "12@example.com"},
        {"=5a@example.com", "=#a@example.com"},
        {"5a@example.com", "5a@example.com"},
    };
    EXPECT_ROWS(mail_sender_normalise_for_greylisting, rows);
}

TEST(mail_recipient_for_greylisting) {
    static const struct row rows[] = {
        {"User+Tag@Example.com", "user@example.com"},
        {"user123@example.com", "user123@example.com"},
        {"SRS0=HHHH=TT=orig.example=bounce-77@example.com", "bounce-77@orig.example"},
        {"prvs=0123abcdef=alice@example.com", "alice@example.com"},
        {"prvs=0123abcdef=prvs=0123abcdef=prvs=0123abcdef=alice@example.com", "alice@example.com"},
        {"prvs=x123abcdef=alice@example.com", "prvs=x123abcdef=alice@example.com"},
        {"postmaster", "postmaster"},
    };
    EXPECT_ROWS(mail_recipient_normalise_for_greylisting, rows);
}

/* A mailing list's next issue, and tomorrow's SRS and BATV tags, are the same sender. */
TEST(mail_sender_is_the_same_tomorrow) {
    static const char *const pairs[][2] = {
        {"bounce-1001-bob=example.net@lists.example", "bounce-1002-bob=example.net@lists.example"},
        {"SRS0=a1B2=XY=orig.example=alice@f.example", "SRS0=zzzz=XZ=orig.example=alice@f.example"},
        {"SRS0=a1B2=XY=orig.example=alice@f.example", "alice@orig.example"},
        {"prvs=1234aabbcc=alice@example.com", "prvs=1235ddeeff=alice@example.com"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char first[MAIL_ADDRESS_MAX + 1];
        test_case(pairs[i][0]);
        (void)snprintf(first, sizeof first, "%s",
                       run(mail_sender_normalise_for_greylisting, pairs[i][0]));
        assert_string_equal(run(mail_sender_normalise_for_greylisting, pairs[i][1]), first);
    }
}

/* Random addresses of the pieces above: all four are fixed points and keep their bounds. */
TEST(mail_address_normalised_twice_is_normalised_once) {
    static const char *const pieces[] = {
        "srs0", "SRS1", "prvs", "=",     "==", "+", "-",        "@",    "a",         "TT", "23",
        "7",    "HHHH", "0123", "abcde", "\"", ".", "\xc3\xa4", "\xff", "d.example", "Z"};
    normalise *const functions[] = {mail_domain_normalise, mail_address_normalise,
                                    mail_sender_normalise_for_greylisting,
                                    mail_recipient_normalise_for_greylisting};
    uint64_t seed = 3;
    for (unsigned round = 0; round < 60000; round++) {
        char address[256] = "";
        char once[MAIL_ADDRESS_MAX + 1];
        for (unsigned i = 0; i < 3 + round % 14; i++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            (void)strcat(address, pieces[(seed >> 33) % (sizeof pieces / sizeof pieces[0])]);
        }
        test_case(address);
        normalise *const function = functions[round % 4];
        (void)snprintf(once, sizeof once, "%s", run(function, address));
        assert_string_equal(run(function, once), once);
    }
}

TEST(mail_address_internationalised_examples) {
    char path[4200];
    char line[512];
    size_t seen = 0;
    const char *data = test_data();
    if (data == NULL) {
        skip();
    }
    (void)snprintf(path, sizeof path, "%s/syntax/eai.tsv", data);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        skip();
    }
    while (fgets(line, sizeof line, file) != NULL) {
        char *tab = strchr(line, '\t');
        assert_non_null(tab);
        *tab = '\0';
        /* The domain of each valid address becomes ASCII. */
        if (tab[1] == '1') {
            const char *at = strrchr(run(mail_address_normalise, line), '@');
            test_case(line);
            assert_non_null(at);
            for (const char *c = at; *c != '\0'; c++) {
                assert_true((unsigned char)*c < 0x80 && !(*c >= 'A' && *c <= 'Z'));
            }
            seen++;
        }
    }
    (void)fclose(file);
    assert_int_equal(seen, 14);
}

TEST(mail_sender_is_not_read_past_its_end) {
    char room[64];
    struct text out = TEXT_OVER(room);
    mail_sender_normalise_for_greylisting((struct str){"SRS0=", 4}, &out);
    assert_string_equal(text_zero(&out), "srs0");
    /* The bytes alone, for the sanitizer. */
    char *copy = malloc(4);
    assert_non_null(copy);
    memcpy(copy, "a-12", 4);
    out = TEXT_OVER(room);
    mail_sender_normalise_for_greylisting((struct str){copy, 4}, &out);
    assert_string_equal(text_zero(&out), "a-#");
    free(copy);
}
