# SPDX-License-Identifier: Apache-2.0
"""A real seczim-daemon in a folder of its own, and the two ways to talk to it."""
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SECZIM_BUILD", ROOT / "build" / "debug"))
DATA = pathlib.Path(os.environ.get("SECZIM_DATA", ROOT.parent / "shared" / "data"))

PORTS_TAKEN = []
POSTFIX_ATTRIBUTES = (
    "request protocol_state protocol_name client_address client_name client_port reverse_client_name "
    "server_address server_port helo_name sender recipient recipient_count queue_id instance size "
    "etrn_domain stress sasl_method sasl_username sasl_sender ccert_subject ccert_issuer "
    "ccert_fingerprint ccert_pubkey_fingerprint encryption_protocol encryption_cipher "
    "encryption_keysize policy_context").split()


def request_bytes(**values):
    """One request with every attribute that Postfix 3.7 sends, in its order."""
    filled = {"request": "smtpd_access_policy", "protocol_state": "RCPT", "protocol_name": "ESMTP",
              "client_name": "unknown", "reverse_client_name": "unknown", "client_port": "0",
              "recipient_count": "0", "size": "0", "encryption_keysize": "0", **values}
    lines = [f"{name}={filled.get(name, '')}" for name in POSTFIX_ATTRIBUTES]
    return ("\n".join(lines) + "\n\n").encode("utf-8", "surrogateescape")


class UnixHttp(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class PolicyClient:
    """A persistent connection, one request at a time, as an smtpd process has it."""

    def __init__(self, address, timeout=15):
        if isinstance(address, tuple):
            self.socket = socket.create_connection(address, timeout)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        self.pending = b""

    def send(self, data):
        self.socket.sendall(data)

    def answer(self):
        """The action, or None when the server closed the connection."""
        while b"\n\n" not in self.pending:
            try:
                got = self.socket.recv(65536)
            except ConnectionResetError:
                got = b""
            if not got:
                return None
            self.pending += got
        answer, self.pending = self.pending.split(b"\n\n", 1)
        assert answer.startswith(b"action="), answer
        return answer[len(b"action="):].decode("utf-8", "replace")

    def ask(self, **values):
        self.send(request_bytes(**values))
        return self.answer()

    def close(self):
        self.socket.close()


def free_port():
    """Below the ports that the system gives out by itself: none of those gets in before who asks for it. Nor does
    another test: a name without a file says that it is ours, until this process ends."""
    while True:
        port = random.randrange(15000, 32000)
        taken = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe, contextlib.suppress(OSError):
            taken.bind(f"\0seczim-test-port-{port}")
            probe.bind(("127.0.0.1", port))
            PORTS_TAKEN.append(taken)
            return port
        taken.close()


def settings_without_dns(settings):
    off = "policies:\n  rbl: {enabled: false}\n  spf: {enabled: false}\n"
    return settings.replace("policies:\n", off, 1) if "policies:\n" in settings else off + settings


class Daemon:
    """start(), stop(), kill(); the folder stays until clean(). Settings are lines of seczim.yaml. Policies that
    ask the DNS are off unless it is given the address of one."""

    def __init__(self, settings="", program="seczim-daemon", environment=None, port=None, data=None, build=None,
                 dns=None):
        self.dns = dns
        # World-readable: a mail server's processes have to reach the sockets.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="seczim-run-"))
        self.folder.chmod(0o755)
        # The journal's ring belongs on tmpfs, as /run is on a real system.
        shm = pathlib.Path("/dev/shm")
        self.runtime = pathlib.Path(tempfile.mkdtemp(prefix="seczim-run-", dir=shm if shm.is_dir() else None))
        self.runtime.chmod(0o755)
        self.data = data or self.folder / "data"
        self.port = port or free_port()
        self.unix = str(self.folder / "policy.sock")
        self.control_path = str(self.folder / "control.sock")
        self.log = self.folder / "daemon.log"
        self.program = pathlib.Path(build or BUILD) / "src" / "daemon" / program
        self.environment = environment or {}
        self.prefix = []  # of the command, such as setpriv with its options
        self.process = None
        self.write_settings(settings)

    def write_settings(self, settings):
        base = (f"paths:\n  data: {self.data}\n  runtime: {self.runtime}\n"
                f"  control_socket: {self.control_path}\nlog:\n  path: {self.log}\n")
        if "policy_server:" not in settings:
            settings = "policy_server:\n" + settings_listen(self) + settings
        else:
            settings = settings.replace("policy_server:\n", "policy_server:\n" + settings_listen(self), 1)
        if self.dns and "dns:\n" not in settings:
            base += f"dns:\n  servers: [\"{self.dns}\"]\n"
        elif not self.dns:
            settings = settings_without_dns(settings)
        (self.folder / "seczim.yaml").write_text(base + settings)
        self.data.mkdir(exist_ok=True)

    def start(self, wait=20):
        self.process = subprocess.Popen(
            [*self.prefix, self.program, "--config", self.folder / "seczim.yaml"],
            env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL,
            stdout=open(self.folder / "stdout", "ab"), stderr=subprocess.STDOUT)
        self.wait_ready(wait)
        return self

    def wait_ready(self, wait=20):
        deadline = time.monotonic() + wait
        while True:
            try:
                return self.control("GET", "/v1/status")
            except (OSError, http.client.HTTPException):
                if self.process and self.process.poll() is not None:
                    raise RuntimeError(f"daemon ended with {self.process.returncode}:\n{self.said()}")
                if time.monotonic() > deadline:
                    raise RuntimeError(f"daemon not ready after {wait} s:\n{self.said()}")
                time.sleep(0.02)

    def said(self):
        text = (self.folder / "stdout").read_text(errors="replace")
        if self.log.exists():
            text += self.log.read_text(errors="replace")
        return text[-4000:]

    def control(self, method, path, body=None, timeout=30):
        connection = UnixHttp(self.control_path, timeout)
        headers = {} if body is None else {"Content-Type": "application/json"}
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
        connection.request(method, path, data, headers)
        response = connection.getresponse()
        payload = response.read()
        connection.close()
        answer = json.loads(payload) if payload else {}
        if isinstance(answer, dict):
            answer["_status"] = response.status
        return answer

    def client(self, unix=False):
        return PolicyClient(self.unix if unix else ("127.0.0.1", self.port))

    def recorded(self, timeout=20):
        """Waits until the recorder has handled everything that is journaled by now."""
        target = int(self.control("GET", "/v1/status")["journal"]["next_sequence"]) - 1
        deadline = time.monotonic() + timeout
        while int(self.control("GET", "/v1/status")["recorder"]["position"]) < target:
            if time.monotonic() > deadline:
                raise RuntimeError("the recorder does not catch up")
            time.sleep(0.01)

    def sessions(self, **filters):
        """Every row of history that matches, oldest first."""
        rows, cursor = [], None
        while True:
            query = "&".join(f"{k}={v}" for k, v in {**filters, "order": "oldest", "limit": 500}.items())
            page = self.control("GET", f"/v1/sessions?{query}" + (f"&cursor={cursor}" if cursor else ""))
            rows += page["items"]
            cursor = page["next"]
            if cursor is None:
                return rows

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        return self.process.returncode if self.process else None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)

    def clean(self):
        self.kill()
        # One that was restarted in place has another number.
        for command in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if str(self.folder / "seczim.yaml").encode() in command.read_bytes().split(b"\0") and \
                        "daemon" in os.readlink(command.parent / "exe"):
                    os.kill(int(command.parent.name), signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.runtime, ignore_errors=True)


def settings_listen(daemon):
    return f"  listen:\n    - 127.0.0.1:{daemon.port}\n    - unix:{daemon.unix}\n"
