# SPDX-License-Identifier: Apache-2.0
"""kill -9 while users send: what a limit counted before still counts after, and nothing is charged twice."""
import random
import socket
import threading
import time

from daemon import Daemon, request_bytes

USERS = 8
LIMIT = 400  # recipients a day: reached before the end, so that refusals are tested too
RULE = {"subject": "user *", "limit": f"{LIMIT} recipients/day"}


class Sender(threading.Thread):
    """One user on one connection: messages of one to three recipients, each with its end of data. Counts what it
    was told: recipients that were settled, and those whose fate it does not know because the daemon died."""

    def __init__(self, daemon, number, seed):
        super().__init__(daemon=True)
        self.server = daemon
        self.name = f"user{number}@example.net"
        self.chance = random.Random(seed)
        self.settled = self.unknown = self.refused = self.refused_below = 0

    def ask(self, connection, **values):
        connection.sendall(request_bytes(client_address="192.0.2.7", sasl_username=self.name, sender=self.name,
                                         server_port="587", **values))
        answer = b""
        while not answer.endswith(b"\n\n"):
            got = connection.recv(4096)
            if not got:
                raise OSError("closed")
            answer += got
        return answer[len(b"action="):-2].decode()

    def message(self, connection):
        instance = f"{self.chance.getrandbits(48):x}"
        wanted = self.chance.randint(1, 3)
        taken = 0
        for number in range(wanted):
            answer = self.ask(connection, instance=instance, recipient=f"r{number}.{instance}@far.example")
            if answer == "DUNNO":
                taken += 1
            else:
                self.refused += 1
                self.refused_below += self.settled + self.unknown + taken < LIMIT
        if taken and self.chance.random() < 0.8:  # else it is given up: the next instance tells
            self.unknown += taken
            self.ask(connection, protocol_state="END-OF-MESSAGE", instance=instance, recipient_count=str(taken),
                     size="1000", queue_id="ABC")
            self.unknown -= taken
            self.settled += taken

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.server.port), 10) as connection:
                while True:
                    self.message(connection)
        except OSError:
            pass


def usage_survives(tap, settings, build, count, seed):
    chance = random.Random(seed)
    daemon = Daemon(settings + "quotas:\n  end_of_data_hook: on\n", build=build)
    settled, unknown, problems = [0] * USERS, [0] * USERS, []
    refused = 0
    try:
        daemon.start()
        made = daemon.control("POST", "/v1/quotas", RULE)
        assert made["_status"] == 201, made
        for number in range(count):
            if number:
                daemon.start()
            senders = [Sender(daemon, user, seed * 1000 + number * USERS + user) for user in range(USERS)]
            for user, sender in enumerate(senders):
                sender.settled, sender.unknown = settled[user], unknown[user]
                sender.start()
            time.sleep(chance.uniform(0.02, 0.2))
            daemon.kill()
            for user, sender in enumerate(senders):
                sender.join(15)
                settled[user], unknown[user] = sender.settled, sender.unknown
                refused += sender.refused
        daemon.start()
        for user in range(USERS):
            told = daemon.control("GET", f"/v1/quotas/usage?sender=user{user}@example.net")
            used = [limit["used"] for limit in told["items"] if limit["window"] == "day"][0]
            least, most = settled[user], min(LIMIT, settled[user] + unknown[user])
            if not least <= used <= most:
                problems.append(f"user{user}: between {least} and {most} recipients were sent; usage says {used}")
        tap.check(not problems, f"{count} kills while users send (seed {seed}): {sum(settled)} recipients settled, "
                  f"{refused} refused; usage counts each once", "\n".join(problems))
        tap.check(max(settled) <= LIMIT, "and no limit was exceeded", settled)
        tap.check(refused > 0 or sum(settled) < LIMIT, "the limit was reached by somebody", (refused, settled))
    finally:
        daemon.clean()
