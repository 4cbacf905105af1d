# SPDX-License-Identifier: Apache-2.0
"""Power loss at random moments, played from notes of everything the daemon did to its files.

What a disk may hold after a cut, in the model of this file:
- file contents: everything written before the last sync of the file; of what was written after it a
  random subset, in pieces of 512 bytes;
- names (create, rename, unlink, mkdir): of each folder apart, in order up to a random one, at least
  up to the folder's last sync. Syncing a file does not keep its name: POSIX does not promise it.

Faults put in by hand that it finds in 25 cuts: no sync of the journal's folder (strict), no sync of a
history file before the next, journal segments released before history's checkpoint."""
import os
import pathlib
import random
import re
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
INSTANCE = re.compile(rb"/[0-9a-f.]+/")  # as TimedLoad names them


def read_notes(path, root):
    """Files are told apart by a number of their own: the file system gives inodes again."""
    raw = path.read_bytes()
    at, notes, numbers = 0, [], {}
    while at + NOTE.size <= len(raw):
        operation, a, b, c, inode, offset, began, ended = NOTE.unpack_from(raw, at)
        at += NOTE.size
        name = os.path.relpath(raw[at:at + a].decode(), root)
        second = os.path.relpath(raw[at + a:at + a + b].decode(), root) if b else ""
        data = raw[at + a + b:at + a + b + c]
        at += a + b + c
        if operation == CREATE:
            numbers[inode] = len(notes) + 1
        notes.append((operation, name, second, numbers.get(inode, 0), offset, data, began, ended))
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


def names_after_cut(entries, chance):
    """entries: (operation, name, second, file, durable). Each folder keeps its own changes in order, to a random one."""
    kept, tree, folders = {}, {}, ["."]
    for index, entry in enumerate(entries):
        kept.setdefault(os.path.dirname(entry[1]), []).append((index, entry))
    order = []
    for changes in kept.values():
        durable = max([i + 1 for i, (_, entry) in enumerate(changes) if entry[4]], default=0)
        order += changes[:chance.randint(durable, len(changes))]
    for _, (operation, name, second, file, _) in sorted(order, key=lambda each: each[0]):
        if operation == MKDIR:
            folders.append(name)
        elif operation == CREATE:
            tree[name] = file
        elif operation == RENAME and name in tree:
            tree[second] = tree.pop(name)
        elif operation == UNLINK:
            tree.pop(name, None)
    return {name: file for name, file in tree.items() if (os.path.dirname(name) or ".") in folders}, folders


def cut(notes, moment, chance):
    """The files after a power loss behind notes[moment - 1]: {name: bytes}, folders."""
    files, names = {}, []
    for operation, name, second, file, offset, data, _, _ in notes[:moment]:
        if operation in (CREATE, RENAME, UNLINK, MKDIR):
            names.append([operation, name, second, file, False])
        if operation == CREATE:
            files[file] = File()
        elif operation == WRITE:
            files.setdefault(file, File()).pending.append((offset, data))
        elif operation == TRUNCATE:
            files.setdefault(file, File()).pending.append((offset,))
        elif operation == SYNC:
            files.setdefault(file, File()).sync()
        elif operation == SYNC_FOLDER:
            for entry in names:
                entry[4] = entry[4] or (os.path.dirname(entry[1]) or ".") == name
    tree, folders = names_after_cut(names, chance)
    return {name: files[file].after_cut(chance) for name, file in tree.items()}, folders


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


def cut_moments(notes, first, count, chance):
    """Half of them anywhere, half just behind a change of names, where most can go wrong."""
    turns = [i + 1 for i in range(first, len(notes)) if notes[i][0] in (CREATE, RENAME, UNLINK, SYNC_FOLDER)]
    return [chance.choice(turns) if turns and n % 2 else chance.randint(first, len(notes)) for n in range(count)]


def synced_instances(notes):
    """The instances of all records in segments whose content and name a sync has completed."""
    synced, pending, nameless, awaiting = set(), {}, set(), []
    for operation, name, second, file, _, data, _, _ in notes:
        if operation == WRITE and name.endswith(".journal"):
            pending.setdefault(file, []).extend(INSTANCE.findall(data))
        elif operation == RENAME and second.endswith(".journal"):
            nameless.add(second)
        elif operation == SYNC and name.endswith(".journal"):
            (awaiting.extend if name in nameless else synced.update)(pending.pop(file, []))
        elif operation == SYNC_FOLDER and name == "journal":
            synced.update(awaiting)
            nameless, awaiting = set(), []
    return {instance.decode() for instance in synced}


def due(notes, load, moment, durability):
    """Answers that must be kept. Strict: all that arrived before the cut. Relaxed: all whose records a completed
    sync covers, and all older than a second, ten times the sync interval."""
    cut_ns = notes[moment - 1][6]
    if durability == "strict":
        return {key: triplet for key, (when, triplet) in load.arrived.items() if when < cut_ns}
    synced = synced_instances(notes[:moment])
    return {key: triplet for key, (when, triplet) in load.arrived.items()
            if key[0] in synced or when < cut_ns - 1_000_000_000}


class TimedLoad(Load):
    """Also notes when each answer arrived (the clock of the notes)."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.arrived = {}

    def instance(self):
        return f"/{super().instance()}/"

    def receive(self, opened, number, waiting):
        names, instance, _ = waiting[number]
        before = len(self.answers)
        alive = super().receive(opened, number, waiting)
        if len(self.answers) > before:
            self.arrived[instance, names["recipient"]] = (
                time.clock_gettime_ns(time.CLOCK_MONOTONIC),
                (names["client_address"], names["sender"], names["recipient"]))
        return alive


def add_blocks(daemon, patterns):
    """Entries of the block list; when each was there, by the clock of the notes."""
    added = {}
    for pattern in patterns:
        daemon.control("POST", "/v1/lists/block", {"pattern": pattern})
        added[pattern] = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return added


def record(settings, build, seconds, seed):
    """Runs a load over an empty data folder; returns (notes, load, blocks, the daemon to go on with)."""
    shim = pathlib.Path(build) / "disk_recorder.so"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", "-o", shim, HERE / "disk_recorder.c",
                    "-lpthread"], check=True)
    daemon = Daemon(settings, build=build)
    place = pathlib.Path(tempfile.mkdtemp(prefix="seczim-notes-", dir="/dev/shm"))
    daemon.environment = {"LD_PRELOAD": str(shim), "DISK_RECORDER_ROOT": str(daemon.data),
                          "DISK_RECORDER_NOTES": str(place / "notes")}
    load = TimedLoad(daemon, connections=8, keys=30, seed=seed, per_second=1500)
    try:
        daemon.start()
        blocks = add_blocks(daemon, ["before@example.org"])
        for part in range(4):
            load.run(seconds / 4)
            blocks |= add_blocks(daemon, [f"part{part}@example.org"])
        daemon.kill()
        notes = read_notes(place / "notes", daemon.data)
    finally:
        daemon.kill()
        shutil.rmtree(place)
    daemon.environment = {}
    return notes, load, blocks, daemon


def missing(load, daemon, expected):
    """Of the expected answers, those that are not in history exactly once, or not in the state."""
    daemon.recorded(60)
    found = {}
    for row in daemon.sessions():
        found.setdefault((row["instance"], row["recipient"]), []).append(row["reply"])
    problems = [f"{key}: answered {load.answers[key]!r}, in history {found.get(key, [])}"
                for key in expected if found.get(key, []) != [load.answers[key]]]
    problems += [f"{key} stands {len(rows)} times in history" for key, rows in found.items() if len(rows) > 1]
    for client, sender, recipient in sorted(set(expected.values()))[:80]:
        state = daemon.control("GET", f"/v1/greylist?client={client}&sender={sender}&recipient={recipient}")
        if state.get("state") not in ("waiting", "passed"):
            problems.append(f"{sender}: greylisted or passed before the cut; its state is {state}")
    return problems


def missing_blocks(daemon, blocks, until_ns):
    there = {entry["pattern"] for entry in daemon.control("GET", "/v1/lists/block?limit=100")["items"]}
    return [f"{pattern} was added to the block list and is not there"
            for pattern, when in blocks.items() if when < until_ns and pattern not in there]


def after_cut(daemon, notes, load, blocks, moment, durability, chance, sound):
    """Lays out what a cut leaves, starts on it, looks. Returns how many answers were due, and problems."""
    image, folders = cut(notes, moment, chance)
    lay_out(daemon.data, image, folders)
    for left in daemon.runtime.iterdir():
        left.unlink()  # tmpfs is empty after a power loss
    expected = due(notes, load, moment, durability)
    try:
        daemon.start()
        problems = missing(load, daemon, expected)
        problems += missing_blocks(daemon, blocks, notes[moment - 1][6])
        damaged = [path.name for path in daemon.data.rglob("*.damaged")]
        problems += [f"{name} was set aside" for name in damaged]
        daemon.stop()
        return len(expected), problems + sound(daemon.data)
    except RuntimeError as problem:
        daemon.kill()
        return len(expected), [str(problem)]


def power_loss(tap, settings, durability, build, cuts, seed, sound):
    notes, load, blocks, daemon = record(settings, build, 4, seed)
    chance = random.Random(seed)
    began_ns = min(when for when, _ in load.arrived.values())
    first = next(i for i, note in enumerate(notes) if note[6] > began_ns)
    problems, checked = [], 0
    try:
        for number, moment in enumerate(cut_moments(notes, first, cuts, chance)):
            expected, found = after_cut(daemon, notes, load, blocks, moment, durability, chance, sound)
            checked += expected
            problems += [f"cut {number} at note {moment} of {len(notes)}: {problem}" for problem in found]
        tap.check(checked > cuts * 100, f"power loss, {durability}: {len(load.answers)} answers, "
                  f"{checked} times one was due after {cuts} cuts")
        tap.check(not problems, f"power loss, {durability} (seed {seed}): all of them are there, files are sound",
                  "\n".join(problems[:40]))
    finally:
        daemon.clean()
