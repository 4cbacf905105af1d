/* SPDX-License-Identifier: Apache-2.0 */
#include "store/list_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/durable_file.h"
#include "testing/test.h"

#include <fcntl.h>
#include <unistd.h>

/* What an import gave, as text: an entry is "pattern,type,direction,require,comment,expires\n", a
 * problem is "line 3: sentence\n". */
struct outcome {
    char entry_bytes[8192];
    char problem_bytes[8192];
    struct text entries;
    struct text problems;
    size_t entry_count;
    size_t problem_count;
    size_t stop_after; /* 0: never */
    uint64_t lines;
};

static bool take_entry(void *context, const struct config_list_entry *entry) {
    struct outcome *outcome = context;
    list_entry_format_csv(entry, &outcome->entries);
    outcome->entry_count++;
    return outcome->entry_count != outcome->stop_after;
}

static void take_problem(void *context, uint64_t line, struct str text, struct str problem) {
    struct outcome *outcome = context;
    (void)text;
    text_add(&outcome->problems, STR("line "));
    text_add_u64(&outcome->problems, line);
    text_add(&outcome->problems, STR(": "));
    text_add(&outcome->problems, problem);
    text_add(&outcome->problems, STR("\n"));
    outcome->problem_count++;
}

static struct outcome outcome;

static void import(enum list_import_format format, enum list_id list, struct str input) {
    const size_t stop_after = outcome.stop_after;
    memset(&outcome, 0, sizeof outcome);
    outcome.stop_after = stop_after;
    outcome.entries = TEXT_OVER(outcome.entry_bytes);
    outcome.problems = TEXT_OVER(outcome.problem_bytes);
    const struct list_import run = {
        .format = format,
        .list = list,
        .now_s = 1700000000,
        .context = &outcome,
        .entry = take_entry,
        .problem = take_problem,
    };
    outcome.lines = list_import(&run, input);
    outcome.stop_after = 0;
}

#define assert_entries(expected) assert_string_equal(text_zero(&outcome.entries), expected)
#define assert_problem(part)     assert_non_null(strstr(text_zero(&outcome.problems), part))

TEST(list_import_reads_csv_with_and_without_a_header) {
    import(
        LIST_IMPORT_CSV, LIST_ALLOW,
        STR("# our partners\n"
            "a@example.com\r\n"
            "\n"
            "*@example.org,email,both,fcrdns,\"says \"\"hello\"\", friend\",2030-01-01T00:00:00Z\n"
            " 192.0.2.0/24 , ip \n"));
    assert_entries("a@example.com,email,inbound,,,\n"
                   "*@example.org,email,both,fcrdns,\"says \"\"hello\"\", friend\","
                   "2030-01-01T00:00:00.000Z\n"
                   "192.0.2.0/24,ip,inbound,,,\n");
    assert_int_equal(outcome.problem_count, 0);
    assert_int_equal(outcome.lines, 5);

    import(LIST_IMPORT_CSV, LIST_BLOCK,
           STR("\xef\xbb\xbf"
               "Comment,id,PATTERN\nspam,17,bad.example\n"));
    assert_entries("bad.example,domain,inbound,,spam,\n");
    assert_int_equal(outcome.problem_count, 0);
}

TEST(list_import_reports_bad_lines_and_takes_the_others) {
    import(LIST_IMPORT_CSV, LIST_ALLOW,
           STR("good@example.com\n"
               "10.0.0.1/8\n"
               "\"open\n"
               "a@b.example,mail\n"
               "a@b.example,recipient\n"
               "a@b.example,email,sideways\n"
               "a@b.example,email,both,spf\n"
               "a@b.example,email,both,luck\n"
               "a@b.example,email,both,,,tomorrow\n"
               "a@b.example,email,both,,,2001-01-01T00:00:00Z\n"
               "a@b.example,email,both,,bad \xff bytes\n"
               "a@b.example,email,both,,,,,surplus\n"
               ",email\n"
               "last@example.com"));
    assert_entries("good@example.com,email,inbound,,,\n"
                   "a@b.example,email,both,spf,,\n"
                   "last@example.com,email,inbound,,,\n");
    assert_int_equal(outcome.problem_count, 11);
    assert_problem("line 2: ");
    assert_problem("10.0.0.0/8");
    assert_problem("line 3: The quotes");
    assert_problem("line 4: \"mail\" is no type");
    assert_problem("line 5: \"recipient\" is a type of greylist_exempt alone");
    assert_problem("line 6: \"sideways\" is no direction");
    assert_problem("line 8: \"luck\" is no proof");
    assert_problem("line 9: \"tomorrow\" is no time");
    assert_problem("line 10: \"2001-01-01T00:00:00Z\" is over already");
    assert_problem("line 11: \"bad \\xff bytes\" is not UTF-8");
    assert_problem("line 12: \"surplus\" is one field too many");
    assert_problem("line 13: The pattern is missing.");
}

TEST(list_import_refuses_long_lines_and_nul) {
    static char input[LIST_LINE_MAX + 64];
    memset(input, 'a', LIST_LINE_MAX + 1);
    (void)snprintf(input + LIST_LINE_MAX + 1, 32, "\nb@example.com\nx");
    const size_t used = strlen(input);
    input[used] = '\0';
    import(LIST_IMPORT_CSV, LIST_ALLOW, (struct str){input, used + 1});
    assert_entries("b@example.com,email,inbound,,,\n");
    assert_problem("line 1: The line is longer than 4096 bytes.");
    assert_problem("line 3: The line holds a NUL byte");
}

TEST(list_import_stops_when_asked) {
    outcome.stop_after = 2;
    import(LIST_IMPORT_CSV, LIST_ALLOW, STR("a@a.example\nb@b.example\nc@c.example\n"));
    assert_int_equal(outcome.entry_count, 2);
}

TEST(list_import_reads_json_lines) {
    import(LIST_IMPORT_JSON, LIST_GREYLIST_EXEMPT,
           STR("{\"pattern\":\"mail.example.com\",\"type\":\"client\",\"comment\":\"\xc3\xbc\"}\n"
               "{\"pattern\":\"postmaster@*\",\"type\":\"recipient\",\"expires\":null}\n"
               "[1]\n"
               "{\"pattern\":\"a@b.example\",\"colour\":\"red\"}\n"
               "{\"pattern\":3}\n"
               "{\"pattern\"\n"
               "{\"type\":\"ip\"}\n"));
    assert_entries("mail.example.com,client,inbound,,\xc3\xbc,\n"
                   "postmaster@*,recipient,inbound,,,\n");
    assert_int_equal(outcome.problem_count, 5);
    assert_problem("line 3: Each line must be one JSON object.");
    assert_problem("line 4: \"colour\" is no member of an entry");
    assert_problem("line 5: \"pattern\" must be a string.");
    assert_problem("line 6: ");
    assert_problem("line 7: The pattern is missing.");
}

/* What is exported and imported again says the same. */
TEST(list_entries_survive_export_and_import) {
    const struct str input =
        STR("\"quoted, \"\"x\"\"\"@example.com,email,outbound,fcrdns,\"a, \"\"b\"\" #c\","
            "2030-01-01T00:00:00Z\n"
            "*.example.org\n2001:db8::/32,ip,both\n<>,email\n");
    import(LIST_IMPORT_CSV, LIST_ALLOW, input);
    char first[4096];
    (void)snprintf(first, sizeof first, "%s", text_zero(&outcome.entries));
    const size_t count = outcome.entry_count;
    assert_true(count >= 3);
    import(LIST_IMPORT_CSV, LIST_ALLOW, str_from(first));
    assert_entries(first);
    assert_int_equal(outcome.problem_count, 0);
}

static char json_bytes[8192];
static struct text json_lines;

static bool take_json(void *context, const struct config_list_entry *entry) {
    (void)context;
    list_entry_format_json(entry, &json_lines);
    return true;
}

TEST(list_entries_survive_json_too) {
    json_lines = TEXT_OVER(json_bytes);
    const struct list_import run = {.format = LIST_IMPORT_CSV,
                                    .list = LIST_BLOCK,
                                    .now_s = 1700000000,
                                    .entry = take_json,
                                    .problem = take_problem};
    (void)list_import(&run,
                      STR("*@example.com,email,both,fcrdns,\"a \"\"b\"\"\",2030-01-01T00:00:00Z\n"
                          "192.0.2.1\n"));
    import(LIST_IMPORT_JSON, LIST_BLOCK, text_str(&json_lines));
    assert_entries("*@example.com,email,both,fcrdns,\"a \"\"b\"\"\",2030-01-01T00:00:00.000Z\n"
                   "192.0.2.1,ip,inbound,,,\n");
}

TEST(list_import_reads_postfix_access_tables) {
    static const char table[] = "# access(5)\n"
                                "friend@example.com   OK\n"
                                "example.org          OK\n"
                                ".example.net         OK\n"
                                "postmaster@          OK\n"
                                "192.0.2              OK\n"
                                "192.0.2.17           1234\n"
                                "2001:db8             OK\n"
                                "10.0.0.0/8           OK  our own\n"
                                "<>                   OK\n"
                                "bad.example          REJECT  sends spam\n"
                                "worse.example        550 5.7.1 no\n"
                                "slow.example         DEFER_IF_PERMIT later\n"
                                "held.example         HOLD\n"
                                "nothing.example\n"
                                "   continued text\n";
    import(LIST_IMPORT_POSTFIX, LIST_ALLOW, STR(table));
    assert_entries("friend@example.com,email,inbound,,,\n"
                   "*.example.org,domain,inbound,,,\n"
                   "example.org,domain,inbound,,,\n"
                   "*.example.net,domain,inbound,,,\n"
                   "postmaster@*,email,inbound,,,\n"
                   "192.0.2.0/24,ip,inbound,,,\n"
                   "192.0.2.17,ip,inbound,,,\n"
                   "2001:db8::/32,ip,inbound,,,\n"
                   "10.0.0.0/8,ip,inbound,,our own,\n"
                   "<>,email,inbound,,,\n");
    assert_int_equal(outcome.problem_count, 6);
    assert_problem("line 11: \"REJECT\" refuses: import it into the block list.");
    assert_problem("line 12: \"550\" refuses");
    assert_problem("line 13: \"DEFER_IF_PERMIT\" refuses");
    assert_problem("line 14: \"HOLD\" is an action that lists do not have");
    assert_problem("line 15: The line has no action");
    assert_problem("line 16: A line that begins with a blank");

    import(LIST_IMPORT_POSTFIX, LIST_BLOCK, STR(table));
    assert_entries("*.bad.example,domain,inbound,,sends spam,\n"
                   "bad.example,domain,inbound,,sends spam,\n"
                   "*.worse.example,domain,inbound,,5.7.1 no,\n"
                   "worse.example,domain,inbound,,5.7.1 no,\n"
                   "*.slow.example,domain,inbound,,later,\n"
                   "slow.example,domain,inbound,,later,\n");
    assert_problem("line 2: \"OK\" allows: import it into the allow list.");
    assert_problem("line 7: \"1234\" allows");
}

/* To Postfix it says "as if the line were not there": nobody may pass every check by that. */
TEST(list_import_of_postfix_takes_no_dunno_for_an_allowed_sender) {
    for (unsigned i = 0; i < 2; i++) {
        import(LIST_IMPORT_POSTFIX, i == 0 ? LIST_ALLOW : LIST_BLOCK,
               STR("partner.example dunno  not in this table\n"));
        assert_entries("");
        assert_int_equal(outcome.problem_count, 1);
        assert_problem("line 1: \"dunno\" decides nothing: the next restriction does. Leave the "
                       "line out, or write OK");
    }
}

TEST(list_import_reads_postgrey_clients) {
    import(LIST_IMPORT_POSTGREY, LIST_GREYLIST_EXEMPT,
           STR("# comment\n"
               "example.com   # a comment behind\n"
               "195.235.39\n"
               "66.216.126.174\n"
               "51.4.80.0/27\n"
               "2a01:4180:4051:0800::/64\n"
               "postmaster@\n"
               "/^mail[12]\\.pi\\.example$/\n"
               "/\\.google\\.example$/\n"
               "/(^|\\.)both\\.example$/\n"
               "/^.*\\.below\\.example$/\n"));
    assert_entries("example.com,client,inbound,,from postgrey,\n"
                   "*.example.com,client,inbound,,from postgrey,\n"
                   "195.235.39.0/24,ip,inbound,,from postgrey,\n"
                   "66.216.126.174,ip,inbound,,from postgrey,\n"
                   "51.4.80.0/27,ip,inbound,,from postgrey,\n"
                   "2a01:4180:4051:800::/64,ip,inbound,,from postgrey,\n"
                   "postmaster@*,recipient,inbound,,from postgrey,\n"
                   "mail1.pi.example,client,inbound,,from postgrey,\n"
                   "mail2.pi.example,client,inbound,,from postgrey,\n"
                   "*.google.example,client,inbound,,from postgrey,\n"
                   "both.example,client,inbound,,from postgrey,\n"
                   "*.both.example,client,inbound,,from postgrey,\n"
                   "*.below.example,client,inbound,,from postgrey,\n");
    assert_int_equal(outcome.problem_count, 0);
}

TEST(list_import_expands_classes_of_expressions) {
    import(LIST_IMPORT_POSTGREY, LIST_GREYLIST_EXEMPT, STR("/^[a-c]\\d\\.x\\.example$/\n"));
    assert_int_equal(outcome.entry_count, 30);
    assert_non_null(strstr(text_zero(&outcome.entries), "b7.x.example,client"));
    assert_non_null(strstr(text_zero(&outcome.entries), "a0.x.example,client"));
    assert_non_null(strstr(text_zero(&outcome.entries), "c9.x.example,client"));
}

/* Entries must never say more than the expression does, nor less. */
TEST(list_import_refuses_expressions_that_entries_cannot_say) {
    static const char *const rows[] = {
        "/^mail\\d+\\.x\\.example$/", "/example\\.com$/",
        "/^example\\.com/",           "/^odk.fdv.uni.example$/",
        "/^p?smtp\\.x\\.example$/",   "/^(a|b)\\.x\\.example$/",
        "/^.*?\\.x\\.example$/",      "/^[^a]\\.x\\.example$/",
        "/^[]\\.x\\.example$/",       "/^[c-a]\\.x\\.example$/",
        "/^\\d\\d\\.x\\.example$/",   "/^a\\wb\\.x\\.example$/",
        "/^[a-z\\.x\\.example$/",     "/^$/",
        "/^a{2}\\.x\\.example$/",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i]);
        import(LIST_IMPORT_POSTGREY, LIST_GREYLIST_EXEMPT, str_from(rows[i]));
        assert_int_equal(outcome.entry_count, 0);
        assert_int_equal(outcome.problem_count, 1);
        assert_problem("line 1: A regular expression that entries cannot say exactly");
    }
}

TEST(list_import_takes_the_real_postgrey_lists) {
    char path[4200];
    char *bytes;
    size_t length;
    if (test_data() == NULL) {
        skip();
    }
    (void)snprintf(path, sizeof path, "%s/lists/postgrey", test_data());
    const int folder = open(path, O_RDONLY | O_DIRECTORY);
    if (folder < 0) {
        skip();
    }
    assert_int_equal(durable_file_load(folder, "whitelist_clients", 1 << 20, &bytes, &length), 0);
    import(LIST_IMPORT_POSTGREY, LIST_GREYLIST_EXEMPT, (struct str){bytes, length});
    free(bytes);
    (void)close(folder);
    /* 164 lines: 34 expressions, of which two are a choice of two names; the rest are names and
     * addresses. */
    assert_true(outcome.entry_count > 130);
    assert_true(outcome.problem_count <= 34);
    assert_null(strstr(text_zero(&outcome.problems), "\" is not"));
}

TEST(list_import_formats_have_names) {
    enum list_import_format format = LIST_IMPORT_CSV;
    assert_true(list_import_format_parse(STR("postgrey"), &format));
    assert_int_equal(format, LIST_IMPORT_POSTGREY);
    assert_false(list_import_format_parse(STR("xml"), &format));
    assert_false(list_import_format_parse(STR(""), &format));
}
