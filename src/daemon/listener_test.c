/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "testing/test.h"

static char address[100];
static char problem_bytes[512];

static struct str socket_address(void) {
    (void)snprintf(address, sizeof address, "unix:%s/policy.sock", test_folder());
    return str_from(address);
}

static int open_it(struct listener *listener, struct text *problem) {
    *problem = TEXT_OVER(problem_bytes);
    return listener_open(socket_address(), 0660, listener, problem);
}

static void assert_says(struct text *problem, const char *words) {
    assert_non_null(strstr(text_zero(problem), words));
}

TEST(a_socket_file_has_the_permissions_that_were_set) {
    struct listener listener;
    struct text problem;
    assert_int_equal(open_it(&listener, &problem), 0);
    struct stat status;
    assert_int_equal(stat(address + 5, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0660);
    assert_true(listener.is_unix);
    listener_close(&listener, true);
    assert_int_equal(access(address + 5, F_OK), -1);
}

TEST(a_stale_socket_file_is_replaced) {
    struct listener listener;
    struct text problem;
    assert_int_equal(open_it(&listener, &problem), 0);
    listener_close(&listener, false); /* As after a kill. */
    assert_int_equal(access(address + 5, F_OK), 0);
    assert_int_equal(open_it(&listener, &problem), 0);
    listener_close(&listener, true);
}

TEST(a_socket_that_somebody_listens_on_is_left_alone) {
    struct listener listener;
    struct listener second;
    struct text problem;
    assert_int_equal(open_it(&listener, &problem), 0);
    assert_int_equal(open_it(&second, &problem), -EADDRINUSE);
    assert_says(&problem, "another process listens there");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", address + 5);
    const int client = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&to, sizeof to), 0);
    (void)close(client);
    listener_close(&listener, true);
}

TEST(a_file_that_is_no_socket_is_left_alone) {
    (void)socket_address();
    const int fd = open(address + 5, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    struct listener listener;
    struct text problem;
    assert_int_equal(open_it(&listener, &problem), -EEXIST);
    assert_says(&problem, "no socket");
    assert_int_equal(access(address + 5, F_OK), 0);
}

TEST(an_inherited_socket_is_known_by_its_address) {
    struct listener listener;
    struct listener adopted;
    struct text problem;
    assert_int_equal(open_it(&listener, &problem), 0);
    assert_int_equal(listener_adopt(listener.fd, &adopted), 0);
    assert_string_equal(adopted.address, address);
    assert_true((fcntl(adopted.fd, F_GETFL) & O_NONBLOCK) != 0);
    listener_close(&listener, true);
}

TEST(an_address_is_the_same_however_it_is_written) {
    assert_true(listener_address_equal(STR("[0:0::1]:10035"), STR("[::1]:10035")));
    assert_true(listener_address_equal(STR("127.0.0.1:10035"), STR("127.0.0.1:10035")));
    assert_false(listener_address_equal(STR("127.0.0.1:10035"), STR("127.0.0.1:10036")));
    assert_false(listener_address_equal(STR("127.0.0.1:10035"), STR("127.0.0.2:10035")));
    assert_false(listener_address_equal(STR("[::]:10035"), STR("0.0.0.0:10035")));
    assert_true(listener_address_equal(STR("unix:/run/a"), STR("unix:/run/a")));
    assert_false(listener_address_equal(STR("unix:/run/a"), STR("unix:/run/b")));
}

TEST(what_does_not_listen_is_not_adopted) {
    int pair[2];
    struct listener adopted;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(listener_adopt(pair[0], &adopted), -EINVAL);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

TEST(an_address_that_is_none_is_refused_with_an_example) {
    static const char *const wrong[] = {"10035",           "localhost:10035", "::1:10035",
                                        "127.0.0.1:70000", "[127.0.0.1]:1",   "127.0.0.1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        test_case(wrong[i]);
        struct listener listener;
        struct text problem = TEXT_OVER(problem_bytes);
        assert_int_equal(listener_open(str_from(wrong[i]), 0600, &listener, &problem), -EINVAL);
        assert_says(&problem, "127.0.0.1:10035");
    }
}
