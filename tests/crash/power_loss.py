# SPDX-License-Identifier: Apache-2.0
"""Power loss at random moments, played from notes of everything the daemon did to its files.

What a disk may hold after a cut, in the model of this file:
- file contents: everything written before the last sync of the file; of what was written after it a
  random subset, in pieces of 512 bytes;
- names (create, rename, unlink, mkdir): in order, as journaling file systems keep them, up to a
  random moment, at least up to the last sync of the folder (or of the created file) concerned."""
import os
import pathlib
import random
import shutil
import struct
import subprocess
import tempfile
import time

from daemon import Daemon
from load import Load

HERE = pathlib.Path(__file__).resolve().parent
NOTE = struct.Struct("=IIIIQQqq")
CREATE, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, MKDIR, SYNC_FOLDER = range(1, 9)
SECTOR = 512


def read_notes(path, root):
    raw = path.read_bytes()
    at, notes = 0, []
    while at + NOTE.size <= len(raw):
        operation, a, b, c, inode, offset, began, ended = NOTE.unpack_from(raw, at)
        at += NOTE.size
        name = os.path.relpath(raw[at:at + a].decode(), root)
        second = os.path.relpath(raw[at + a:at + a + b].decode(), root) if b else ""
        data = raw[at + a + b:at + a + b + c]
        at += a + b + c
        notes.append((operation, name, second, inode, offset, data, began, ended))
    return notes


def apply_write(content, offset, data):
    if len(content) < offset:
        content.extend(b"\0" * (offset - len(content)))
    content[offset:offset + len(data)] = data


class File:
    def __init__(self):
        self.synced = bytearray()
        self.pending = []  # (offset, data) or (size,)

    def sync(self):
        for change in self.pending:
            self.apply(self.synced, change)
        self.pending = []

    @staticmethod
    def apply(content, change):
        if len(change) == 1:
            del content[change[0]:]
            content.extend(b"\0" * (change[0] - len(content)))
        else:
            apply_write(content, *change)

    def after_cut(self, chance):
        content = bytearray(self.synced)
        keep = chance.random()
        for change in self.pending:
            if len(change) == 1:
                if chance.random() < keep:
                    self.apply(content, change)
                continue
            offset, data = change
            for at in range(0, len(data), SECTOR):
                if chance.random() < keep:
                    apply_write(content, offset + at, data[at:at + SECTOR])
        return content


def cut(notes, moment, chance):
    """The files after a power loss behind notes[moment - 1]: {name: bytes}, folders."""
    files, names, folders = {}, [], []
    durable_names = 0
    for operation, name, second, inode, offset, data, _, _ in notes[:moment]:
        if operation == CREATE:
            files[inode] = File()
            names.append((CREATE, name, inode))
        elif operation in (RENAME, UNLINK, MKDIR):
            names.append((operation, name, second))
        elif operation == WRITE:
            files.setdefault(inode, File()).pending.append((offset, data))
        elif operation == TRUNCATE:
            files.setdefault(inode, File()).pending.append((offset,))
        elif operation == SYNC:
            files.setdefault(inode, File()).sync()
            made = [i for i, n in enumerate(names) if n[0] == CREATE and n[2] == inode]
            durable_names = max([durable_names] + [i + 1 for i in made])
        elif operation == SYNC_FOLDER:
            inside = [i for i, n in enumerate(names)
                      if os.path.dirname(n[1]) == ("" if name == "." else name)
                      or (n[0] == RENAME and os.path.dirname(n[2]) == ("" if name == "." else name))]
            durable_names = max([durable_names] + [i + 1 for i in inside])
    kept = chance.randint(durable_names, len(names))
    tree = {}
    for entry in names[:kept]:
        if entry[0] == CREATE:
            tree[entry[1]] = entry[2]
        elif entry[0] == RENAME and entry[1] in tree:
            tree[entry[2]] = tree.pop(entry[1])
        elif entry[0] == UNLINK:
            tree.pop(entry[1], None)
        elif entry[0] == MKDIR:
            folders.append(entry[1])
    return {name: files[inode].after_cut(chance) for name, inode in tree.items()}, folders


def lay_out(folder, image, folders):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for name in folders:
        if name != ".":
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in image.items():
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)


def kept_until_ns(notes, moment, durability):
    """Answers that arrived before this moment must be kept: in strict all before the cut; in relaxed
    all before the last write to the journal that a completed sync covers."""
    if durability == "strict":
        return notes[moment - 1][6] if moment else 0
    until, last_write = 0, 0
    for operation, name, _, _, _, _, began, _ in notes[:moment]:
        if name.startswith("journal/"):
            if operation == WRITE:
                last_write = began
            elif operation == SYNC and last_write:
                until = last_write
    # What was answered while that write was being prepared may stand behind it.
    return until - 20_000_000


class TimedLoad(Load):
    """Also notes when each answer arrived (the clock of the notes)."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.arrived = {}

    def receive(self, opened, number, waiting):
        names, instance, _ = waiting[number]
        before = len(self.answers)
        alive = super().receive(opened, number, waiting)
        if len(self.answers) > before:
            self.arrived[instance, names["recipient"]] = (
                time.clock_gettime_ns(time.CLOCK_MONOTONIC),
                (names["client_address"], names["sender"], names["recipient"]))
        return alive


def record(settings, build, seconds, seed):
    """Runs a load over an empty data folder; returns (notes, load, the daemon to go on with)."""
    shim = pathlib.Path(build) / "disk_recorder.so"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", "-o", shim, HERE / "disk_recorder.c",
                    "-lpthread"], check=True)
    daemon = Daemon(settings, build=build)
    place = pathlib.Path(tempfile.mkdtemp(prefix="seczim-notes-", dir="/dev/shm"))
    daemon.environment = {"LD_PRELOAD": str(shim), "DISK_RECORDER_ROOT": str(daemon.data),
                          "DISK_RECORDER_NOTES": str(place / "notes")}
    load = TimedLoad(daemon, connections=8, keys=30, seed=seed)
    daemon.start()
    daemon.control("POST", "/v1/lists/block", {"pattern": "before@example.org"})
    load.run(seconds / 2)
    daemon.control("POST", "/v1/lists/block", {"pattern": "after@example.org"})
    load.run(seconds / 2)
    daemon.kill()
    notes = read_notes(place / "notes", daemon.data)
    shutil.rmtree(place)
    daemon.environment = {}
    return notes, load, daemon


def missing(load, daemon, until_ns):
    """Answers that arrived before until_ns and are not in history exactly once, or not in the state."""
    daemon.recorded(60)
    found = {}
    for row in daemon.sessions():
        found.setdefault((row["instance"], row["recipient"]), []).append(row["reply"])
    due = {key: triplet for key, (when, triplet) in load.arrived.items() if when < until_ns}
    problems = [f"{key}: answered {load.answers[key]!r}, in history {found.get(key, [])}"
                for key in due if found.get(key, []) != [load.answers[key]]]
    problems += [f"{key} stands {len(rows)} times in history" for key, rows in found.items() if len(rows) > 1]
    for client, sender, recipient in sorted(set(due.values()))[:80]:
        state = daemon.control("GET", f"/v1/greylist?client={client}&sender={sender}&recipient={recipient}")
        if state.get("state") not in ("waiting", "passed"):
            problems.append(f"{sender}: greylisted or passed before the cut; its state is {state}")
    return len(due), problems


def power_loss(tap, settings, durability, build, cuts, seed, sound):
    notes, load, daemon = record(settings, build, 6, seed)
    chance = random.Random(seed)
    first = next(i for i, note in enumerate(notes) if load.arrived and note[6] > min(
        when for when, _ in load.arrived.values()))
    problems, checked = [], 0
    try:
        for number in range(cuts):
            moment = chance.randint(first, len(notes))
            image, folders = cut(notes, moment, chance)
            lay_out(daemon.data, image, folders)
            for left in daemon.runtime.iterdir():
                left.unlink()  # tmpfs is empty after a power loss
            where = f"cut {number} at note {moment} of {len(notes)}"
            try:
                daemon.start()
                due, found = missing(load, daemon, kept_until_ns(notes, moment, durability))
                checked += due
                problems += [f"{where}: {problem}" for problem in found]
                daemon.stop()
                problems += [f"{where}: {problem}" for problem in sound(daemon.data)]
            except RuntimeError as problem:
                problems.append(f"{where}: {problem}")
                daemon.kill()
        tap.check(checked > 0, f"power loss, {durability}: {checked} answers were due after {cuts} cuts")
        tap.check(not problems, f"power loss, {durability} (seed {seed}): all of them are there, files are sound",
                  "\n".join(problems[:40]))
    finally:
        daemon.clean()
