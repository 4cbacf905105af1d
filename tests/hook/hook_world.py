# SPDX-License-Identifier: Apache-2.0
"""What the stories of tests/hook share: a sample's configuration folder, what Postfix's own postconf
says of it, a policy service that writes down what it is asked, and an oracle for open relays."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from daemon import BUILD  # noqa: E402

PROGRAM = BUILD / "src" / "cli" / "seczim"
PROGRAM_WITH_FAILPOINTS = BUILD / "src" / "cli" / "seczim_failpoints"
PORT = 10035  # the default; a service of ours answers there while the samples run
LONG_AGO = (1_000_000_000, 1_000_000_000)


class PolicyService:
    """Answers every request with `action` and keeps what it was asked."""

    def __init__(self, port=0, action="DUNNO", path=None):
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(path)
            os.chmod(path, 0o666)
        else:
            self.socket = socket.socket()
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(("127.0.0.1", port))
            self.port = self.socket.getsockname()[1]
        self.socket.listen(64)
        self.action = action
        self.requests = []
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        pending = b""
        while True:
            try:
                got = connection.recv(65536)
            except OSError:
                return
            if not got:
                return
            pending += got
            while b"\n\n" in pending:
                request, pending = pending.split(b"\n\n", 1)
                self.requests.append(dict(line.split("=", 1) for line in request.decode().splitlines()))
                try:
                    connection.sendall(f"action={self.action}\n\n".encode())
                except OSError:
                    return

    def asked(self, state):
        return [r for r in self.requests if r.get("protocol_state") == state]

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def memory_folder():
    shm = pathlib.Path("/dev/shm")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="seczim-hook-test-", dir=shm if shm.is_dir() else None))
    folder.chmod(0o755)
    return folder


class Sample:
    """A sample's files in a folder of their own."""

    def __init__(self, name, config=None):
        self.name = name
        self.folder = memory_folder()
        self.config = self.folder / "etc"
        self.config.mkdir()
        (self.folder / "spool").mkdir()
        (self.folder / "data").mkdir()
        shutil.chown(self.folder / "data", "postfix")
        (self.folder / "empty.yaml").write_text("# as it comes\n")
        source = HERE / "samples" / name
        # At the top, so that what ends the sample's file ends this one.
        self.first = (f"queue_directory = {self.folder}/spool\ndata_directory = {self.folder}/data\n"
                      f"maillog_file = {self.folder}/mail.log\nmaillog_file_prefixes = {self.folder}\n"
                      "inet_protocols = ipv4\n")
        self.write(self.first + (source / "main.cf").read_text(), (source / "master.cf").read_text())

    def write(self, main, master):
        (self.config / "main.cf").write_text(main)
        (self.config / "master.cf").write_text(master)
        self.age()

    def age(self):
        """Postfix reads a file that is not a second old again and again; these are complete."""
        for name in ("main.cf", "master.cf"):
            if (self.config / name).exists():
                os.utime(self.config / name, LONG_AGO)

    def bytes(self):
        return tuple((self.config / name).read_bytes() for name in ("main.cf", "master.cf"))

    def own(self, data):
        """A file's text without the folder's name, to compare folders."""
        return data.decode().replace(str(self.folder), "FOLDER")

    def seczim(self, *arguments, program=PROGRAM, environment=None, user=None):
        self.age()
        done = subprocess.run([program, "postfix", *arguments, "--config-directory", self.config],
                              capture_output=True, text=True, timeout=180, user=user,
                              env={**os.environ, "SECZIM_CONFIG": str(self.folder / "empty.yaml"), **(environment or {})})
        self.age()
        return done.returncode, done.stdout, done.stderr

    def postconf(self, *options):
        done = subprocess.run(["postconf", "-c", self.config, *options], capture_output=True, text=True)
        return done.stdout

    def state(self):
        """What postconf says is set, as {name: value}, and the services."""
        lines = self.postconf("-n").splitlines() + self.postconf("-P").splitlines()
        values = dict(map(str.strip, line.split("=", 1)) for line in lines)
        values.pop("config_directory", None)
        return values, self.services()

    def services(self):
        """Each line of postconf -M without its -o options."""
        return [" ".join(word for word in split_outside_braces(re.sub(r" -o +", " -o", line))
                         if not word.startswith("-o")) for line in self.postconf("-M").splitlines()]

    def clean(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def split_outside_braces(text):
    words, depth = [""], 0
    for c in text:
        depth += {"{": 1, "}": -1}.get(c, 0)
        if c == " " and depth == 0:
            words.append("")
        else:
            words[-1] += c
    return [word for word in words if word]


OURS = re.compile(r"check_policy_service[\s,]+(\{\s*inet:(127\.0\.0\.1|localhost):10035[^}]*\}"
                  r"|inet:(127\.0\.0\.1|localhost):10035)[\s,]*")
GOOD = re.compile(r"check_policy_service[\s,]+\{ ?inet:127\.0\.0\.1:10035, ?timeout=10s, ?default_action=DUNNO ?\}")


def without_ours(value):
    return [word for word in re.split(r"[\s,]+", OURS.sub("", value)) if word]


def same_but_ours(before, after):
    """Names whose values differ by more than our element; one that is new must hold nothing else."""
    return [name for name in {*before, *after}
            if without_ours(before.get(name, "")) != without_ours(after.get(name, ""))]


# What a stranger meets who sends to a foreign domain: written apart from the program's own judgement.
TAKES_WORD = re.compile(r"check_.*_access|check_policy_service|reject_r?h?s?bl.*|permit_(dns|rhs)wl_client|sleep")
REFUSES = {"reject", "defer", "reject_unauth_destination", "defer_unauth_destination", "defer_if_permit"}


def words_of(value):
    value = re.sub(r"\{[^{}]*\}", lambda found: "{" + re.sub(r"[\s,]+", ";", found[0][1:-1]) + "}", value)
    return [word for word in re.split(r"[\s,]+", value) if word]


def refuses_stranger(value):
    words = iter(words_of(value))
    for word in words:
        if word == "warn_if_reject":
            next(words, None)
        elif TAKES_WORD.fullmatch(word):
            next(words, None)  # DUNNO for this stranger
        elif word in REFUSES:
            return True
        elif word == "permit":
            return False
    return False


def open_services(sample):
    """smtpd services that relay for strangers."""
    used = dict(map(str.strip, line.split("=", 1)) for line in sample.postconf(
        "-x", "smtpd_relay_restrictions", "smtpd_recipient_restrictions").splitlines())
    own = dict(map(str.strip, line.split("=", 1)) for line in sample.postconf("-x", "-P").splitlines())
    found = set()
    for line in sample.postconf("-M").splitlines():
        fields = line.split()
        if fields[7] == "smtpd":
            lists = [own.get(f"{fields[0]}/{fields[1]}/{name}", used.get(name, "")) for name in
                     ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")]
            if not any(map(refuses_stranger, lists)):
                found.add(fields[0])
    return found
