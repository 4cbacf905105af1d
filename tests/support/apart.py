# SPDX-License-Identifier: Apache-2.0
"""Stories in namespaces of their own, where this machine may have any address and any name: run_apart() starts the test
script again inside, which then calls begin()."""
import fcntl
import socket
import struct
import subprocess
import sys

SIOCSIFADDR, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x8914, 1
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount", "--net"]


def is_possible():
    return subprocess.run([*UNSHARE, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def run_apart(tap, script, story, what, timeout=300):
    """Each result of `script story` becomes one of ours."""
    if not is_possible():
        tap.skip(what, "no user, mount and network namespaces here")
        return
    done = subprocess.run([*UNSHARE, sys.executable, script, story], capture_output=True, text=True, timeout=timeout)
    for line in done.stdout.splitlines():
        if line.startswith(("ok ", "not ok ")):
            tap.check(line.startswith("ok "), line.partition(" - ")[2], done.stdout)
    tap.check(done.returncode == 0 and "1.." in done.stdout, f"{what}: told to its end", done.stdout + done.stderr)


def begin(*addresses):
    """Inside: the loopback goes up, with these IPv4 addresses besides."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
        for number, address in enumerate(addresses):
            request = struct.pack("16sHH4s8x", f"lo:{number}".encode(), socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(any_socket, SIOCSIFADDR, request)
