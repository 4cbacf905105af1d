/* SPDX-License-Identifier: Apache-2.0 */
/* bench_dns PORT DELAY_MS: a DNS server on 127.0.0.1 that answers every question after the same
 * delay, for measuring what facts cost: TXT is an SPF record that passes nobody's test by a look-up
 * more ("v=spf1 ip4:10.0.0.0/8 ip4:192.0.2.0/24 ~all"), A below "listed." is 127.0.0.2, anything
 * else does not exist. Prints how many it answered when it is ended by SIGTERM. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    WAITING_MAX = 65536,
    MESSAGE_MAX = 512,
    HEADER = 12,
    TYPE_A = 1,
    TYPE_TXT = 16,
    TTL_S = 300
};

/* One delay for all: who came first is answered first. */
struct waiting {
    struct sockaddr_in peer;
    int64_t due_ns;
    size_t length;
    unsigned char message[MESSAGE_MAX];
};

static struct waiting *waiting;
static size_t first;
static size_t count;
static unsigned long long answered;
static volatile sig_atomic_t ended;

static void on_term(int number) {
    (void)number;
    ended = 1;
}

static int64_t now_ns(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void put16(unsigned char *at, unsigned value) {
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

/* Where the question ends; 0: it is none. */
static size_t question_end(const struct waiting *one) {
    size_t at = HEADER;
    while (at < one->length && one->message[at] != 0) {
        at += (size_t)one->message[at] + 1;
    }
    return at + 5 <= one->length ? at + 5 : 0;
}

static size_t add_record(unsigned char *out, unsigned type, const void *data, size_t length) {
    static const unsigned char name[2] = {0xc0, HEADER};
    memcpy(out, name, 2);
    put16(out + 2, type);
    put16(out + 4, 1);
    put16(out + 6, 0);
    put16(out + 8, TTL_S);
    put16(out + 10, (unsigned)length);
    memcpy(out + 12, data, length);
    return 12 + length;
}

/* The root's SOA with a minimum of TTL_S, for what does not exist. */
static size_t add_soa(unsigned char *out) {
    static const unsigned char fixed[12] = {0, 0,  6, 0, 1, 0, 0, TTL_S >> 8, TTL_S & 0xff,
                                            0, 22, 0};
    unsigned char *at = out;
    memcpy(at, fixed, sizeof fixed);
    memset(at + 11, 0, 22);
    put16(at + 11 + 20, TTL_S);
    return 11 + 22;
}

static size_t answer(struct waiting *one) {
    static const char record[] = "\x2fv=spf1 ip4:10.0.0.0/8 ip4:192.0.2.0/24 ?all    ";
    static const unsigned char listed[4] = {127, 0, 0, 2};
    const size_t end = question_end(one);
    if (end == 0) {
        return 0;
    }
    unsigned char *message = one->message;
    const unsigned type = (unsigned)message[end - 4] << 8 | message[end - 3];
    const int is_listed = memmem(message + HEADER, end - HEADER, "\6listed", 7) != NULL;
    const int found = type == TYPE_TXT || (type == TYPE_A && is_listed);
    message[2] = 0x81;
    message[3] = found ? 0x80 : 0x83;
    put16(message + 6, found ? 1 : 0);
    put16(message + 8, found ? 0 : 1);
    put16(message + 10, 0);
    if (!found) {
        return end + add_soa(message + end);
    }
    return end + (type == TYPE_TXT ? add_record(message + end, TYPE_TXT, record, 48)
                                   : add_record(message + end, TYPE_A, listed, 4));
}

static void take(int fd, int64_t delay_ns) {
    while (count < WAITING_MAX) {
        struct waiting *one = &waiting[(first + count) % WAITING_MAX];
        socklen_t size = sizeof one->peer;
        const ssize_t got = recvfrom(fd, one->message, MESSAGE_MAX - 128, MSG_DONTWAIT,
                                     (struct sockaddr *)&one->peer, &size);
        if (got < HEADER) {
            return;
        }
        one->length = (size_t)got;
        one->due_ns = now_ns() + delay_ns;
        count++;
    }
}

static void send_due(int fd) {
    const int64_t now = now_ns();
    for (; count > 0 && waiting[first].due_ns <= now; count--) {
        struct waiting *one = &waiting[first];
        const size_t length = answer(one);
        if (length > 0) {
            (void)sendto(fd, one->message, length, 0, (const struct sockaddr *)&one->peer,
                         sizeof one->peer);
            answered++;
        }
        first = (first + 1) % WAITING_MAX;
    }
}

int main(int argc, char **argv) {
    if (argc < 3) {
        (void)fprintf(stderr, "usage: bench_dns PORT DELAY_MS\n");
        return 2;
    }
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    const int room = 8 << 20;
    const struct sockaddr_in own = {.sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)atoi(argv[1])),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int64_t delay_ns = (int64_t)atoi(argv[2]) * 1000000;
    waiting = calloc(WAITING_MAX, sizeof *waiting);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (waiting == NULL || bind(fd, (const struct sockaddr *)&own, sizeof own) != 0) {
        perror("bench_dns");
        return 1;
    }
    (void)signal(SIGTERM, on_term);
    while (!ended) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        (void)poll(&wait, 1, count > 0 ? 1 : 100);
        take(fd, delay_ns);
        send_due(fd);
    }
    printf("%llu\n", answered);
    return 0;
}
