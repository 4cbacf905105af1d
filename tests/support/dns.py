# SPDX-License-Identifier: Apache-2.0
"""A DNS server for tests, UDP and TCP on one port, with every misbehaviour that we want to survive.

    with DnsServer({"example.org": {"A": ["192.0.2.1"], "MX": ["10 mail.example.org"]},
                    "slow.example": {"A": ["192.0.2.2"], "delay": 0.3},
                    "*.zen.example": {"A": ["127.0.0.2"]}}) as server:
        ... ask 127.0.0.1, server.port; server.questions is a list of (name, type, "udp" or "tcp")

A zone is {name: entry}; "*.example" stands for all names below. An entry is {type: [record...]} and how to behave:

    "ttl": 300               of its records
    "delay": 0.3             seconds before the answer
    "silent": True           no answer at all; "silent": 2: not to the first two questions
    "rcode": "SERVFAIL"      instead of an answer: SERVFAIL, REFUSED, NOTIMP, FORMERR, NXDOMAIN
    "truncate": True         over UDP an empty answer with TC: the asker comes back over TCP
    "wrong_id": True         an answer with another id, and no right one ("then_right": True: then the right one)
    "wrong_question": True   an answer to another question, likewise
    "chain": False           CNAMEs are not followed by us
    "soa": False             a negative answer without SOA
    "minimum": 60            of that SOA
    "authority": False       not authoritative and without recursion: a referral
    "raw": bytes             this in place of the answer and what follows it (after header and question)
    "counts": (1, 0, 0)      records in answer, authority and additional for "raw"

Records are written as in a zone file: A and AAAA addresses, PTR and CNAME names, MX "10 name", TXT text or bytes (split into
strings of 255) or a list of strings. A name that is not there is NXDOMAIN; one without records of the type has no
data. `server.silent = True` silences the whole server, `server.rcode = "REFUSED"` makes it refuse, and
`server.default = entry` answers for every unknown name (as resolvers do that redirect NXDOMAIN). The zone may be
changed at any time."""
import ipaddress
import select
import socket
import struct
import threading
import time

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}
UDP_BYTES_PLAIN = 512
CHAIN_MAX = 40


def name_bytes(name):
    labels = [label.encode("latin-1") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def text_strings(value):
    if isinstance(value, list):
        return [part.encode("latin-1") if isinstance(part, str) else part for part in value]
    data = value.encode("latin-1") if isinstance(value, str) else value
    return [data[i:i + 255] for i in range(0, len(data), 255)] or [b""]


def record_data(kind, value):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "MX":
        preference, _, host = value.partition(" ")
        return struct.pack("!H", int(preference)) + name_bytes(host)
    if kind == "TXT":
        return b"".join(bytes([len(part)]) + part for part in text_strings(value))
    return name_bytes(value)


def record(owner, kind, ttl, data):
    return name_bytes(owner) + struct.pack("!HHIH", TYPES[kind], 1, ttl, len(data)) + data


def soa(minimum, ttl):
    numbers = struct.pack("!IIIII", 1, 3600, 600, 86400, minimum)
    return record("example", "SOA", ttl, name_bytes("ns.example") + name_bytes("root.example") + numbers)


class Question:
    """What a message asks; raises on nonsense."""

    def __init__(self, message):
        self.id, self.flags, count, _, _, additional = struct.unpack("!HHHHHH", message[:12])
        assert count == 1
        labels, at = [], 12
        while message[at]:
            labels.append(message[at + 1:at + 1 + message[at]].decode("latin-1"))
            at += 1 + message[at]
        self.name = ".".join(labels)
        self.type, self.klass = struct.unpack("!HH", message[at + 1:at + 5])
        self.section = message[12:at + 5]
        # The OPT record stands behind the question: a root name, type 41, the size as class.
        opt = message[at + 5:at + 10]
        self.edns = additional and opt[:3] == b"\0\0\x29"
        self.size = max(UDP_BYTES_PLAIN, struct.unpack("!H", opt[3:5])[0]) if self.edns else UDP_BYTES_PLAIN

    def reply(self, rcode, counts, records, flags=0x8580, id_=None, section=None):
        answer, authority, additional = counts
        head = struct.pack("!HHHHHH", self.id if id_ is None else id_, flags | rcode, 1, answer, authority, additional)
        return head + (section or self.section) + records


class DnsServer:
    def __init__(self, zone, address="127.0.0.1", port=0):
        self.zone = zone
        self.address = address
        self.default = None
        self.silent = False
        self.rcode = None
        self.questions = []  # (name, type, "udp" or "tcp")
        self.ports = []      # of those who asked by UDP
        self.seen = {}
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.port = port
        self.open()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def open(self):
        """UDP and TCP on the same port; a port that only one of them gets is tried again, a given one for some seconds."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        for attempt in range(50):
            self.udp = socket.socket(family, socket.SOCK_DGRAM)
            self.tcp = socket.socket(family, socket.SOCK_STREAM)
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                self.udp.bind((self.address, self.port))
                self.tcp.bind((self.address, self.udp.getsockname()[1]))
                break
            except OSError:
                self.udp.close()
                self.tcp.close()
                if attempt == 49:
                    raise
                time.sleep(0.1 if self.port else 0)
        self.port = self.udp.getsockname()[1]
        self.tcp.listen(64)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stopping.set()
        self.thread.join()
        self.udp.close()
        self.tcp.close()

    def at(self):
        """As settings name it: "127.0.0.1:5353", "[::1]:5353"."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def asked(self, name=None, kind=None):
        """How many questions came for the name, of any type unless one is given."""
        return sum(1 for asked, type_, _ in list(self.questions)
                   if name in (None, asked) and kind in (None, type_))

    def serve(self):
        while not self.stopping.is_set():
            ready, _, _ = select.select([self.udp, self.tcp], [], [], 0.05)
            if self.udp in ready:
                message, peer = self.udp.recvfrom(65535)
                self.take(message, "udp", lambda answer, peer=peer: self.udp.sendto(answer, peer), peer)
            if self.tcp in ready:
                connection, _ = self.tcp.accept()
                threading.Thread(target=self.serve_tcp, args=(connection,), daemon=True).start()

    def serve_tcp(self, connection):
        def send(answer):
            connection.sendall(struct.pack("!H", len(answer)) + answer)

        with connection, connection.makefile("rb") as stream:
            while True:
                try:
                    head = stream.read(2)
                    if len(head) < 2:
                        return
                    self.take(stream.read(struct.unpack("!H", head)[0]), "tcp", send, None)
                except OSError:
                    return

    def take(self, message, transport, send, peer):
        try:
            question = Question(message)
        except (AssertionError, IndexError, struct.error):
            return
        name, kind = question.name.lower(), TYPE_NAMES.get(question.type, str(question.type))
        with self.lock:
            self.questions.append((name, kind, transport))
            if peer:
                self.ports.append(peer[1])
            self.seen[name] = self.seen.get(name, 0) + 1
        entry = self.find(name)
        if self.silent or self.stays_silent(entry, name):
            return
        answers = self.answers(question, name, kind, entry, transport)
        delay = (entry or {}).get("delay", 0)
        timer = threading.Timer(delay, self.send_all, (send, answers))
        timer.daemon = True
        if delay:
            timer.start()
        else:
            self.send_all(send, answers)

    @staticmethod
    def send_all(send, answers):
        for answer in answers:
            try:
                send(answer)
            except OSError:
                return

    def stays_silent(self, entry, name):
        silent = (entry or {}).get("silent", False)
        return silent is True or (silent and self.seen[name] <= silent)

    def find(self, name):
        if name in self.zone:
            return self.zone[name]
        parts = name.split(".")
        for i in range(1, len(parts)):
            found = self.zone.get("*." + ".".join(parts[i:]))
            if found is not None:
                return found
        return self.default

    def answers(self, question, name, kind, entry, transport):
        """The messages to send, in order."""
        if self.rcode:
            return [question.reply(RCODES[self.rcode], (0, 0, 0), b"")]
        right = self.right_answer(question, name, kind, entry)
        entry = entry or {}
        if transport == "udp" and (entry.get("truncate") or len(right) > question.size):
            right = question.reply(0, (0, 0, 0), b"", flags=0x8780)
        wrong = []
        if entry.get("wrong_id"):
            wrong.append(struct.pack("!H", question.id ^ 0x5555) + right[2:])
        if entry.get("wrong_question"):
            section = name_bytes("other.example") + struct.pack("!HH", question.type, 1)
            data = record("other.example", "A", 300, bytes([203, 0, 113, 66]))
            wrong.append(question.reply(0, (1, 0, 0), data, section=section))
        return wrong + [right] if not wrong or entry.get("then_right") else wrong

    def right_answer(self, question, name, kind, entry):
        if entry is None:
            return question.reply(RCODES["NXDOMAIN"], (0, 1, 0), soa(300, 300))
        if "raw" in entry:
            return question.reply(RCODES[entry.get("rcode", "NOERROR")], entry.get("counts", (1, 0, 0)), entry["raw"])
        if "rcode" in entry and entry["rcode"] != "NXDOMAIN":
            return question.reply(RCODES[entry["rcode"]], (0, 0, 0), b"")
        if entry.get("authority") is False:
            return question.reply(0, (0, 0, 0), b"", flags=0x8000)
        records, missing = self.collect(name, kind, entry)
        data = b"".join(records)
        rcode = RCODES["NXDOMAIN"] if missing or entry.get("rcode") == "NXDOMAIN" else 0
        if self.has_records(records, kind) or entry.get("soa") is False:
            return question.reply(rcode, (len(records), 0, 0), data)
        return question.reply(rcode, (len(records), 1, 0), data + soa(entry.get("minimum", 300), entry.get("ttl", 300)))

    @staticmethod
    def has_records(records, kind):
        return any(struct.pack("!HH", TYPES.get(kind, 0), 1) in data for data in records)

    def collect(self, name, kind, entry):
        """The records of the name and, along CNAMEs, of what they lead to; and whether that is missing."""
        records = []
        for _ in range(CHAIN_MAX):
            ttl = entry.get("ttl", 300)
            records += [record(name, kind, ttl, record_data(kind, value)) for value in entry.get(kind, [])]
            if kind in entry or "CNAME" not in entry:
                return records, False
            target = entry["CNAME"][0]
            records.append(record(name, "CNAME", ttl, record_data("CNAME", target)))
            if entry.get("chain") is False:
                return records, False
            name, entry = target, self.find(target)
            if entry is None:
                return records, True
        return records, False


def main():
    """For trying out: answers example.org until it is interrupted."""
    with DnsServer({"example.org": {"A": ["192.0.2.1"]}}) as server:
        print(server.at(), flush=True)
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main()
