# SPDX-License-Identifier: Apache-2.0
"""A real rbldnsd that serves block lists, and a real unbound that recurses to it, as an administrator has them."""
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

PATH = os.environ["PATH"] + ":/usr/sbin"
HEAD = "$SOA 300 ns.lists.example root.lists.example 1 3600 600 86400 5\n$NS 300 ns.lists.example\n$TTL 5\n"
UNBOUND = """
server:
  interface: 127.0.0.1@{port}
  port: {port}
  do-daemonize: no
  use-syslog: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  module-config: "iterator"
  do-not-query-localhost: no
  hide-identity: yes
{local_data}
stub-zone:
  name: "lists.example"
  stub-addr: 127.0.0.1@{list_port}
remote-control:
  control-enable: no
"""


def program(name):
    return shutil.which(name, path=PATH)


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Lists:
    """`lists` is {zone: lines of an ip4set}, each zone below lists.example; `local_data` lines for unbound."""

    def __init__(self, lists, local_data=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="seczim-lists-"))
        self.folder.chmod(0o755)
        self.list_port, self.port = free_udp_port(), free_udp_port()
        for zone, lines in lists.items():
            self.write(zone, lines)
        lines = "\n".join(f"  local-data: '{line}'" for line in local_data)
        (self.folder / "unbound.conf").write_text(UNBOUND.format(
            port=self.port, folder=self.folder, list_port=self.list_port, local_data=lines))
        user = "rbldns" if any(entry.pw_name == "rbldns" for entry in pwd.getpwall()) else "nobody"
        self.processes = [
            self.run("rbldnsd", "-n", "-u", user, "-w", self.folder, "-c", "1", "-b", f"127.0.0.1/{self.list_port}",
                     *[f"{zone}:ip4set:{zone}" for zone in lists]),
            self.run("unbound", "-d", "-c", self.folder / "unbound.conf")]
        self.wait_ready(next(iter(lists)))

    def write(self, zone, lines):
        """rbldnsd looks at its files every second; unbound knows the old answers for their time to live."""
        new = self.folder / f"{zone}.new"
        new.write_text(HEAD + "\n".join(lines) + "\n")
        new.rename(self.folder / zone)

    def run(self, name, *arguments):
        return subprocess.Popen([program(name), *arguments], stdin=subprocess.DEVNULL,
                                stdout=open(self.folder / f"{name}.log", "ab"), stderr=subprocess.STDOUT)

    def said(self):
        return "".join((self.folder / f"{name}.log").read_text(errors="replace") for name in ("rbldnsd", "unbound"))

    def wait_ready(self, zone):
        """Until unbound finds the test point of the list."""
        labels = f"2.0.0.127.{zone}".split(".")
        name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
        question = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1"
        until = time.monotonic() + 20
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(0.5)
            while time.monotonic() < until:
                try:
                    asker.sendto(question, ("127.0.0.1", self.port))
                    if asker.recv(4096)[6:8] == b"\0\1":
                        return
                    time.sleep(0.1)
                except OSError:
                    time.sleep(0.1)
        self.clean()
        raise RuntimeError(f"the lists do not answer: {self.said()}")

    def at(self):
        return f"127.0.0.1:{self.port}"

    def clean(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)
