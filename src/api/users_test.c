/* SPDX-License-Identifier: Apache-2.0 */
#include "api/users.h"

#include <errno.h>
#include <string.h>

#include "api/api_fixture.h"
#include "api/web_sessions.h"

struct scene {
    struct api_db *db;
    struct password_hasher *hasher;
};

static void scene_init(struct scene *scene, const char *name) {
    scene->db = test_db(name);
    scene->hasher = test_hasher();
}

static void scene_done(struct scene *scene) {
    password_hasher_free(scene->hasher);
    api_db_close(scene->db);
}

static int check(struct scene *scene, const char *name, const char *password) {
    struct user user;
    return users_check_password(scene->db, scene->hasher, str_from(name), str_from(password),
                                &user);
}

static int change(struct scene *scene, const char *name, struct user_change what) {
    struct user user;
    return users_change(scene->db, scene->hasher, str_from(name), &what, &user);
}

static struct user get(struct scene *scene, const char *name) {
    struct user user;
    assert_int_equal(users_find(scene->db, str_from(name), &user), 0);
    return user;
}

TEST(the_first_start_makes_an_administrator_whose_password_must_be_changed) {
    struct scene scene;
    char password[PASSWORD_ONE_TIME_MAX] = "";
    char again[PASSWORD_ONE_TIME_MAX] = "untouched";
    scene_init(&scene, "first");
    assert_int_equal(users_make_first(scene.db, scene.hasher, TEST_NOW_NS, password), 1);
    const struct user admin = get(&scene, "admin");
    assert_int_equal(admin.role, API_ROLE_ADMIN);
    assert_true(admin.must_change_password);
    assert_false(admin.disabled || admin.totp);
    assert_true(admin.created_ns == TEST_NOW_NS && admin.last_login_ns == 0);
    assert_int_equal(check(&scene, "admin", password), 0);
    assert_int_equal(users_make_first(scene.db, scene.hasher, TEST_NOW_NS, again), 0);
    assert_string_equal(again, "untouched");
    assert_int_equal(check(&scene, "admin", password), 0);
    scene_done(&scene);
}

TEST(a_first_password_that_nobody_changed_expires) {
    static const int64_t days_7 = 7 * INT64_C(86400) * TEST_S;
    struct scene scene;
    char password[PASSWORD_ONE_TIME_MAX] = "";
    char again[PASSWORD_ONE_TIME_MAX] = "untouched";
    scene_init(&scene, "expired");
    assert_int_equal(users_make_first(scene.db, scene.hasher, TEST_NOW_NS, password), 1);
    struct user admin = get(&scene, "admin");
    assert_false(user_first_password_expired(&admin, TEST_NOW_NS + days_7));
    assert_true(user_first_password_expired(&admin, TEST_NOW_NS + days_7 + 1));
    assert_int_equal(users_make_first(scene.db, scene.hasher, TEST_NOW_NS + days_7, again), 0);
    assert_string_equal(again, "untouched");

    const int64_t later_ns = TEST_NOW_NS + days_7 + 1;
    assert_int_equal(users_make_first(scene.db, scene.hasher, later_ns, again), 1);
    assert_int_equal(check(&scene, "admin", password), -EACCES);
    assert_int_equal(check(&scene, "admin", again), 0);
    admin = get(&scene, "admin");
    assert_true(admin.must_change_password);
    assert_false(user_first_password_expired(&admin, later_ns + days_7));
    assert_true(user_first_password_expired(&admin, later_ns + days_7 + 1));

    /* One of the user's own choice does not, nor is it replaced. */
    assert_int_equal(
        users_set_password(scene.db, scene.hasher, admin.id, STR("seven green lamps at noon"), 0),
        0);
    admin = get(&scene, "admin");
    assert_false(user_first_password_expired(&admin, later_ns + 100 * days_7));
    assert_int_equal(users_make_first(scene.db, scene.hasher, later_ns + 100 * days_7, password),
                     0);

    /* Nor is anybody given a new one where there are others. */
    struct user eve;
    assert_int_equal(users_create(scene.db, scene.hasher, STR("eve"), API_ROLE_VIEWER,
                                  STR("eve has a password"), true, later_ns, &eve),
                     0);
    assert_true(user_first_password_expired(&eve, later_ns + days_7 + 1));
    assert_int_equal(users_make_first(scene.db, scene.hasher, later_ns + days_7 + 1, password), 0);
    assert_int_equal(
        change(&scene, "eve", (struct user_change){.password = STR("another password of eve")}), 0);
    eve = get(&scene, "eve");
    assert_false(user_first_password_expired(&eve, later_ns + 100 * days_7));
    scene_done(&scene);
}

TEST(a_name_is_plain_and_one) {
    static const struct {
        const char *name;
        bool taken;
    } rows[] = {
        {"a", true},
        {"anna.b-c_d@example.org", true},
        {"0", true},
        {"", false},
        {".a", false},
        {"@a", false},
        {"Anna", false},
        {"a b", false},
        {"a/b", false},
        {"ä", false},
        {"a\n", false},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].name);
        assert_int_equal(user_name_problem(str_from(rows[i].name)) == NULL, rows[i].taken);
    }
    struct scene scene;
    struct user user;
    scene_init(&scene, "names");
    (void)test_user(scene.db, scene.hasher, "anna", API_ROLE_VIEWER);
    assert_int_equal(users_create(scene.db, scene.hasher, STR("anna"), API_ROLE_ADMIN,
                                  STR("another password"), false, TEST_NOW_NS, &user),
                     -EEXIST);
    assert_int_equal(get(&scene, "anna").role, API_ROLE_VIEWER);
    assert_int_equal(users_find(scene.db, STR("nobody"), &user), -ENOENT);
    assert_int_equal(users_find(scene.db, (struct str){0}, &user), -ENOENT);
    assert_int_equal(users_get(scene.db, 4711, &user), -ENOENT);
    scene_done(&scene);
}

TEST(a_password_is_right_for_its_user_alone) {
    struct scene scene;
    scene_init(&scene, "check");
    (void)test_user(scene.db, scene.hasher, "anna", API_ROLE_ADMIN);
    (void)test_user(scene.db, scene.hasher, "otto", API_ROLE_OPERATOR);
    assert_int_equal(check(&scene, "anna", "anna has a password"), 0);
    assert_int_equal(check(&scene, "otto", "anna has a password"), -EACCES);
    assert_int_equal(check(&scene, "nobody", "anna has a password"), -EACCES);
    assert_int_equal(check(&scene, "", ""), -EACCES);
    assert_int_equal(check(&scene, "anna' --", "anna has a password"), -EACCES);
    assert_int_equal(
        change(&scene, "otto", (struct user_change){.set_disabled = true, .disabled = true}), 0);
    assert_int_equal(check(&scene, "otto", "otto has a password"), -EACCES);
    scene_done(&scene);
}

TEST(a_hash_of_a_lower_cost_is_renewed_by_a_login) {
    struct scene scene;
    scene_init(&scene, "renew");
    (void)test_user(scene.db, scene.hasher, "anna", API_ROLE_ADMIN);
    password_hasher_free(scene.hasher);
    scene.hasher = password_hasher_new((struct password_cost){.passes = 2, .memory_bytes = 16384});
    assert_int_equal(check(&scene, "anna", "wrong"), -EACCES);
    int64_t renewed = -1;
    static const char *const sql =
        "SELECT count(*) FROM users WHERE password LIKE '$argon2id$v=19$m=16,t=2,%'";
    assert_int_equal(database_number(api_db_lock(scene.db), sql, -1, &renewed), 0);
    api_db_unlock(scene.db);
    assert_int_equal(renewed, 0);
    assert_int_equal(check(&scene, "anna", "anna has a password"), 0);
    assert_int_equal(database_number(api_db_lock(scene.db), sql, -1, &renewed), 0);
    api_db_unlock(scene.db);
    assert_int_equal(renewed, 1);
    assert_int_equal(check(&scene, "anna", "anna has a password"), 0);
    scene_done(&scene);
}

TEST(the_last_administrator_who_can_log_in_stays) {
    struct scene scene;
    scene_init(&scene, "last");
    (void)test_user(scene.db, scene.hasher, "anna", API_ROLE_ADMIN);
    (void)test_user(scene.db, scene.hasher, "bert", API_ROLE_ADMIN);
    (void)test_user(scene.db, scene.hasher, "otto", API_ROLE_OPERATOR);
    const struct user_change disable = {.set_disabled = true, .disabled = true};
    const struct user_change enable = {.set_disabled = true, .disabled = false};
    const struct user_change demote = {.set_role = true, .role = API_ROLE_OPERATOR};
    const struct user_change promote = {.set_role = true, .role = API_ROLE_ADMIN};
    assert_int_equal(change(&scene, "bert", disable), 0);
    assert_int_equal(change(&scene, "anna", disable), -EPERM);
    assert_int_equal(change(&scene, "anna", demote), -EPERM);
    assert_int_equal(users_delete(scene.db, STR("anna")), -EPERM);
    const struct user anna = get(&scene, "anna");
    assert_true(anna.role == API_ROLE_ADMIN && !anna.disabled && anna.revision == 1);
    /* Both at once: nothing of it happens. */
    const struct user_change both = {
        .set_role = true, .role = API_ROLE_VIEWER, .password = STR("quite another password")};
    assert_int_equal(change(&scene, "anna", both), -EPERM);
    assert_int_equal(check(&scene, "anna", "anna has a password"), 0);
    /* With a second one anything goes. */
    assert_int_equal(change(&scene, "bert", enable), 0);
    assert_int_equal(change(&scene, "anna", demote), 0);
    assert_int_equal(users_delete(scene.db, STR("bert")), -EPERM);
    assert_int_equal(change(&scene, "anna", promote), 0);
    assert_int_equal(users_delete(scene.db, STR("bert")), 0);
    assert_int_equal(users_delete(scene.db, STR("bert")), -ENOENT);
    assert_int_equal(users_delete(scene.db, STR("otto")), 0);
    scene_done(&scene);
}

TEST(a_change_raises_the_revision_and_is_refused_when_another_came_before) {
    struct scene scene;
    scene_init(&scene, "revision");
    (void)test_user(scene.db, scene.hasher, "anna", API_ROLE_ADMIN);
    (void)test_user(scene.db, scene.hasher, "otto", API_ROLE_VIEWER);
    struct user_change raise = {.set_role = true, .role = API_ROLE_OPERATOR, .if_revision = 1};
    assert_int_equal(change(&scene, "otto", raise), 0);
    assert_int_equal(get(&scene, "otto").revision, 2);
    raise.role = API_ROLE_ADMIN;
    assert_int_equal(change(&scene, "otto", raise), -ESTALE);
    assert_int_equal(get(&scene, "otto").role, API_ROLE_OPERATOR);
    raise.if_revision = 2;
    assert_int_equal(change(&scene, "otto", raise), 0);
    /* What is so already changes nothing. */
    raise.if_revision = 0;
    assert_int_equal(change(&scene, "otto", raise), 0);
    assert_int_equal(get(&scene, "otto").revision, 3);
    assert_int_equal(change(&scene, "nobody", raise), -ENOENT);
    scene_done(&scene);
}

static int64_t count_sessions(struct scene *scene) {
    int64_t count = -1;
    sqlite3 *connection = api_db_lock(scene->db);
    assert_int_equal(database_number(connection, "SELECT count(*) FROM sessions", -1, &count), 0);
    api_db_unlock(scene->db);
    return count;
}

static int64_t begin_session(struct scene *scene, int64_t user_id) {
    struct secret secret;
    int64_t id;
    assert_int_equal(
        web_sessions_begin(scene->db, user_id, STR(""), STR(""), TEST_NOW_NS, &secret, &id), 0);
    return id;
}

TEST(a_new_password_ends_the_other_sessions) {
    struct scene scene;
    scene_init(&scene, "password");
    const struct user anna = test_user(scene.db, scene.hasher, "anna", API_ROLE_ADMIN);
    (void)begin_session(&scene, anna.id);
    const int64_t kept = begin_session(&scene, anna.id);
    assert_int_equal(
        users_set_password(scene.db, scene.hasher, anna.id, STR("quite another password"), kept),
        0);
    assert_int_equal(count_sessions(&scene), 1);
    assert_int_equal(check(&scene, "anna", "anna has a password"), -EACCES);
    assert_int_equal(check(&scene, "anna", "quite another password"), 0);
    assert_false(get(&scene, "anna").must_change_password);
    /* One that an administrator sets ends all, and is to be changed. */
    assert_int_equal(
        change(&scene, "anna", (struct user_change){.password = STR("set by somebody else")}), 0);
    assert_int_equal(count_sessions(&scene), 0);
    assert_true(get(&scene, "anna").must_change_password);
    assert_int_equal(check(&scene, "anna", "set by somebody else"), 0);
    scene_done(&scene);
}

struct names {
    char text[128];
    size_t left;
};

static bool add_name(void *context, const struct user *user) {
    struct names *names = context;
    (void)strncat(names->text, user->name, sizeof names->text - strlen(names->text) - 1);
    (void)strncat(names->text, " ", sizeof names->text - strlen(names->text) - 1);
    return --names->left > 0;
}

TEST(users_are_listed_by_name_in_pages) {
    struct scene scene;
    scene_init(&scene, "list");
    (void)test_user(scene.db, scene.hasher, "zoe", API_ROLE_ADMIN);
    (void)test_user(scene.db, scene.hasher, "anna", API_ROLE_VIEWER);
    (void)test_user(scene.db, scene.hasher, "otto", API_ROLE_OPERATOR);
    struct names names = {.left = 9};
    assert_int_equal(users_each(scene.db, STR(""), add_name, &names), 0);
    assert_string_equal(names.text, "anna otto zoe ");
    names = (struct names){.left = 1};
    assert_int_equal(users_each(scene.db, STR("anna"), add_name, &names), 0);
    assert_string_equal(names.text, "otto ");
    scene_done(&scene);
}

TEST(a_login_is_noted_without_a_new_revision) {
    struct scene scene;
    scene_init(&scene, "login");
    const struct user anna = test_user(scene.db, scene.hasher, "anna", API_ROLE_ADMIN);
    assert_int_equal(users_note_login(scene.db, anna.id, TEST_NOW_NS + 7), 0);
    const struct user after = get(&scene, "anna");
    assert_true(after.last_login_ns == TEST_NOW_NS + 7 && after.revision == 1);
    scene_done(&scene);
}

/* --- codes --- */

static struct str code_at(const struct totp_secret *secret, int64_t now_ns, char buffer[8]) {
    (void)snprintf(buffer, 8, "%06u",
                   (unsigned)totp_code(secret, totp_step(now_ns / TEST_S)) % 1000000);
    return str_from(buffer);
}

TEST(codes_are_asked_for_once_one_was_right_and_none_counts_twice) {
    struct scene scene;
    struct totp_secret secret;
    struct totp_secret second;
    char buffer[8];
    scene_init(&scene, "codes");
    const int64_t id = test_user(scene.db, scene.hasher, "anna", API_ROLE_ADMIN).id;
    int64_t now = TEST_NOW_NS;
    assert_int_equal(users_take_code(scene.db, id, STR("000000"), now), -EACCES);
    assert_int_equal(users_totp_on(scene.db, id, STR("000000"), now), -ENOENT);
    assert_int_equal(users_totp_begin(scene.db, id, &second), 0);
    assert_int_equal(users_totp_begin(scene.db, id, &secret), 0);
    assert_memory_not_equal(&secret, &second, sizeof secret);
    assert_false(get(&scene, "anna").totp);
    assert_int_equal(users_take_code(scene.db, id, code_at(&secret, now, buffer), now), -EACCES);
    assert_int_equal(users_totp_on(scene.db, id, code_at(&second, now, buffer), now), -EACCES);
    assert_int_equal(users_totp_on(scene.db, id, code_at(&secret, now, buffer), now), 0);
    assert_true(get(&scene, "anna").totp);
    assert_int_equal(users_totp_begin(scene.db, id, &second), -EEXIST);
    /* The code that switched it on was one use. */
    assert_int_equal(users_take_code(scene.db, id, code_at(&secret, now, buffer), now), -EACCES);
    now += 30 * TEST_S;
    assert_int_equal(users_take_code(scene.db, id, code_at(&secret, now, buffer), now), 0);
    assert_int_equal(users_take_code(scene.db, id, code_at(&secret, now, buffer), now), -EACCES);
    assert_int_equal(users_totp_off(scene.db, id), 0);
    assert_false(get(&scene, "anna").totp);
    now += 30 * TEST_S;
    assert_int_equal(users_take_code(scene.db, id, code_at(&secret, now, buffer), now), -EACCES);
    scene_done(&scene);
}

TEST(an_administrator_can_switch_codes_off_for_somebody) {
    struct scene scene;
    struct totp_secret secret;
    char buffer[8];
    scene_init(&scene, "off");
    const int64_t id = test_user(scene.db, scene.hasher, "anna", API_ROLE_ADMIN).id;
    assert_int_equal(users_totp_begin(scene.db, id, &secret), 0);
    assert_int_equal(
        users_totp_on(scene.db, id, code_at(&secret, TEST_NOW_NS, buffer), TEST_NOW_NS), 0);
    assert_int_equal(change(&scene, "anna", (struct user_change){.totp_off = true}), 0);
    assert_false(get(&scene, "anna").totp);
    assert_int_equal(users_totp_begin(scene.db, id, &secret), 0);
    scene_done(&scene);
}
