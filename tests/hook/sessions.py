# SPDX-License-Identifier: Apache-2.0
"""Real mail servers: `seczim postfix enable` on a running Postfix, then SMTP sessions as strangers, local
users and users of the submission port."""
import re
import smtplib
import subprocess
import time
import traceback

from daemon import free_port
from hook_world import PolicyService, Sample
from postfix import MASTER

STRANGER, OURS = "198.51.100.7", "192.0.2.250"
SETTINGS = f"""
myhostname = mx.example.net
mydestination =
mynetworks = {OURS}/32
inet_interfaces = 127.0.0.1,localhost
smtpd_authorized_xclient_hosts = 127.0.0.0/8
relay_domains = example.net
relay_recipient_maps =
relay_transport = discard:
default_transport = discard:
local_transport = discard:
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
content_filter =
"""


class MailServer:
    """A sample, listening on ports of its own instead of 25, 465 and 587."""

    def __init__(self, name):
        self.sample = Sample(name)
        main, master = (data.decode() for data in self.sample.bytes())
        main = re.sub(r",\s*reject_rbl_client \S+|reject_rbl_client \S+", "", main)  # no name server here
        self.ports = {}
        master = re.sub(r"^(127\.0\.0\.1:)?(\w+)(\s+inet\s.*smtpd)", self.move, master, flags=re.M)
        master = re.sub(r"^ +-o smtpd_tls_(security_level=encrypt|wrappermode=yes|auth_only=yes)\n", "", master, flags=re.M)
        there = {tuple(line.split()[:2]) for line in master.splitlines() if line[:1].isalpha()}
        for line in MASTER.splitlines():
            if line and not line.startswith("{port}") and tuple(line.split()[:2]) not in there:
                master = master.rstrip("\n") + "\n" + line + "\n"
        self.sample.write(main.rstrip("\n") + "\n" + SETTINGS, master)
        subprocess.run(["postfix", "-c", self.sample.config, "start"], check=True, capture_output=True)
        self.wait()

    def move(self, found):
        self.ports[found[2]] = free_port()
        return f"127.0.0.1:{self.ports[found[2]]}{found[3]}"

    def wait(self):
        for port in self.ports.values():
            deadline = time.monotonic() + 15
            while True:
                try:
                    smtplib.SMTP("127.0.0.1", port, timeout=5).quit()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise RuntimeError((self.sample.folder / "mail.log").read_text())
                    time.sleep(0.1)

    def send(self, client, recipient, service="smtp", sender="a@example.org"):
        """The codes of RCPT and of the end of data (0: not reached)."""
        with smtplib.SMTP("127.0.0.1", self.ports[service], timeout=20) as smtp:
            smtp.ehlo("client.example.org")
            smtp.docmd("XCLIENT", f"ADDR={client} NAME=[UNAVAILABLE]")
            smtp.ehlo("client.example.org")
            smtp.mail(sender)
            code, said = smtp.rcpt(recipient)
            if code != 250:
                return code, 0
            code_data, _ = smtp.data(b"Subject: x\r\n\r\nx\r\n")
            return code, code_data

    def clean(self):
        subprocess.run(["postfix", "-c", self.sample.config, "stop"], capture_output=True)
        self.sample.clean()


def asked_for(policy, state, recipient=None):
    return [r for r in policy.asked(state) if recipient in (None, r.get("recipient"))]


def sends_mail(tap, server, policy, name, outbound_seen):
    """What every sample must do."""
    code, _ = server.send(STRANGER, "x@foreign.example")
    tap.check(code in (554, 454), f"{name}: a stranger may not send to a foreign domain", code)
    tap.equal(server.send(STRANGER, "in@example.net"), (250, 250), f"{name}: a stranger reaches our domain")
    asked = asked_for(policy, "RCPT", "in@example.net")
    tap.check(asked and asked[0]["client_address"] == STRANGER, f"{name}: SecZim is asked about inbound mail", asked)
    ends = len(policy.asked("END-OF-MESSAGE"))
    tap.check(ends >= 1, f"{name}: and about the end of the message", policy.requests[-1:])
    tap.equal(server.send(OURS, "out@foreign.example"), (250, 250), f"{name}: our own networks send anywhere")
    tap.equal(bool(asked_for(policy, "RCPT", "out@foreign.example")), outbound_seen,
              f"{name}: outbound mail is {'seen' if outbound_seen else 'not seen, as enable said'}")
    tap.check(len(policy.asked("END-OF-MESSAGE")) == ends + 1, f"{name}: and counted when complete")


def never_an_open_relay(tap, server, policy, name):
    """Even if what answers on our port said OK to everything."""
    policy.action = "OK"
    code, _ = server.send(STRANGER, "y@foreign.example")
    tap.check(code in (554, 454), f"{name}: not even an OK makes an open relay", code)
    policy.action = "554 5.7.1 no"
    tap.equal(server.send(STRANGER, "refused@example.net")[0], 554, f"{name}: a refusal is one")
    policy.action = "DUNNO"


def submission_is_seen(tap, server, policy, name):
    code, _ = server.send(OURS, "s@foreign.example", service="submission")
    tap.check(code == 554, f"{name}: submission wants a login", code)
    tap.check(asked_for(policy, "RCPT", "s@foreign.example"), f"{name}: SecZim is asked there too")


def filter_is_not_asked_twice(tap, server, policy, name):
    before = len(policy.requests)
    tap.equal(server.send("127.0.0.1", "back@foreign.example", service="10025"), (250, 250),
              f"{name}: mail comes back from the filter")
    tap.equal(policy.requests[before:], [], f"{name}: and SecZim is not asked a second time")


def others_stay(tap, server, policy, name, postgrey):
    tap.check(asked_for(postgrey, "RCPT", "in@example.net"), f"{name}: postgrey is asked as before", postgrey.requests)


def goes_on_without_us(tap, server, policy, name):
    policy.close()
    started = time.monotonic()
    tap.equal(server.send(STRANGER, "alone@example.net"), (250, 250), f"{name}: with SecZim stopped mail is accepted")
    tap.check(time.monotonic() - started < 8, f"{name}: after a second or two")


def rolls_back(tap, server, name):
    """The service dies at the moment of the change: everything is put back."""
    first = server.sample.bytes()
    policy = PolicyService()
    policy.action = ""  # It speaks, but not as a policy service does.
    policy.serve = lambda connection: connection.sendall(b"hello\n\n")
    code, out, err = server.sample.seczim("enable", "--endpoint", f"inet:127.0.0.1:{policy.port}")
    tap.check(code == 1 and "does not answer as a policy service" in err, f"{name}: a stranger on our port is told", err)
    tap.equal(server.sample.bytes(), first, f"{name}: and nothing is changed")
    policy.close()
    policy = PolicyService(action="OK")
    code, out, err = server.sample.seczim("enable", "--endpoint", f"inet:127.0.0.1:{policy.port}")
    tap.check(code == 1 and 'answers "OK" to a mere connection' in err, f"{name}: a service that answers OK is told", err)
    tap.equal(server.sample.bytes(), first, f"{name}: and gets no hook")
    policy.close()
    policy = DiesAfter(1)
    code, out, err = server.sample.seczim("enable", "--endpoint", f"inet:127.0.0.1:{policy.port}")
    tap.check(code == 1 and "put back" in err, f"{name}: when the probe after the change fails, all is put back", out + err)
    tap.check(server.sample.bytes() == first and not (server.sample.config / "seczim-hook").exists(),
              f"{name}: to the byte")
    tap.equal(server.send(STRANGER, "back@example.net"), (250, 250), f"{name}: and mail is accepted")


class DiesAfter(PolicyService):
    """Answers so many connections, then closes its door."""

    def __init__(self, count):
        self.left = count
        super().__init__()

    def serve(self, connection):
        self.left -= 1
        if self.left == 0:
            self.socket.close()
        super().serve(connection)


def story(tap, name):
    server = MailServer(name)
    policy = PolicyService()
    postgrey = PolicyService(10023) if name == "postgrey" else None
    endpoint = ("--endpoint", f"inet:127.0.0.1:{policy.port}")
    try:
        if name == "plain":
            rolls_back(tap, server, name)
        first = server.sample.state()
        code, out, err = server.sample.seczim("enable", *endpoint)
        tap.check(code == 0 and "Postfix was reloaded" in out, f"{name}: enable on a running Postfix", out + err)
        tap.check("still greets" not in out, f"{name}: and asked whether it greets", out)
        time.sleep(0.3)  # Processes of before the reload end with their present session.
        sends_mail(tap, server, policy, name, outbound_seen=not name.startswith("old-style"))
        never_an_open_relay(tap, server, policy, name)
        if name == "submission-overrides":
            submission_is_seen(tap, server, policy, name)
        if name.startswith("amavis"):
            filter_is_not_asked_twice(tap, server, policy, name)
        if postgrey:
            others_stay(tap, server, policy, name, postgrey)
        if name == "plain":
            goes_on_without_us(tap, server, policy, name)
        code, out, err = server.sample.seczim("disable", *endpoint)
        tap.check(code == 0 and server.sample.state() == first, f"{name}: disable on a running Postfix", out + err)
        before = len(policy.requests)
        time.sleep(0.3)
        tap.equal(server.send(STRANGER, "after@example.net"), (250, 250), f"{name}: mail goes on afterwards")
        tap.equal(len(policy.requests), before, f"{name}: without SecZim")
    finally:
        server.clean()
        if postgrey:
            postgrey.close()


class Claims:
    """What one story says, printed when it has ended: stories run beside each other."""

    def __init__(self):
        self.said = []

    def check(self, ok, what, detail=""):
        self.said.append((bool(ok), what, detail))

    def equal(self, got, expected, what):
        self.check(got == expected, what, f"got      {got!r}\nexpected {expected!r}")


def play_session(name):
    claims = Claims()
    try:
        story(claims, name)
    except Exception:  # whatever it is, it is a failure of this story
        claims.check(False, f"{name}: the story ends", traceback.format_exc())
    return claims.said


SESSIONS = ("plain", "debian-default", "submission-overrides", "amavis-without-end-of-data", "old-style", "postgrey",
            "references")
