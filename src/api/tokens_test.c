/* SPDX-License-Identifier: Apache-2.0 */
#include "api/tokens.h"

#include <errno.h>
#include <string.h>

#include "api/api_fixture.h"

static const struct secret counted = {{0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                       11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                       22, 23, 24, 25, 26, 27, 28, 29, 30, 31}};

TEST(a_token_is_written_one_way_and_read_back) {
    char buffer[TOKEN_TEXT_LENGTH + 1];
    struct text out = TEXT_OVER(buffer);
    struct secret back;
    token_format(&counted, &out);
    assert_int_equal(out.length, TOKEN_TEXT_LENGTH);
    assert_string_equal(text_zero(&out), "szt_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8BG3XlO");
    assert_true(token_parse(text_str(&out), &back));
    assert_memory_equal(&back, &counted, sizeof back);
}

TEST(every_single_mistyped_character_is_told_without_the_database) {
    char buffer[TOKEN_TEXT_LENGTH];
    struct text out = TEXT_OVER(buffer);
    token_format(&counted, &out);
    for (size_t i = 0; i < TOKEN_TEXT_LENGTH; i++) {
        for (unsigned c = 0; c < 256; c++) {
            char changed[TOKEN_TEXT_LENGTH];
            struct secret untouched = {{9}};
            memcpy(changed, buffer, sizeof changed);
            if (changed[i] == (char)c) {
                continue;
            }
            changed[i] = (char)c;
            assert_false(token_parse((struct str){changed, sizeof changed}, &untouched));
            assert_int_equal(untouched.bytes[0], 9);
        }
    }
    for (size_t length = 0; length < TOKEN_TEXT_LENGTH; length++) {
        struct secret secret;
        assert_false(token_parse((struct str){buffer, length}, &secret));
    }
}

TEST(swapped_characters_are_told) {
    char buffer[TOKEN_TEXT_LENGTH];
    struct text out = TEXT_OVER(buffer);
    token_format(&counted, &out);
    for (size_t i = 0; i + 1 < TOKEN_TEXT_LENGTH; i++) {
        struct secret secret;
        char changed[TOKEN_TEXT_LENGTH];
        memcpy(changed, buffer, sizeof changed);
        changed[i] = buffer[i + 1];
        changed[i + 1] = buffer[i];
        const bool same = memcmp(changed, buffer, sizeof changed) == 0;
        assert_int_equal(token_parse((struct str){changed, sizeof changed}, &secret), same);
    }
}

/* --- kept --- */

struct scene {
    struct api_db *db;
    struct password_hasher *hasher;
    struct user admin;
    struct user viewer;
};

static void scene_init(struct scene *scene, const char *name) {
    scene->db = test_db(name);
    scene->hasher = test_hasher();
    scene->admin = test_user(scene->db, scene->hasher, "admin", API_ROLE_ADMIN);
    scene->viewer = test_user(scene->db, scene->hasher, "vera", API_ROLE_VIEWER);
}

static void scene_done(struct scene *scene) {
    password_hasher_free(scene->hasher);
    api_db_close(scene->db);
}

/* Makes a token and reads it back from what is shown once. */
static struct token make(struct scene *scene, const struct user *user,
                         const struct token_draft *draft, struct secret *ret_secret) {
    char buffer[TOKEN_TEXT_LENGTH];
    struct text out = TEXT_OVER(buffer);
    struct token token;
    assert_int_equal(tokens_create(scene->db, user->id, draft, TEST_NOW_NS, &token, &out), 0);
    assert_true(token_parse(text_str(&out), ret_secret));
    assert_memory_equal(token.prefix, buffer, TOKEN_PREFIX_LENGTH);
    return token;
}

static struct token_draft draft_of(const struct user *user) {
    return (struct token_draft){
        .name = STR("monitoring"), .scopes = API_SCOPE_READ, .user_role = user->role};
}

TEST(a_token_is_found_by_its_secret_and_kept_without_it) {
    struct scene scene;
    struct secret secret;
    struct token token;
    scene_init(&scene, "kept");
    struct token_draft draft = draft_of(&scene.admin);
    draft.scopes = API_SCOPE_READ | API_SCOPE_LISTS;
    draft.role = API_ROLE_OPERATOR;
    draft.expires_ns = TEST_NOW_NS + 3600 * TEST_S;
    const struct token made = make(&scene, &scene.admin, &draft, &secret);
    assert_int_equal(tokens_find(scene.db, &secret, TEST_NOW_NS + TEST_S, &token), 0);
    assert_int_equal(token.id, made.id);
    assert_string_equal(token.name, "monitoring");
    assert_string_equal(token.user, "admin");
    assert_int_equal(token.user_id, scene.admin.id);
    assert_int_equal(token.role, API_ROLE_OPERATOR);
    assert_int_equal(token.scopes, API_SCOPE_READ | API_SCOPE_LISTS);
    assert_true(token.created_ns == TEST_NOW_NS && token.expires_ns == draft.expires_ns);

    char path[160];
    (void)snprintf(path, sizeof path, "%s/kept-copy.db", test_folder());
    assert_int_equal(api_db_backup(scene.db, path), 0);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static char bytes[1 << 20];
    const size_t length = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    assert_null(memmem(bytes, length, secret.bytes, sizeof secret.bytes));
    char text[TOKEN_TEXT_LENGTH];
    struct text out = TEXT_OVER(text);
    token_format(&secret, &out);
    assert_non_null(memmem(bytes, length, text, TOKEN_PREFIX_LENGTH));
    assert_null(memmem(bytes, length, text, TOKEN_PREFIX_LENGTH + 4));
    scene_done(&scene);
}

TEST(a_token_ends_with_its_time_its_row_its_user_or_the_users_being_disabled) {
    struct scene scene;
    struct secret secret;
    struct token token;
    struct user user;
    scene_init(&scene, "ends");
    struct token_draft draft = draft_of(&scene.viewer);
    draft.expires_ns = TEST_NOW_NS + 60 * TEST_S;
    (void)make(&scene, &scene.viewer, &draft, &secret);
    assert_int_equal(tokens_find(scene.db, &secret, draft.expires_ns - 1, &token), 0);
    assert_int_equal(tokens_find(scene.db, &secret, draft.expires_ns, &token), -ENOENT);

    draft.expires_ns = 0;
    const struct token kept = make(&scene, &scene.viewer, &draft, &secret);
    assert_int_equal(tokens_find(scene.db, &secret, INT64_MAX, &token), 0);
    struct user_change change = {.set_disabled = true, .disabled = true};
    assert_int_equal(users_change(scene.db, scene.hasher, STR("vera"), &change, &user), 0);
    assert_int_equal(tokens_find(scene.db, &secret, TEST_NOW_NS, &token), -ENOENT);
    change.disabled = false;
    assert_int_equal(users_change(scene.db, scene.hasher, STR("vera"), &change, &user), 0);
    assert_int_equal(tokens_find(scene.db, &secret, TEST_NOW_NS, &token), 0);
    assert_int_equal(tokens_delete(scene.db, kept.id), 0);
    assert_int_equal(tokens_delete(scene.db, kept.id), -ENOENT);
    assert_int_equal(tokens_find(scene.db, &secret, TEST_NOW_NS, &token), -ENOENT);

    const struct token gone = make(&scene, &scene.viewer, &draft, &secret);
    assert_int_equal(users_delete(scene.db, STR("vera")), 0);
    assert_int_equal(tokens_find(scene.db, &secret, TEST_NOW_NS, &token), -ENOENT);
    assert_int_equal(tokens_get(scene.db, gone.id, &token), -ENOENT);
    const struct secret unknown = {{1}};
    assert_int_equal(tokens_find(scene.db, &unknown, TEST_NOW_NS, &token), -ENOENT);
    scene_done(&scene);
}

TEST(a_token_follows_its_users_role_down_and_its_own_up) {
    struct scene scene;
    struct secret secret;
    struct token token;
    struct user user;
    scene_init(&scene, "roles");
    struct user second = test_user(scene.db, scene.hasher, "second", API_ROLE_ADMIN);
    const struct token_draft draft = draft_of(&second);
    (void)make(&scene, &second, &draft, &secret);
    static const enum api_role roles[] = {API_ROLE_VIEWER, API_ROLE_OPERATOR, API_ROLE_ADMIN};
    for (size_t i = 0; i < 3; i++) {
        const struct user_change change = {.set_role = true, .role = roles[i]};
        assert_int_equal(users_change(scene.db, scene.hasher, STR("second"), &change, &user), 0);
        assert_int_equal(tokens_find(scene.db, &secret, TEST_NOW_NS, &token), 0);
        assert_int_equal(token.role, roles[i]);
    }
    scene_done(&scene);
}

TEST(last_used_is_written_once_a_minute) {
    struct scene scene;
    struct secret secret;
    struct token token;
    scene_init(&scene, "used");
    const struct token_draft draft = draft_of(&scene.viewer);
    const struct token made = make(&scene, &scene.viewer, &draft, &secret);
    assert_int_equal(made.last_used_ns, 0);
    static const struct {
        int64_t after_s;
        int64_t noted_s;
    } rows[] = {{5, 5}, {64, 5}, {65, 65}, {124, 65}, {125, 125}, {60, 60}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(
            tokens_find(scene.db, &secret, TEST_NOW_NS + rows[i].after_s * TEST_S, &token), 0);
        assert_int_equal(tokens_get(scene.db, made.id, &token), 0);
        assert_int_equal((token.last_used_ns - TEST_NOW_NS) / TEST_S, rows[i].noted_s);
    }
    scene_done(&scene);
}

struct seen {
    int64_t ids[8];
    size_t count;
    size_t max;
};

static bool see(void *context, const struct token *token) {
    struct seen *seen = context;
    seen->ids[seen->count++] = token->id;
    return seen->count < seen->max;
}

TEST(tokens_are_listed_newest_first_of_one_user_or_all_in_pages) {
    struct scene scene;
    struct secret secret;
    scene_init(&scene, "list");
    struct token_draft draft = draft_of(&scene.viewer);
    const int64_t a = make(&scene, &scene.viewer, &draft, &secret).id;
    const int64_t b = make(&scene, &scene.admin, &draft, &secret).id;
    draft.expires_ns = TEST_NOW_NS + 1;
    const int64_t c = make(&scene, &scene.viewer, &draft, &secret).id;
    struct seen all = {.max = 8};
    assert_int_equal(tokens_each(scene.db, 0, 0, see, &all), 0);
    assert_true(all.count == 3 && all.ids[0] == c && all.ids[1] == b && all.ids[2] == a);
    struct seen page = {.max = 1};
    assert_int_equal(tokens_each(scene.db, 0, c, see, &page), 0);
    assert_true(page.count == 1 && page.ids[0] == b);
    struct seen veras = {.max = 8};
    assert_int_equal(tokens_each(scene.db, scene.viewer.id, 0, see, &veras), 0);
    assert_true(veras.count == 2 && veras.ids[0] == c && veras.ids[1] == a);
    scene_done(&scene);
}

TEST(a_user_has_a_hundred_tokens_at_most_and_nobody_none) {
    struct scene scene;
    struct secret secret;
    struct token token;
    char buffer[TOKEN_TEXT_LENGTH];
    struct text out = TEXT_OVER(buffer);
    scene_init(&scene, "many");
    const struct token_draft draft = draft_of(&scene.viewer);
    for (int i = 0; i < TOKENS_PER_USER_MAX; i++) {
        (void)make(&scene, &scene.viewer, &draft, &secret);
    }
    assert_int_equal(tokens_create(scene.db, scene.viewer.id, &draft, TEST_NOW_NS, &token, &out),
                     -EDQUOT);
    assert_int_equal(tokens_create(scene.db, 12345, &draft, TEST_NOW_NS, &token, &out), -ENOENT);
    assert_int_equal(out.length, 0);
    scene_done(&scene);
}

TEST(a_draft_that_makes_no_sense_is_told_by_its_member) {
    static const struct {
        const char *name;
        unsigned scopes;
        enum api_role role;
        enum api_role user_role;
        int64_t expires_ns;
        const char *field; /* NULL: fine */
    } rows[] = {
        {"a", API_SCOPE_READ, API_ROLE_NONE, API_ROLE_VIEWER, 0, NULL},
        {"Büro 2", API_SCOPES_ALL, API_ROLE_ADMIN, API_ROLE_ADMIN, TEST_NOW_NS + 1, NULL},
        {"", API_SCOPE_READ, API_ROLE_NONE, API_ROLE_VIEWER, 0, "name"},
        {" a", API_SCOPE_READ, API_ROLE_NONE, API_ROLE_VIEWER, 0, "name"},
        {"a\nb", API_SCOPE_READ, API_ROLE_NONE, API_ROLE_VIEWER, 0, "name"},
        {"a\xff", API_SCOPE_READ, API_ROLE_NONE, API_ROLE_VIEWER, 0, "name"},
        {"a", 0, API_ROLE_NONE, API_ROLE_VIEWER, 0, "scopes"},
        {"a", API_SCOPE_READ, API_ROLE_OPERATOR, API_ROLE_VIEWER, 0, "role"},
        {"a", API_SCOPE_READ, API_ROLE_NONE, API_ROLE_VIEWER, TEST_NOW_NS, "expires"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *field = NULL;
        const struct token_draft draft = {.name = str_from(rows[i].name),
                                          .scopes = rows[i].scopes,
                                          .role = rows[i].role,
                                          .user_role = rows[i].user_role,
                                          .expires_ns = rows[i].expires_ns};
        const char *problem = token_problem(&draft, TEST_NOW_NS, &field);
        assert_int_equal(problem == NULL, rows[i].field == NULL);
        if (rows[i].field != NULL) {
            assert_string_equal(field, rows[i].field);
        }
    }
}
