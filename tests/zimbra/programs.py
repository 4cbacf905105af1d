#!/usr/bin/python3 -ISB
# SPDX-License-Identifier: Apache-2.0
"""The programs of the fake Zimbra, one file under each of their names."""
import json
import os
import re
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[0])))
NAME = os.path.basename(sys.argv[0])
LDAP = f"{ROOT}/data/ldap.json"


def read(path):
    with open(path) as file:
        return file.read()


def write(path, text):
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def control():
    return json.loads(read(f"{ROOT}/data/control.json"))


def remember():
    """Each run is written down; what control.json asks for happens here."""
    with open(f"{ROOT}/data/calls", "a") as calls:
        calls.write(f"{NAME} {' '.join(sys.argv[1:])}".rstrip() + "\n")
    asked = control()
    if asked.get("alone") and os.getsid(0) != os.getpid():
        sys.exit("this is not a session of its own: it could type into root's terminal")
    if NAME in asked.get("slow", {}):
        time.sleep(asked["slow"][NAME])
    if NAME in asked.get("fail", {}):
        sys.exit(asked["fail"][NAME])


# zmprov --------------------------------------------------------------------------------------------


def show(attributes, names):
    for name, values in sorted(attributes.items()):
        if not names or name in names:
            for value in values:
                print(f"{name}: {value}")


def modify(attributes, words):
    for name, value in zip(words[::2], words[1::2]):
        bare = name.lstrip("+-")
        values = attributes.setdefault(bare, [])
        if name.startswith("+"):
            values.append(value)
        elif name.startswith("-"):
            values.remove(value)
        else:
            attributes[bare] = [value] if value else []


def zmprov(words):
    if words[:1] == ["-l"]:
        words = words[1:]
    ldap = json.loads(read(LDAP))
    command, words = words[0], words[1:]
    explicit = words[:1] == ["-e"]
    words = words[1:] if explicit else words
    if command == "gcf":
        show(ldap["global"], words)
    elif command == "gas":
        for name, attributes in ldap["servers"].items():
            if not words or words[0] in attributes.get("zimbraServiceEnabled", []):
                print(name)
    elif command in ("gs", "ms") and words[0] not in ldap["servers"]:
        sys.exit(f"ERROR: account.NO_SUCH_SERVER (no such server: {words[0]})")
    elif command == "gs":
        print(f"# name {words[0]}")
        own = ldap["servers"][words[0]]
        show(own if explicit else {**ldap["global"], **own}, words[1:])
        print()
    elif command in ("mcf", "ms"):
        target = ldap["global"] if command == "mcf" else ldap["servers"][words.pop(0)]
        modify(target, words)
        write(LDAP, json.dumps(ldap))
    else:
        sys.exit(f"ERROR: service.INVALID_REQUEST ({command})")


# zmconfigd -----------------------------------------------------------------------------------------


class Configd:
    def __init__(self):
        ldap = json.loads(read(LDAP))
        own = ldap["servers"]["localhost"]
        self.attributes = {name: " ".join(values) for name, values in {**ldap["global"], **own}.items() if values}
        self.services = own["zimbraServiceEnabled"]
        self.values = {}

    def variable(self, name):
        return self.attributes.get(name.strip(), "")

    def directive(self, found):
        text = found[1]
        word, _, rest = text.partition(" ")
        if word in ("contains", "exact"):
            wanted, _, instead = rest.partition("^")
            name, _, string = wanted.partition(" ")
            value = self.attributes.get(name.partition(":")[2])
            if value is None:
                return ""
            found = string in value if word == "contains" else string in value.split()
            return (instead.strip() or string) if found else ""
        if word == "explode":
            base, _, name = rest.rpartition(" ")
            return "\n".join(f"{base} {value}" for value in self.variable(name.partition(":")[2]).split())
        if word == "uncomment":
            kind, _, name = rest.partition(":")
            on = name in self.services if kind == "SERVICE" else self.variable(name) not in ("", "no", "FALSE")
            return "" if on else "#"
        return self.variable(text)

    def transform(self, line):
        if line.count("@") < 2 and line.count("%") < 2:
            return line
        line = line.rstrip()
        if line.startswith("%%contains") and line.endswith("%%") and line.count("%") > 4:
            line = "%%" + re.sub(r"%%([^%]+)%%", lambda found: self.variable(found[1]), line[2:-2]) + "%%"
        return re.sub(r"%%([^%]+)%%", self.directive, line + "\n")

    def file(self, name):
        lines = [self.transform(line).strip() for line in read(f"{ROOT}/conf/{name}").splitlines(True)]
        return ", ".join(line for line in lines if line)

    def postconf(self, words):
        if len(words) > 1 and re.match("VAR|LOCAL|FILE", words[1]):
            value = self.file(words[2]) if words[1] == "FILE" else self.variable(words[2])
        else:
            value = " ".join(words[1:])
        self.values[words[0]] = value.replace("\n", " ")

    def section(self, lines):
        skipping = False
        for line in lines:
            words = line.split()
            if words[0] == "fi":
                skipping = False
            elif words[0] == "if":
                negated = words[2].startswith("!")
                name = words[2].lstrip("!")
                on = name in self.services if words[1] == "SERVICE" else bool(self.variable(name))
                skipping = on == negated
            elif skipping:
                continue
            elif words[0] == "POSTCONF":
                self.postconf(words[1:])
            elif words[0] == "REWRITE":
                lines = read(f"{ROOT}/{words[1]}").splitlines(True)
                write(f"{ROOT}/{words[2]}", "".join(self.transform(line) for line in lines))

    def run(self):
        import shlex
        import subprocess
        for part in re.split(r"^SECTION ", read(f"{ROOT}/conf/zmconfigd.cf"), flags=re.M)[1:]:
            head, *lines = part.splitlines()
            if head.split()[0] in (*self.services, "amavis"):
                self.section([line for line in lines if line.strip()])
        # In single quotes through a word splitter, as the real one does it, one after the other.
        words = shlex.split(" ".join(f"{name}='{value}'" for name, value in self.values.items()))
        subprocess.run([f"{ROOT}/common/sbin/postconf", "-c", f"{ROOT}/common/conf", "-e", *words], check=True)


def zmmtactl(words):
    if words[:1] in (["reload"], ["restart"]) and not control().get("norewrite"):
        Configd().run()
    print("Rewriting configuration files...done.")


def main():
    remember()
    if NAME == "zmprov":
        zmprov(sys.argv[1:])
    elif NAME == "zmmtactl":
        zmmtactl(sys.argv[1:])
    elif NAME == "zmhostname":
        print("localhost")
    elif NAME == "zmcontrol":
        version = read(f"{ROOT}/data/version").strip()
        print(f"Release {version}.GA.4655.UBUNTU22.64 UBUNTU22_64 FOSS edition.")


main()
