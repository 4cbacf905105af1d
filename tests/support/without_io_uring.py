# SPDX-License-Identifier: Apache-2.0
"""Runs a command to which the kernel refuses io_uring, as containers and hardened hosts do: a seccomp filter
(seccomp(2)). Usage: without_io_uring.py COMMAND [ARGUMENT ...]"""
import ctypes
import errno
import os
import struct
import sys

IO_URING_SETUP = 425  # on all machines
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06  # of words at an offset; of constants
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO = 0x7fff0000, 0x00050000

program = b"".join(struct.pack("=HBBI", *instruction) for instruction in (
    (LOAD, 0, 0, 0),  # the number of the system call
    (JUMP_EQUAL, 0, 1, IO_URING_SETUP),
    (RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM),
    (RETURN, 0, 0, SECCOMP_RET_ALLOW)))


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


libc = ctypes.CDLL(None, use_errno=True)
for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
             (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Filter(len(program) // 8, program)), 0, 0)):
    if libc.prctl(*call) != 0:
        sys.exit(f"no seccomp filter: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
