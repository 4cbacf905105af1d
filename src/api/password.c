/* SPDX-License-Identifier: Apache-2.0 */
#include "api/password.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/utf8.h"

_Static_assert(PASSWORD_HASH_MAX >= crypto_pwhash_STRBYTES, "room for what libsodium writes");

enum { DIFFERENT_BYTES_MIN = 5, BESIDE_NAME_MIN = 8 };

/* Those of the usual lists that are long enough to be taken otherwise. Lower case. */
static const char *const common[] = {
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456789123",
    "123456789012345",
    "1234567890123456",
    "123456123456",
    "123123123123",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "1qaz2wsx3edc4rfv",
    "abcdefghijkl",
    "abcdefghijklm",
    "abcd12345678",
    "administrator",
    "administrator1",
    "adminadminadmin",
    "changemechangeme",
    "changeme12345",
    "correct horse battery staple",
    "correcthorsebatterystaple",
    "iloveyouiloveyou",
    "iloveyou1234",
    "letmeinletmein",
    "letmein12345",
    "password1234",
    "password12345",
    "password123456",
    "password12345678",
    "passwordpassword",
    "password1password",
    "p@ssw0rd1234",
    "passw0rd1234",
    "qazwsxedcrfv",
    "qwerty123456",
    "qwerty1234567",
    "qwertyqwerty",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiopas",
    "qwertyuiop[]",
    "qwertyuiopasdf",
    "qwertyuiopasdfghjkl",
    "asdfghjkl123",
    "zxcvbnm12345",
    "welcome12345",
    "welcomewelcome",
    "football1234",
    "postmaster123",
    "mailserver123",
    "zimbrazimbra",
    "zimbra123456",
    "seczimseczim",
    "seczim123456",
    "seczimpassword",
};

/* --- which are taken --- */

/* Characters of valid UTF-8 without control characters, else SIZE_MAX. */
static size_t count_characters(struct str text) {
    size_t count = 0;
    for (size_t i = 0; i < text.length; count++) {
        uint32_t point = 0;
        const size_t length = utf8_decode(str_slice(text, i, text.length), &point);
        if (length == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0)) {
            return SIZE_MAX;
        }
        i += length;
    }
    return count;
}

static size_t count_different_bytes(struct str text) {
    bool seen[256] = {false};
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++) {
        const unsigned char byte = (unsigned char)text.data[i];
        count += !seen[byte];
        seen[byte] = true;
    }
    return count;
}

static bool is_common(struct str password) {
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        if (str_equal_nocase(password, str_from(common[i]))) {
            return true;
        }
    }
    return false;
}

/* How many bytes are left of `password` without the places where `name` stands. */
static size_t length_beside(struct str password, struct str name) {
    size_t beside = 0;
    for (size_t i = 0; i < password.length;) {
        if (name.length > 0 && str_equal_nocase(str_slice(password, i, i + name.length), name)) {
            i += name.length;
        } else {
            beside++;
            i++;
        }
    }
    return beside;
}

const char *password_problem(struct str password, struct str user_name) {
    const size_t characters = count_characters(password);
    if (characters == SIZE_MAX) {
        return "The password must be text without control characters.";
    }
    if (characters < PASSWORD_CHARACTERS_MIN) {
        return "The password is too short: at least 12 characters; a few words in a row are good.";
    }
    if (characters > PASSWORD_CHARACTERS_MAX) {
        return "The password is too long: at most 128 characters.";
    }
    if (is_common(password) || count_different_bytes(password) < DIFFERENT_BYTES_MIN) {
        return "The password is one of those that are tried first: choose one that nobody else "
               "has, a few words in a row, say.";
    }
    if (length_beside(password, user_name) < BESIDE_NAME_MIN) {
        return "The password is little more than the user's name: choose another.";
    }
    return NULL;
}

void password_one_time(char ret_password[PASSWORD_ONE_TIME_MAX]) {
    /* Without 0 o 1 l i, which are taken for each other. */
    static const char letters[] = "23456789abcdefghjkmnpqrstuvwxyz";
    enum { LETTERS = sizeof letters - 1, FAIR_BELOW = 256 - 256 % LETTERS };
    size_t length = 0;
    for (unsigned made = 0; made < PASSWORD_ONE_TIME_LENGTH;) {
        uint8_t byte;
        random_bytes(&byte, sizeof byte);
        if (byte >= FAIR_BELOW) {
            continue;
        }
        if (made > 0 && made % 5 == 0) {
            ret_password[length++] = '-';
        }
        ret_password[length++] = letters[byte % LETTERS];
        made++;
    }
    ret_password[length] = '\0';
}

/* --- hashes --- */

struct password_hasher {
    struct password_cost cost;
    pthread_mutex_t mutex; /* one hash at a time */
    atomic_uint users;     /* of the mutex, waiting ones included */
    char nobodys[PASSWORD_HASH_MAX];
};

struct password_hasher *password_hasher_new(struct password_cost cost) {
    struct password_hasher *hasher = calloc(1, sizeof *hasher);
    CHECK(hasher != NULL);
    CHECK(sodium_init() >= 0);
    CHECK(pthread_mutex_init(&hasher->mutex, NULL) == 0);
    hasher->cost = cost;
    if (password_hash(hasher, STR("of nobody at all"), hasher->nobodys) < 0) {
        password_hasher_free(hasher);
        return NULL;
    }
    return hasher;
}

void password_hasher_free(struct password_hasher *hasher) {
    if (hasher != NULL) {
        (void)pthread_mutex_destroy(&hasher->mutex);
        free(hasher);
    }
}

bool password_crowded(struct password_hasher *hasher) {
    return atomic_load(&hasher->users) >= PASSWORD_WAITING_MAX;
}

static void take_turn(struct password_hasher *hasher) {
    (void)atomic_fetch_add(&hasher->users, 1);
    CHECK(pthread_mutex_lock(&hasher->mutex) == 0);
}

static void end_turn(struct password_hasher *hasher) {
    CHECK(pthread_mutex_unlock(&hasher->mutex) == 0);
    (void)atomic_fetch_sub(&hasher->users, 1);
}

int password_hash(struct password_hasher *hasher, struct str password,
                  char ret_hash[PASSWORD_HASH_MAX]) {
    char hash[PASSWORD_HASH_MAX] = {0};
    take_turn(hasher);
    const int result = crypto_pwhash_str(hash, password.data, password.length, hasher->cost.passes,
                                         hasher->cost.memory_bytes);
    end_turn(hasher);
    if (result != 0) {
        return -ENOMEM;
    }
    memcpy(ret_hash, hash, sizeof hash);
    return 0;
}

bool password_verify(struct password_hasher *hasher, const char *hash, struct str password,
                     bool *ret_renew) {
    /* What is longer was never taken as a password, so it need not be hashed at any length. */
    password.length = password.length > PASSWORD_BYTES_MAX ? 0 : password.length;
    const char *compared = hash != NULL ? hash : hasher->nobodys;
    take_turn(hasher);
    const bool same = crypto_pwhash_str_verify(compared, password.length > 0 ? password.data : "",
                                               password.length) == 0;
    end_turn(hasher);
    const bool right = same && hash != NULL;
    if (ret_renew != NULL) {
        *ret_renew = right && crypto_pwhash_str_needs_rehash(hash, hasher->cost.passes,
                                                             hasher->cost.memory_bytes) != 0;
    }
    return right;
}
