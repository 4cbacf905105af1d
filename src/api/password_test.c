/* SPDX-License-Identifier: Apache-2.0 */
#include "api/password.h"

#include <pthread.h>
#include <string.h>

#include "api/api_fixture.h"

TEST(a_password_is_12_to_128_characters_that_others_do_not_try_first) {
    char longest[129];
    char too_long[130];
    for (int i = 0; i < 129; i++) {
        too_long[i] = (char)('a' + i % 26);
    }
    too_long[129] = '\0';
    memcpy(longest, too_long, 128);
    longest[128] = '\0';
    const struct {
        const char *label;
        const char *password;
        const char *word; /* of the sentence; NULL: taken */
    } rows[] = {
        {"12", "kq7 zub mel!", NULL},
        {"11", "kq7 zub mel", "too short"},
        {"empty", "", "too short"},
        {"128", longest, NULL},
        {"129", too_long, "too long"},
        {"12 characters of more bytes", "größe über ä", NULL},
        {"11 characters of 22 bytes", "äöüßäöüßäöü", "too short"},
        {"common", "password1234", "tried first"},
        {"common in capitals", "PassWord1234", "tried first"},
        {"the example everybody knows", "correct horse battery staple", "tried first"},
        {"one letter", "aaaaaaaaaaaaaaa", "tried first"},
        {"four letters", "abcdabcdabcdabcd", "tried first"},
        {"five letters", "abcdeabcdeabcde", NULL},
        {"the name twice", "annabell.leeannabell.lee", "user's name"},
        {"the name in capitals and digits", "ANNABELL.LEE2026", "user's name"},
        {"the name and eight more", "annabell.lee horse42", NULL},
        {"a newline", "kq7 zub mel!\n", "control characters"},
        {"not UTF-8", "kq7 zub mel!\xff", "control characters"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        const char *problem = password_problem(str_from(rows[i].password), STR("annabell.lee"));
        if (rows[i].word == NULL) {
            assert_null(problem);
        } else {
            assert_non_null(problem);
            assert_non_null(strstr(problem, rows[i].word));
        }
    }
}

TEST(a_hash_is_argon2id_with_its_cost_and_fits_its_password_alone) {
    struct password_hasher *hasher = test_hasher();
    char hash[PASSWORD_HASH_MAX];
    char other[PASSWORD_HASH_MAX];
    assert_int_equal(password_hash(hasher, STR("kq7 zub mel!"), hash), 0);
    assert_int_equal(password_hash(hasher, STR("kq7 zub mel!"), other), 0);
    assert_int_equal(strncmp(hash, "$argon2id$v=19$m=8,t=1,p=1$", 27), 0);
    assert_string_not_equal(hash, other);
    assert_true(password_verify(hasher, hash, STR("kq7 zub mel!"), NULL));
    assert_false(password_verify(hasher, hash, STR("kq7 zub mel"), NULL));
    assert_false(password_verify(hasher, hash, STR("kq7 zub mel!!"), NULL));
    assert_false(password_verify(hasher, hash, STR(""), NULL));
    password_hasher_free(hasher);
}

TEST(nobody_has_no_password) {
    struct password_hasher *hasher = test_hasher();
    bool renew = true;
    assert_false(password_verify(hasher, NULL, STR("of nobody at all"), &renew));
    assert_false(renew);
    assert_false(password_verify(hasher, NULL, STR(""), NULL));
    assert_false(password_verify(hasher, "", STR(""), NULL));
    assert_false(password_verify(hasher, "plain text", STR("plain text"), NULL));
    password_hasher_free(hasher);
}

TEST(a_password_longer_than_any_that_is_taken_is_never_right) {
    struct password_hasher *hasher = test_hasher();
    char hash[PASSWORD_HASH_MAX];
    char longer[PASSWORD_BYTES_MAX + 1];
    (void)memset(longer, 'x', sizeof longer);
    assert_int_equal(password_hash(hasher, (struct str){longer, sizeof longer}, hash), 0);
    assert_false(password_verify(hasher, hash, (struct str){longer, sizeof longer}, NULL));
    password_hasher_free(hasher);
}

TEST(a_hash_of_another_cost_is_to_be_renewed_once_it_was_right) {
    struct password_hasher *hasher = test_hasher();
    struct password_hasher *dearer =
        password_hasher_new((struct password_cost){.passes = 2, .memory_bytes = 16384});
    char hash[PASSWORD_HASH_MAX];
    bool renew = true;
    assert_int_equal(password_hash(hasher, STR("kq7 zub mel!"), hash), 0);
    assert_true(password_verify(hasher, hash, STR("kq7 zub mel!"), &renew));
    assert_false(renew);
    assert_true(password_verify(dearer, hash, STR("kq7 zub mel!"), &renew));
    assert_true(renew);
    assert_false(password_verify(dearer, hash, STR("wrong"), &renew));
    assert_false(renew);
    password_hasher_free(hasher);
    password_hasher_free(dearer);
}

TEST(the_cost_of_the_service_is_what_owasp_asks_for_at_least) {
    struct password_hasher *hasher = password_hasher_new(PASSWORD_COST);
    char hash[PASSWORD_HASH_MAX];
    assert_non_null(hasher);
    assert_int_equal(password_hash(hasher, STR("kq7 zub mel!"), hash), 0);
    assert_int_equal(strncmp(hash, "$argon2id$v=19$m=65536,t=3,p=1$", 31), 0);
    password_hasher_free(hasher);
}

TEST(one_time_passwords_are_taken_as_passwords_and_differ) {
    char first[PASSWORD_ONE_TIME_MAX];
    char second[PASSWORD_ONE_TIME_MAX];
    password_one_time(first);
    password_one_time(second);
    assert_string_not_equal(first, second);
    assert_int_equal(strlen(first), PASSWORD_ONE_TIME_MAX - 1);
    assert_null(password_problem(str_from(first), STR("admin")));
    assert_true(first[5] == '-' && first[11] == '-' && first[17] == '-');
    assert_null(strpbrk(first, "01oil"));
}

static void *hash_one(void *context) {
    char hash[PASSWORD_HASH_MAX];
    return password_hash(context, STR("kq7 zub mel!"), hash) == 0 ? NULL : context;
}

TEST(threads_take_turns_and_nobody_is_left_waiting) {
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    struct password_hasher *hasher = test_hasher();
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hash_one, hasher), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_false(password_crowded(hasher));
    password_hasher_free(hasher);
}
