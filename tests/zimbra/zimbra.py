# SPDX-License-Identifier: Apache-2.0
"""A fake Zimbra MTA in a temporary folder: the tree, the programs and the behaviour that the hook
meets, written from how Zimbra's files and zmconfigd are known to work.

Real in it: postconf on a real main.cf. Fake: zmprov over a JSON file, zmconfigd in Python (it
expands templates line by line, follows zmconfigd.cf, and calls `postconf -e`), zmmtactl,
zmhostname, zmcontrol. `control.json` makes the programs slow or failing."""
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs.py"
VERSIONS = ("8.8.15", "9.0.0", "10.0.9", "10.1.0")
USER = "nobody"
# Nothing here has to survive a power loss, and each fsync of a busy disk is waited for.
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None

CBPOLICYD = ("%%contains VAR:zimbraServiceEnabled cbpolicyd^ "
             "check_policy_service inet:localhost:%%zimbraCBPolicydBindPort%%%%")
HELO_CHECKS = ("invalid_helo_hostname", "non_fqdn_helo_hostname", "non_fqdn_sender", "unknown_client_hostname",
               "unknown_reverse_client_hostname", "unknown_helo_hostname", "unknown_sender_domain")


def recipient_template(version, root):
    """The lists differ by version in how restrictions are matched and in which tables are asked."""
    generation = VERSIONS.index(version)
    match = "contains" if generation == 0 else "exact"
    lines = []
    if generation >= 1:
        lines.append(f"%%contains VAR:zimbraMtaRestriction check_client_access lmdb:{root}/conf/postfix_blacklist%%")
    lines += [CBPOLICYD, "reject_non_fqdn_recipient", "permit_sasl_authenticated", "permit_mynetworks",
              "reject_unlisted_recipient"]
    lines += [f"%%{match} VAR:zimbraMtaRestriction reject_{check}%%" for check in HELO_CHECKS]
    if generation >= 2:
        lines.append(f"%%contains VAR:zimbraMtaRestriction check_recipient_access lmdb:{root}/conf/postfix_recipient_access%%")
    if generation >= 3:
        lines.append(f"%%contains VAR:zimbraMtaRestriction check_reverse_client_hostname_access pcre:{root}/conf/fqrdns.pcre%%")
    for kind, attribute in (("client", "RBLs"), ("rhsbl_client", "RHSBLCs"), ("rhsbl_sender", "RHSBLSs")):
        word = "reject_rbl_client" if kind == "client" else f"reject_{kind}"
        lines.append(f"%%explode {word} VAR:zimbraMtaRestriction{attribute}%%")
    lines.append("%%contains VAR:zimbraMtaRestriction check_policy_service unix:private/policy%%")
    if generation >= 1:
        lines.append("%%exact VAR:zimbraMtaRestriction reject%%")
    return "\n".join(lines + ["permit"]) + "\n"


CONFIGD = """SECTION amavis
\tPOSTCONF content_filter
\tRESTART mta

SECTION mta DEPENDS amavis
\tREWRITE common/conf/master.cf.in common/conf/master.cf
\tVAR zimbraMtaRestriction
\tif VAR zimbraMtaMyNetworks
\t\tPOSTCONF mynetworks VAR zimbraMtaMyNetworks
\tfi
\tif SERVICE !cbpolicyd
\t\tPOSTCONF smtpd_end_of_data_restrictions
\tfi
\tPOSTCONF smtpd_recipient_restrictions\t\tFILE zmconfigd/smtpd_recipient_restrictions.cf
\tPOSTCONF smtpd_relay_restrictions\t\tFILE zmconfigd/smtpd_relay_restrictions.cf
\tPOSTCONF smtpd_sender_restrictions\t\tFILE zmconfigd/smtpd_sender_restrictions.cf
\tPOSTCONF smtpd_sasl_auth_enable\t\t\tVAR zimbraMtaSaslAuthEnable
\tPOSTCONF smtpd_client_restrictions\t\tVAR zimbraMtaSmtpdClientRestrictions
\tPOSTCONF smtpd_data_restrictions\t\tVAR zimbraMtaSmtpdDataRestrictions
\tRESTART mta

SECTION cbpolicyd
\tVAR zimbraCBPolicydBindPort
\tif SERVICE cbpolicyd
\t\tPOSTCONF smtpd_end_of_data_restrictions FILE zmconfigd/smtpd_end_of_data_restrictions.cf
\tfi
\tRESTART cbpolicyd mta
"""

USERS_PORT = """{name} inet n       -       n       -       -       smtpd
%%uncomment SERVICE:opendkim%%\t-o content_filter=scan:[%%zimbraLocalBindAddress%%]:10030
\t-o smtpd_sasl_auth_enable=%%zimbraMtaSaslAuthEnable%%
{more}\t-o smtpd_client_restrictions={client}
\t-o smtpd_data_restrictions=
\t-o smtpd_helo_restrictions=
\t-o smtpd_recipient_restrictions=
\t-o smtpd_relay_restrictions=permit_sasl_authenticated,reject
\t-o syslog_name=postfix/{log}
"""

FROM_AMAVIS = """[%%zimbraLocalBindAddress%%]:{port} inet n  -       n       -       -  smtpd
\t-o content_filter=
\t-o smtpd_client_restrictions=permit_mynetworks,reject
\t-o smtpd_data_restrictions=
\t-o smtpd_end_of_data_restrictions=
\t-o smtpd_sender_restrictions=
\t-o smtpd_relay_restrictions=
\t-o smtpd_recipient_restrictions=permit_mynetworks,reject
\t-o syslog_name=postfix/amavisd
"""

PLAIN_SERVICES = """pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
anvil     unix  -       -       n       -       1       anvil
postlog   unix-dgram n -        n       -       1       postlogd
%%uncomment VAR:zimbraMtaEnableSmtpdPolicyd%%policy    unix  -       n       n       -       0       spawn
%%uncomment VAR:zimbraMtaEnableSmtpdPolicyd%%\tuser=zimbra argv=/usr/bin/perl zmpostfixpolicyd
"""


class Zimbra:
    """`ports`: where its smtpd services listen: {"smtp": "127.0.0.1:2525", "465": ..., "submission": ...}."""

    def __init__(self, version, ports=None, main=""):
        self.version = version
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="seczim-zimbra-", dir=MEMORY))
        self.folder.chmod(0o755)
        self.root = self.folder / "zimbra"
        self.state = self.folder / "state"
        self.ports = ports or {}
        self.templates = self.root / "conf" / "zmconfigd"
        self.postfix = self.root / "common" / "conf"
        for name in ("bin", "conf/zmconfigd", "common/conf", "common/sbin", "data"):
            (self.root / name).mkdir(parents=True)
        for name in ("zmprov", "zmmtactl", "zmhostname", "zmcontrol"):
            shutil.copy(PROGRAMS, self.root / "bin" / name)
            (self.root / "bin" / name).chmod(0o755)
        os.symlink(shutil.which("postconf", path="/usr/sbin:/usr/bin:/sbin:/bin"), self.root / "common/sbin/postconf")
        self.install()
        (self.postfix / "main.cf").write_text("compatibility_level = 0\nmyhostname = mx.example.net\n" + main)
        self.write_json("ldap.json", {
            "global": {"zimbraMtaSmtpdDataRestrictions": ["reject_unauth_pipelining"],
                       "zimbraMtaSmtpdClientRestrictions": ["reject_unauth_pipelining"],
                       "zimbraMtaMyNetworks": ["127.0.0.0/8 [::1]/128 192.0.2.250/32"],
                       "zimbraMtaRestriction": ["reject_non_fqdn_sender", "reject_unknown_sender_domain"],
                       "zimbraMtaSaslAuthEnable": ["yes"], "zimbraCBPolicydBindPort": ["10031"],
                       "zimbraMtaRestrictionRBLs": [], "zimbraLocalBindAddress": ["127.0.0.1"]},
            "servers": {"localhost": {"zimbraServiceEnabled": ["mta", "mailbox", "amavis", "antispam"]},
                        "store2.example.net": {"zimbraServiceEnabled": ["mailbox"]}}})
        self.control()
        owner = pwd.getpwnam(USER)
        for path in [self.root, *self.root.rglob("*")]:
            if not path.is_symlink() and path != self.root / "common" / "sbin":  # Programs of Postfix are root's.
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self.restart()

    def install(self):
        """What an upgrade does too: Zimbra's own files, as they come."""
        root = self.root
        files = {
            "conf/zmconfigd/smtpd_recipient_restrictions.cf": recipient_template(self.version, root),
            "conf/zmconfigd/smtpd_relay_restrictions.cf":
                "permit_sasl_authenticated\npermit_mynetworks\nreject_unauth_destination\n",
            "conf/zmconfigd/smtpd_sender_restrictions.cf": f"{CBPOLICYD}\npermit_mynetworks\npermit_sasl_authenticated\n",
            "conf/zmconfigd/smtpd_end_of_data_restrictions.cf":
                "check_policy_service inet:localhost:%%zimbraCBPolicydBindPort%%\n",
            "conf/zmconfigd.cf": CONFIGD,
            "common/conf/master.cf.in": self.master(),
        }
        (root / "data" / "version").write_text(self.version)
        for name, text in files.items():
            path = root / name
            owner = path.stat() if path.exists() else None
            path.write_text(text)
            path.chmod(0o640 if name.endswith("zmconfigd.cf") else 0o644)
            if owner:
                os.chown(path, owner.st_uid, owner.st_gid)

    def master(self):
        port = self.ports.get("smtp")
        first = (f"{port}  inet  n       -       n       -       -       smtpd\n" if port else
                 "smtp      inet  n       -       n       -       1       postscreen\n"
                 "smtpd     pass  -       -       n       -       -       smtpd\n")
        wrapper = "" if self.ports else "\t-o smtpd_tls_wrappermode=yes\n"
        return ("# master.cf of a fake Zimbra\n" + first + "%%uncomment SERVICE:opendkim%%\t-o content_filter=scan:x\n" +
                USERS_PORT.format(name=self.ports.get("465", "465"), more=wrapper, client="", log="smtps") +
                USERS_PORT.format(name=self.ports.get("submission", "submission"), more="",
                                  client="permit_sasl_authenticated,reject", log="submission") +
                PLAIN_SERVICES + FROM_AMAVIS.format(port=self.ports.get("amavis", 10025)))

    def write_json(self, name, value):
        (self.root / "data" / name).write_text(json.dumps(value))

    def ldap(self):
        return json.loads((self.root / "data" / "ldap.json").read_text())

    def change_ldap(self, change):
        value = self.ldap()
        change(value)
        self.write_json("ldap.json", value)

    def control(self, **values):
        """slow={"zmprov": 3}, fail={"zmprov": "text"}, norewrite=True (zmmtactl does nothing),
        alone=True (each fails unless it is the first of a session)."""
        self.write_json("control.json", values)

    def calls(self):
        path = self.root / "data" / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def forget_calls(self):
        (self.root / "data" / "calls").unlink(missing_ok=True)

    def restart(self):
        """As when Zimbra starts: everything is made anew."""
        owner = pwd.getpwnam(USER)
        subprocess.run([self.root / "bin" / "zmmtactl", "reload"], check=True, capture_output=True,
                       user=owner.pw_uid, group=owner.pw_gid)

    def upgrade(self, version):
        self.version = version
        self.install()
        self.restart()

    def value(self, name):
        done = subprocess.run([self.root / "common/sbin/postconf", "-c", self.postfix, "-h", name], check=True,
                              capture_output=True, text=True)
        return done.stdout.strip()

    def files(self):
        """Bytes, mode and owner of what may be edited, and what main.cf and master.cf say."""
        told = {}
        for path in sorted([*self.templates.iterdir(), self.root / "conf/zmconfigd.cf", self.postfix / "master.cf.in",
                            self.postfix / "master.cf"]):
            status = path.stat()
            told[str(path.relative_to(self.root))] = (path.read_text(), oct(status.st_mode), status.st_uid, status.st_gid)
        for name in ("smtpd_recipient_restrictions", "smtpd_end_of_data_restrictions", "smtpd_data_restrictions"):
            told[name] = self.value(name)
        return told

    def save(self, name):
        """The whole of it, to load() later."""
        subprocess.run(["cp", "-a", self.root, self.folder / f"{name}-root"], check=True)
        if self.state.exists():
            subprocess.run(["cp", "-a", self.state, self.folder / f"{name}-state"], check=True)

    def load(self, name):
        shutil.rmtree(self.root)
        shutil.rmtree(self.state, ignore_errors=True)
        subprocess.run(["cp", "-a", self.folder / f"{name}-root", self.root], check=True)
        if (self.folder / f"{name}-state").exists():
            subprocess.run(["cp", "-a", self.folder / f"{name}-state", self.state], check=True)

    def clean(self):
        shutil.rmtree(self.folder, ignore_errors=True)
