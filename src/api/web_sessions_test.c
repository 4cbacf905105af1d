/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web_sessions.h"

#include <errno.h>
#include <string.h>

#include "api/api_fixture.h"

struct scene {
    struct api_db *db;
    struct password_hasher *hasher;
    struct user admin;
    struct user vera;
};

static void scene_init(struct scene *scene, const char *name) {
    scene->db = test_db(name);
    scene->hasher = test_hasher();
    scene->admin = test_user(scene->db, scene->hasher, "admin", API_ROLE_ADMIN);
    scene->vera = test_user(scene->db, scene->hasher, "vera", API_ROLE_VIEWER);
}

static void scene_done(struct scene *scene) {
    password_hasher_free(scene->hasher);
    api_db_close(scene->db);
}

static struct secret begin(struct scene *scene, const struct user *user, int64_t now_ns,
                           int64_t *ret_id) {
    struct secret secret;
    int64_t id = 0;
    assert_int_equal(web_sessions_begin(scene->db, user->id, STR("192.0.2.1"), STR("Browser/1.0"),
                                        now_ns, &secret, &id),
                     0);
    if (ret_id != NULL) {
        *ret_id = id;
    }
    return secret;
}

static int find_at(struct scene *scene, const struct secret *secret, int64_t now_ns) {
    struct web_session session;
    return web_sessions_find(scene->db, secret, now_ns, &session);
}

TEST(a_session_is_found_by_its_cookie_and_tells_whose_it_is) {
    struct scene scene;
    struct web_session session;
    int64_t id;
    scene_init(&scene, "found");
    const struct secret secret = begin(&scene, &scene.vera, TEST_NOW_NS, &id);
    assert_int_equal(web_sessions_find(scene.db, &secret, TEST_NOW_NS + TEST_S, &session), 0);
    assert_int_equal(session.id, id);
    assert_int_equal(session.user_id, scene.vera.id);
    assert_true(session.created_ns == TEST_NOW_NS && session.last_used_ns == TEST_NOW_NS);
    assert_string_equal(session.address, "192.0.2.1");
    assert_string_equal(session.user_agent, "Browser/1.0");
    struct secret other = secret;
    other.bytes[31] ^= 1;
    assert_int_equal(find_at(&scene, &other, TEST_NOW_NS), -ENOENT);
    /* What the database keeps does not work as a cookie. */
    struct secret hash;
    const struct secret_hash kept = secret_hash(&secret);
    memcpy(hash.bytes, kept.bytes, sizeof hash.bytes);
    assert_int_equal(find_at(&scene, &hash, TEST_NOW_NS), -ENOENT);
    scene_done(&scene);
}

TEST(a_session_ends_after_half_an_hour_without_use) {
    struct scene scene;
    scene_init(&scene, "idle");
    const struct secret secret = begin(&scene, &scene.vera, TEST_NOW_NS, NULL);
    int64_t now = TEST_NOW_NS;
    for (int i = 0; i < 5; i++) {
        now += WEB_SESSION_IDLE_S * TEST_S - 1;
        assert_int_equal(find_at(&scene, &secret, now), 0);
    }
    now += WEB_SESSION_IDLE_S * TEST_S;
    assert_int_equal(find_at(&scene, &secret, now), -ENOENT);
    scene_done(&scene);
}

TEST(a_session_ends_after_twelve_hours_however_much_it_is_used) {
    struct scene scene;
    scene_init(&scene, "absolute");
    const struct secret secret = begin(&scene, &scene.vera, TEST_NOW_NS, NULL);
    for (int64_t s = 0; s < WEB_SESSION_S; s += 600) {
        assert_int_equal(find_at(&scene, &secret, TEST_NOW_NS + s * TEST_S), 0);
    }
    assert_int_equal(find_at(&scene, &secret, TEST_NOW_NS + WEB_SESSION_S * TEST_S - 1), 0);
    assert_int_equal(find_at(&scene, &secret, TEST_NOW_NS + WEB_SESSION_S * TEST_S), -ENOENT);
    scene_done(&scene);
}

TEST(a_clock_set_back_does_not_lengthen_a_session) {
    struct scene scene;
    scene_init(&scene, "back");
    const struct secret secret = begin(&scene, &scene.vera, TEST_NOW_NS, NULL);
    assert_int_equal(find_at(&scene, &secret, TEST_NOW_NS - 60 * TEST_S), 0);
    assert_int_equal(find_at(&scene, &secret, TEST_NOW_NS - 3600 * TEST_S), -ENOENT);
    scene_done(&scene);
}

TEST(use_is_written_once_a_minute) {
    struct scene scene;
    struct web_session session;
    scene_init(&scene, "used");
    const struct secret secret = begin(&scene, &scene.vera, TEST_NOW_NS, NULL);
    static const struct {
        int64_t at_s;
        int64_t read_s; /* what the call before has written */
    } rows[] = {{30, 0}, {59, 0}, {60, 0}, {61, 60}, {119, 60}, {120, 60}, {121, 120}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(
            web_sessions_find(scene.db, &secret, TEST_NOW_NS + rows[i].at_s * TEST_S, &session), 0);
        assert_int_equal((session.last_used_ns - TEST_NOW_NS) / TEST_S, rows[i].read_s);
    }
    scene_done(&scene);
}

TEST(every_login_has_a_secret_and_a_csrf_token_of_its_own) {
    struct scene scene;
    scene_init(&scene, "csrf");
    const struct secret first = begin(&scene, &scene.vera, TEST_NOW_NS, NULL);
    const struct secret second = begin(&scene, &scene.vera, TEST_NOW_NS, NULL);
    char first_buffer[SECRET_TEXT_LENGTH];
    char second_buffer[SECRET_TEXT_LENGTH];
    char cookie_buffer[SECRET_TEXT_LENGTH];
    struct text first_csrf = TEXT_OVER(first_buffer);
    struct text second_csrf = TEXT_OVER(second_buffer);
    struct text cookie = TEXT_OVER(cookie_buffer);
    assert_memory_not_equal(first.bytes, second.bytes, sizeof first.bytes);
    web_session_csrf(&first, &first_csrf);
    web_session_csrf(&second, &second_csrf);
    secret_format(&first, &cookie);
    assert_true(web_session_csrf_right(&first, text_str(&first_csrf)));
    assert_false(web_session_csrf_right(&first, text_str(&second_csrf)));
    assert_false(web_session_csrf_right(&first, text_str(&cookie)));
    assert_false(web_session_csrf_right(&first, STR("")));
    assert_false(web_session_csrf_right(&first, (struct str){0}));
    assert_false(web_session_csrf_right(&first, str_slice(text_str(&first_csrf), 0, 42)));
    first_buffer[42] = first_buffer[42] == 'A' ? 'B' : 'A';
    assert_false(web_session_csrf_right(&first, text_str(&first_csrf)));
    scene_done(&scene);
}

TEST(one_session_too_many_ends_the_one_unused_longest) {
    struct scene scene;
    struct secret secrets[WEB_SESSIONS_PER_USER_MAX + 1];
    scene_init(&scene, "many");
    const struct secret of_admin = begin(&scene, &scene.admin, TEST_NOW_NS - 9 * TEST_S, NULL);
    for (int i = 0; i < WEB_SESSIONS_PER_USER_MAX; i++) {
        secrets[i] = begin(&scene, &scene.vera, TEST_NOW_NS + i * TEST_S, NULL);
    }
    const int64_t later = TEST_NOW_NS + 200 * TEST_S;
    assert_int_equal(find_at(&scene, &secrets[0], later), 0); /* now the second is the oldest */
    secrets[WEB_SESSIONS_PER_USER_MAX] = begin(&scene, &scene.vera, later, NULL);
    for (int i = 0; i <= WEB_SESSIONS_PER_USER_MAX; i++) {
        assert_int_equal(find_at(&scene, &secrets[i], later), i == 1 ? -ENOENT : 0);
    }
    assert_int_equal(find_at(&scene, &of_admin, later), 0);
    scene_done(&scene);
}

TEST(sessions_end_one_by_one_by_their_owner_alone) {
    struct scene scene;
    int64_t id;
    scene_init(&scene, "end");
    const struct secret secret = begin(&scene, &scene.vera, TEST_NOW_NS, &id);
    assert_int_equal(web_sessions_end(scene.db, scene.admin.id, id), -ENOENT);
    assert_int_equal(find_at(&scene, &secret, TEST_NOW_NS), 0);
    assert_int_equal(web_sessions_end(scene.db, scene.vera.id, id), 0);
    assert_int_equal(find_at(&scene, &secret, TEST_NOW_NS), -ENOENT);
    assert_int_equal(web_sessions_end(scene.db, scene.vera.id, id), -ENOENT);
    scene_done(&scene);
}

TEST(all_sessions_but_one_end) {
    struct scene scene;
    int64_t kept_id;
    size_t count = 0;
    scene_init(&scene, "all");
    const struct secret first = begin(&scene, &scene.vera, TEST_NOW_NS, NULL);
    const struct secret kept = begin(&scene, &scene.vera, TEST_NOW_NS, &kept_id);
    const struct secret other = begin(&scene, &scene.admin, TEST_NOW_NS, NULL);
    assert_int_equal(web_sessions_end_all(scene.db, scene.vera.id, kept_id, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(find_at(&scene, &first, TEST_NOW_NS), -ENOENT);
    assert_int_equal(find_at(&scene, &kept, TEST_NOW_NS), 0);
    assert_int_equal(web_sessions_end_all(scene.db, scene.vera.id, 0, NULL), 0);
    assert_int_equal(find_at(&scene, &kept, TEST_NOW_NS), -ENOENT);
    assert_int_equal(find_at(&scene, &other, TEST_NOW_NS), 0);
    scene_done(&scene);
}

TEST(a_disabled_or_deleted_user_has_no_session) {
    struct scene scene;
    struct user user;
    scene_init(&scene, "gone");
    const struct secret first = begin(&scene, &scene.vera, TEST_NOW_NS, NULL);
    struct user_change change = {.set_disabled = true, .disabled = true};
    assert_int_equal(users_change(scene.db, scene.hasher, STR("vera"), &change, &user), 0);
    assert_int_equal(find_at(&scene, &first, TEST_NOW_NS), -ENOENT);
    change.disabled = false; /* does not bring back what has ended */
    assert_int_equal(users_change(scene.db, scene.hasher, STR("vera"), &change, &user), 0);
    assert_int_equal(find_at(&scene, &first, TEST_NOW_NS), -ENOENT);
    const struct secret second = begin(&scene, &scene.vera, TEST_NOW_NS, NULL);
    assert_int_equal(users_delete(scene.db, STR("vera")), 0);
    assert_int_equal(find_at(&scene, &second, TEST_NOW_NS), -ENOENT);
    struct secret third;
    int64_t id;
    assert_int_equal(
        web_sessions_begin(scene.db, scene.vera.id, STR(""), STR(""), TEST_NOW_NS, &third, &id),
        -ENOENT);
    scene_done(&scene);
}

struct seen {
    int64_t ids[4];
    size_t count;
};

static bool see(void *context, const struct web_session *session) {
    struct seen *seen = context;
    seen->ids[seen->count++] = session->id;
    return seen->count < 4;
}

TEST(a_user_sees_the_sessions_that_are_alive_used_last_first) {
    struct scene scene;
    int64_t a;
    int64_t b;
    scene_init(&scene, "list");
    const struct secret first = begin(&scene, &scene.vera, TEST_NOW_NS, &a);
    (void)begin(&scene, &scene.vera, TEST_NOW_NS + TEST_S, &b);
    (void)begin(&scene, &scene.admin, TEST_NOW_NS, NULL);
    struct seen seen = {0};
    assert_int_equal(web_sessions_each(scene.db, scene.vera.id, TEST_NOW_NS, see, &seen), 0);
    assert_true(seen.count == 2 && seen.ids[0] == b && seen.ids[1] == a);
    const int64_t later = TEST_NOW_NS + (WEB_SESSION_IDLE_S - 1) * TEST_S;
    assert_int_equal(find_at(&scene, &first, later), 0);
    seen = (struct seen){0};
    assert_int_equal(web_sessions_each(scene.db, scene.vera.id, later + 10 * TEST_S, see, &seen),
                     0);
    assert_true(seen.count == 1 && seen.ids[0] == a);
    scene_done(&scene);
}

static int64_t count_rows(struct scene *scene) {
    int64_t rows = -1;
    sqlite3 *connection = api_db_lock(scene->db);
    assert_int_equal(database_number(connection, "SELECT count(*) FROM sessions", -1, &rows), 0);
    api_db_unlock(scene->db);
    return rows;
}

TEST(a_login_sweeps_out_what_has_ended) {
    struct scene scene;
    scene_init(&scene, "sweep");
    (void)begin(&scene, &scene.vera, TEST_NOW_NS, NULL);
    const int64_t later = TEST_NOW_NS + (WEB_SESSION_IDLE_S - 1) * TEST_S;
    const struct secret kept = begin(&scene, &scene.vera, later, NULL);
    assert_int_equal(count_rows(&scene), 2);
    (void)begin(&scene, &scene.admin, later + TEST_S, NULL);
    assert_int_equal(count_rows(&scene), 2);
    assert_int_equal(find_at(&scene, &kept, later + TEST_S), 0);
    scene_done(&scene);
}

TEST(what_a_browser_says_of_itself_is_cut) {
    struct scene scene;
    struct secret secret;
    struct web_session session;
    int64_t id;
    char long_name[1000];
    (void)memset(long_name, 'x', sizeof long_name);
    scene_init(&scene, "cut");
    assert_int_equal(web_sessions_begin(scene.db, scene.vera.id, STR("192.0.2.1"),
                                        (struct str){long_name, sizeof long_name}, TEST_NOW_NS,
                                        &secret, &id),
                     0);
    assert_int_equal(web_sessions_find(scene.db, &secret, TEST_NOW_NS, &session), 0);
    assert_int_equal(strlen(session.user_agent), WEB_SESSION_USER_AGENT_MAX - 1);
    scene_done(&scene);
}
