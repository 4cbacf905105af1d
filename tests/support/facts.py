# SPDX-License-Identifier: Apache-2.0
"""What the tests of facts from the DNS share: a DNS server and a daemon that asks it, names of block lists,
requests whose time is taken.

The clients' addresses are public by the registries, or no list would be asked about them; nobody but our own
server ever is."""
import contextlib
import ipaddress
import threading
import time

from daemon import Daemon, PolicyClient
from dns import DnsServer

ZEN, BARRACUDA = "zen.spamhaus.org", "b.barracudacentral.org"
# The daemon's tables are small in tests, its journal quick.
SMALL = ("state:\n  greylist_capacity: 20000\n  greylist_client_capacity: 20000\njournal:\n  segment_bytes: 1MiB\n"
         "  ring_bytes: 4MiB\n  sync_interval: 10ms\nhistory:\n  min_free_bytes: 0\n")


def list_name(address, zone):
    """What a block list is asked: "4.3.2.1.zen.spamhaus.org"."""
    name = ipaddress.ip_address(address).reverse_pointer
    return name.replace("in-addr.arpa", zone).replace("ip6.arpa", zone)


def test_points(*zones):
    """A zone in which each list lists its test point and nothing else: in good health."""
    points = {}
    for zone in zones:
        points[list_name("127.0.0.2", zone)] = {"A": ["127.0.0.2"]}
        points[list_name("::ffff:7f00:2", zone)] = {"A": ["127.0.0.2"]}
    return points


def listing(address, zone=ZEN, code="127.0.0.2", **behaviour):
    return {list_name(address, zone): {"A": [code], **behaviour}}


def dns_settings(*servers, timeout="1s", tries=2):
    names = ", ".join(f'"{server.at()}"' for server in servers)
    return f"dns:\n  servers: [{names}]\n  timeout: {timeout}\n  tries: {tries}\n"


@contextlib.contextmanager
def running(zone, settings="", servers=None, timeout="1s", **daemon_options):
    """A DNS server (or those of `servers`) and a daemon in front of it; `timeout` is that of one try of two."""
    with contextlib.ExitStack() as stack:
        server = None if servers else stack.enter_context(DnsServer(zone))
        used = servers or [server]
        daemon = Daemon(dns_settings(*used, timeout=timeout) + SMALL + settings, dns=used[0].at(), **daemon_options)
        stack.callback(daemon.clean)
        daemon.start()
        yield (server or servers), daemon


def request(client="1.2.3.4", sender="alice@example.org", recipient="bob@example.net", **values):
    return {"client_address": client, "sender": sender, "recipient": recipient,
            "helo_name": "mail.example.org", **values}


def row_of(daemon, instance):
    """The last row of history of a message."""
    daemon.recorded()
    rows = daemon.sessions(instance=instance)
    assert rows, f"history has no row of instance {instance}"
    return rows[-1]


def wait_for(condition, seconds):
    """What `condition` gives once it is true, or its last value after `seconds`."""
    until = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return value


class Asked(threading.Thread):
    """One request on a connection of its own, the answer and how long it took."""

    def __init__(self, address, **values):
        super().__init__()
        self.client, self.values = PolicyClient(address, timeout=30), values
        self.answer = self.problem = None
        self.took = 0.0
        self.start()

    def run(self):
        began = time.monotonic()
        try:
            self.answer = self.client.ask(**self.values)
        except OSError as problem:
            self.problem = problem
        self.took = time.monotonic() - began

    def done(self):
        self.join(60)
        self.client.close()
        return self


def ask_at_once(daemon, requests):
    """All of them at the same time, each on its own connection; waits for the answers."""
    return [one.done() for one in [Asked(daemon.unix, **values) for values in requests]]


def slowest(asked):
    return max(one.took for one in asked)
