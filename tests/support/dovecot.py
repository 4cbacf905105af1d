# SPDX-License-Identifier: Apache-2.0
"""Dovecot as Postfix's SASL server, with a few accounts of its own, in a temporary folder."""
import pathlib
import shutil
import subprocess
import tempfile
import time


class Dovecot:
    """`accounts`: login name to password. The socket for smtpd_sasl_path is `socket`."""

    def __init__(self, accounts):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="seczim-dovecot-"))
        self.folder.chmod(0o755)
        self.socket = self.folder / "auth"
        self.config = self.folder / "dovecot.conf"
        users = self.folder / "users"
        users.write_text("".join(f"{name}:{{PLAIN}}{password}\n" for name, password in accounts.items()))
        self.config.write_text(f"""
protocols =
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = {self.folder}/log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
default_internal_user = root
default_internal_group = root
default_login_user = nobody
first_valid_uid = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {users}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service auth {{
  unix_listener {self.socket} {{
    mode = 0666
  }}
}}
""")
        for name in ("run", "state"):
            (self.folder / name).mkdir()

    def start(self):
        # Its processes keep what they inherit: no pipe, or we would wait for them.
        subprocess.run(["dovecot", "-c", self.config], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self.socket.exists():
            if time.monotonic() > deadline:
                raise RuntimeError("Dovecot does not listen: " + self.said())
            time.sleep(0.05)
        return self

    def said(self):
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def clean(self):
        subprocess.run(["dovecot", "-c", self.config, "stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)
