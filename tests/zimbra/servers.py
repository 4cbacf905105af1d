# SPDX-License-Identifier: Apache-2.0
"""What stands around the fake Zimbra: a policy service that remembers, a login service, and a real
Postfix on the files that zmconfigd made."""
import base64
import os
import pathlib
import pwd
import socket
import socketserver
import subprocess
import threading
import time

import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from daemon import free_port  # noqa: E402
from zimbra import Zimbra  # noqa: E402


class PolicyServer:
    def __init__(self):
        self.asked = []
        self.action = "DUNNO"
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                request = {}
                for line in self.rfile:
                    name, equals, value = line.decode().rstrip("\n").partition("=")
                    if equals:
                        request[name] = value
                        continue
                    outer.asked.append(request)
                    request = {}
                    try:
                        self.wfile.write(f"action={outer.action}\n\n".encode())
                    except OSError:
                        return

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

            def process_request(self, request, address):
                outer.connections.append(request)
                super().process_request(request, address)

        self.connections = []
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def forget(self):
        asked, self.asked = self.asked, []
        return asked

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Logins(socketserver.ThreadingUnixStreamServer):
    """As much of Dovecot's login protocol as Postfix asks for; the password is "right"."""
    daemon_threads = True
    block_on_close = False

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t" + b"0" * 32 + b"\nDONE\n")
            for line in self.rfile:
                words = line.decode().rstrip("\n").split("\t")
                if words[0] != "AUTH":
                    continue
                given = next((word[5:] for word in words if word.startswith("resp=")), "")
                _, user, password = base64.b64decode(given).decode().split("\0")
                good = password == "right"
                self.wfile.write(f"OK\t{words[1]}\tuser={user}\n".encode() if good else f"FAIL\t{words[1]}\n".encode())


class Mta:
    def __init__(self):
        self.ports = {name: free_port() for name in ("smtp", "465", "submission", "amavis")}
        places = {name: f"127.0.0.1:{port}" if name != "amavis" else port for name, port in self.ports.items()}
        # On 127.0.0.1 a port of users would count as one of this host only.
        places["465"] = str(self.ports["465"])
        places["submission"] = str(self.ports["submission"])
        self.zimbra = Zimbra("10.1.0", ports=places)
        folder = self.zimbra.folder
        for name in ("spool", "postfix-data", "log"):
            (folder / name).mkdir()
        owner = pwd.getpwnam("postfix")
        os.chown(folder / "postfix-data", owner.pw_uid, owner.pw_gid)
        self.logins = Logins(str(folder / "logins"), Logins.Handler)
        os.chmod(folder / "logins", 0o666)
        threading.Thread(target=self.logins.serve_forever, daemon=True).start()
        self.log = folder / "log" / "mail.log"
        with open(self.zimbra.postfix / "main.cf", "a") as main:
            main.write(f"""
queue_directory = {folder}/spool
data_directory = {folder}/postfix-data
maillog_file = {self.log}
maillog_file_prefixes = {folder}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_sasl_type = dovecot
smtpd_sasl_path = {folder}/logins
smtpd_sasl_security_options = noanonymous
relay_domains = example.net
relay_transport = discard:
default_transport = discard:
relay_recipient_maps =
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
""")
        # Names are not looked up here.
        self.zimbra.change_ldap(lambda ldap: ldap["global"].update(
            zimbraMtaRestriction=["reject_non_fqdn_sender"], zimbraMtaMyNetworks=["192.0.2.250/32"]))
        self.zimbra.restart()

    def postfix(self, verb):
        return subprocess.run(["postfix", "-c", self.zimbra.postfix, verb], capture_output=True, text=True)

    def start(self):
        done = self.postfix("start")
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.ports["submission"]), 2).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"Postfix does not listen: {done.stderr} {self.said()}")

    def reload(self):
        self.postfix("reload")
        time.sleep(1)

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def swaks(self, port, *words, client="192.0.2.1"):
        done = subprocess.run(
            ["swaks", "--server", f"127.0.0.1:{self.ports[port]}", "--xclient-addr", client, "--xclient-name",
             "mail.example.org", "--helo", "mail.example.org", "--suppress-data", "--timeout", "20", *words],
            capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr + ("" if done.returncode == 0 else self.said()[-1500:]), done.returncode

    def clean(self):
        self.postfix("stop")
        self.logins.shutdown()
        self.zimbra.clean()
