# SPDX-License-Identifier: Apache-2.0
"""A real seczim-api beside a Daemon, and ways to ask it."""
import http.client
import json
import re
import signal
import subprocess
import time

from daemon import BUILD, UnixHttp, free_port

PREFIX = "/api/v1"
PASSWORD = "seven green lamps at noon"
SCOPES = ["read", "lists", "quotas", "restrictions", "reputation", "greylist", "policies", "settings", "users", "tokens",
          "audit", "system"]


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def __repr__(self):
        return f"{self.status} {self.headers.get('Content-Type')} {self.body[:600]!r}"


class Session:
    """A browser that is logged in."""

    def __init__(self, api, cookie, csrf):
        self.api, self.cookie, self.csrf = api, cookie, csrf

    def ask(self, method, path, body=None, headers=None):
        return self.api.ask(method, path, body, {"Cookie": self.cookie, "X-CSRF-Token": self.csrf, **(headers or {})})


class Api:
    """Before daemon.start(): both read one seczim.yaml. `settings` are lines of its part `api:`, indented by two blanks."""

    def __init__(self, daemon, settings=""):
        self.daemon = daemon
        self.port, self.metrics_port = free_port(), free_port()
        self.data = daemon.folder / "api"
        self.socket = str(daemon.folder / "api.sock")
        self.log = daemon.folder / "api.log"
        self.output = daemon.folder / "api-stdout"
        self.config = daemon.folder / "seczim.yaml"
        self.process = None
        self.prefix = []  # of the command, as of the daemon
        self.data.mkdir(exist_ok=True)
        text = self.config.read_text()
        text = text.replace("paths:\n", f"paths:\n  api_data: {self.data}\n  api_socket: {self.socket}\n", 1)
        text = text.replace("log:\n", f"log:\n  api_path: {self.log}\n", 1)
        text += (f"api:\n  listen: [127.0.0.1:{self.port}]\n  metrics_listen: [127.0.0.1:{self.metrics_port}]\n" + settings)
        self.config.write_text(text)

    def start(self, wait=20):
        self.process = subprocess.Popen([*self.prefix, BUILD / "src" / "api" / "seczim-api", "--config", self.config],
                                        stdin=subprocess.DEVNULL, stdout=open(self.output, "ab"), stderr=subprocess.STDOUT)
        deadline = time.monotonic() + wait
        while True:
            try:
                if self.ask("GET", "/health").status == 200:
                    return self
            except (OSError, http.client.HTTPException):
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"seczim-api is not there (ended with {self.process.poll()}):\n{self.said()}")
            time.sleep(0.02)

    def said(self):
        text = self.output.read_text(errors="replace") if self.output.exists() else ""
        return (text + (self.log.read_text(errors="replace") if self.log.exists() else ""))[-6000:]

    def send(self, method, path, body=None, headers=None, unix=False, timeout=60):
        """One request on a connection of its own; `path` whole; `body` JSON, or bytes as they are."""
        connection = UnixHttp(self.socket, timeout) if unix else \
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def ask(self, method, path, body=None, headers=None, token=None, **more):
        """The same below /api/v1. Waits when it is told to (429), as a client should."""
        sent = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        while True:
            reply = self.send(method, PREFIX + path, body, sent, **more)
            if reply.status != 429:
                return reply
            time.sleep(min(2, int(reply.headers["Retry-After"])))

    def first_password(self):
        return re.search(r"one-time password (\S+)", self.output.read_text())[1]

    def log_in(self, name, password, code=None):
        reply = self.ask("POST", "/login", {"name": name, "password": password, **({"code": code} if code else {})})
        if reply.status != 200:
            raise RuntimeError(f"login of {name}: {reply}")
        return Session(self, reply.headers["Set-Cookie"].split(";")[0], reply.json["csrf"])

    def log_in_first(self):
        """The user admin, with the one-time password changed to PASSWORD."""
        session = self.log_in("admin", self.first_password())
        changed = session.ask("PUT", "/me/password", {"current": self.first_password(), "new": PASSWORD})
        if changed.status != 204:
            raise RuntimeError(f"the password cannot be changed: {changed}")
        return self.log_in("admin", PASSWORD)

    def make_token(self, session, role, scopes=None, name=None):
        made = session.ask("POST", "/tokens", {"name": name or f"{role} {'all' if scopes is None else ' '.join(scopes)}"[:60],
                                               "role": role, "scopes": SCOPES if scopes is None else scopes})
        if made.status != 201:
            raise RuntimeError(f"no token: {made}")
        return made.json["token"]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        return self.process.returncode if self.process else None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
