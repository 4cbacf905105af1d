# SPDX-License-Identifier: Apache-2.0
"""A Postfix of its own: configuration, queue and log in a temporary folder, mail is discarded."""
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import time

from daemon import free_port

MASTER = """
{port}    inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
anvil     unix - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """`hook` is the element for check_policy_service, as an administrator would write it."""

    def __init__(self, hook, extra=""):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="seczim-postfix-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self.config = self.folder / "etc"
        self.log = self.folder / "log" / "mail.log"
        for name in ("etc", "log", "spool", "data"):
            (self.folder / name).mkdir()
        owner = pwd.getpwnam("postfix")
        os.chown(self.folder / "data", owner.pw_uid, owner.pw_gid)
        (self.config / "master.cf").write_text(MASTER.format(port=f"127.0.0.1:{self.port}"))
        main = f"""
compatibility_level = 3.6
queue_directory = {self.folder}/spool
data_directory = {self.folder}/data
maillog_file = {self.log}
maillog_file_prefixes = {self.folder}
myhostname = mx.example.net
mydestination =
mynetworks = 192.0.2.250/32
inet_interfaces = 127.0.0.1
inet_protocols = all
smtputf8_enable = yes
smtpd_authorized_xclient_hosts = 127.0.0.1
relay_domains = example.net, xn--bcher-kva.example
relay_transport = discard:
default_transport = discard:
local_transport = discard:
relay_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_recipient_restrictions = check_policy_service {hook}
smtpd_end_of_data_restrictions = check_policy_service {hook}
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 100
"""
        # Each key once: every process warns of a second one in the log, whose reader warns too, and has been seen to wait for
        # itself for good when the others had filled its queue.
        given = {line.split("=")[0].strip() for line in extra.splitlines() if "=" in line and not line.startswith((" ", "\t"))}
        kept = [line for line in main.splitlines() if line.split("=")[0].strip() not in given]
        (self.config / "main.cf").write_text("\n".join(kept) + f"\n{extra}\n")

    def start(self):
        subprocess.run(["postfix", "-c", self.config, "start"], check=True, capture_output=True)
        deadline = time.monotonic() + 15
        import socket
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 2).close()
                return self
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("Postfix does not listen: " + self.said())

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self):
        subprocess.run(["postfix", "-c", self.config, "stop"], capture_output=True)

    def clean(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def swaks(self, *arguments, client="192.0.2.1", name="mail.example.org", helo="mail.example.org"):
        """One transaction as if `client` had connected. Returns (all output, exit status)."""
        address = f"IPV6:{client}" if ":" in client else client
        done = subprocess.run(
            ["swaks", "--server", f"127.0.0.1:{self.port}", "--xclient-addr", address,
             "--xclient-name", name, "--xclient-helo", helo, "--helo", helo, "--suppress-data",
             "--timeout", "20", *arguments], capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr, done.returncode
