# SPDX-License-Identifier: Apache-2.0
"""A load that remembers: every answer that arrived, so that a test can ask later whether it was kept."""
import random
import selectors
import socket
import time

from daemon import request_bytes


class Load:
    """Each connection has keys of its own, so the order of answers to one key is known."""

    def __init__(self, daemon, connections=16, keys=20, seed=1, per_second=None):
        self.daemon = daemon
        self.random = random.Random(seed)
        self.connections = connections
        self.pause = 1 / per_second if per_second else 0
        self.keys = keys
        self.count = 0
        self.answers = {}      # (instance, recipient) -> action
        self.by_key = {}       # (client, sender, recipient) -> [action, ...]
        self.slowest = 0.0

    def instance(self):
        return f"{self.daemon.process.pid:x}.{self.count:x}.{self.random.getrandbits(32):x}"

    def request(self, connection):
        key = self.random.randrange(self.keys)
        number = connection * self.keys + key
        self.count += 1
        names = {"client_address": f"10.{number >> 8 & 255}.{number & 255}.9",
                 "sender": f"s{number}@example.org", "recipient": f"r{number}@example.net"}
        instance = self.instance()
        return names, instance, request_bytes(helo_name="mail.example.org", instance=instance, **names)

    def run(self, seconds, until=None):
        """Runs for so long or until the daemon dies. Returns how many answers arrived."""
        selector = selectors.DefaultSelector()
        waiting = {}
        before = len(self.answers)
        for number in range(self.connections):
            opened = socket.socket(socket.AF_UNIX) if number % 2 else socket.socket()
            opened.settimeout(10)
            try:
                opened.connect(self.daemon.unix if number % 2 else ("127.0.0.1", self.daemon.port))
            except OSError:
                opened.close()
                continue
            selector.register(opened, selectors.EVENT_READ, number)
            self.send(opened, number, waiting)
        end = time.monotonic() + seconds
        while time.monotonic() < end and selector.get_map() and not (until and until()):
            for event, _ in selector.select(0.05):
                if not self.receive(event.fileobj, event.data, waiting):
                    selector.unregister(event.fileobj)
                    event.fileobj.close()
        for key in list(selector.get_map().values()):
            key.fileobj.close()
        selector.close()
        return len(self.answers) - before

    def send(self, opened, number, waiting):
        names, instance, data = self.request(number)
        waiting[number] = (names, instance, time.monotonic())
        try:
            opened.sendall(data)
        except OSError:
            pass

    def receive(self, opened, number, waiting):
        try:
            answer = opened.recv(4096)
        except OSError:
            return False
        if not answer.endswith(b"\n\n"):
            return False
        names, instance, sent = waiting[number]
        self.slowest = max(self.slowest, time.monotonic() - sent)
        action = answer[len(b"action="):-2].decode()
        self.answers[instance, names["recipient"]] = action
        self.by_key.setdefault((names["client_address"], names["sender"], names["recipient"]), []).append(action)
        self.send(opened, number, waiting)
        if self.pause:
            time.sleep(self.pause)
        return True


def lost_rows(load, daemon):
    """What was answered and is not in history, or is there twice, or says something else: sentences."""
    problems, found = [], {}
    daemon.recorded(60)
    for row in daemon.sessions():
        found.setdefault((row["instance"], row["recipient"]), []).append(row["reply"])
    for key, action in load.answers.items():
        rows = found.get(key, [])
        if len(rows) != 1:
            problems.append(f"{key} was answered once and stands {len(rows)} times in history")
        elif rows[0] != action:
            problems.append(f"{key} was answered {action!r}; history says {rows[0]!r}")
    return problems


def lost_state(load, daemon, sample=None):
    """Keys (all, or so many of them) that the state does not know as they were answered: sentences."""
    problems = []
    keys = list(load.by_key.items())
    for (client, sender, recipient), actions in (random.sample(keys, min(sample, len(keys))) if sample else keys):
        state = daemon.control("GET", f"/v1/greylist?client={client}&sender={sender}&recipient={recipient}")
        if actions[-1] == "DUNNO" and state.get("state") != "passed":
            problems.append(f"{sender} was let in; its state is {state}")
        elif state.get("state") not in ("waiting", "passed"):
            problems.append(f"{sender} was greylisted; its state is {state}")
        elif state["attempts"] < len(actions):
            problems.append(f"{sender} has {len(actions)} answers and {state['attempts']} attempts")
    return problems


def lost(load, daemon, sample=None):
    return lost_rows(load, daemon) + lost_state(load, daemon, sample)
