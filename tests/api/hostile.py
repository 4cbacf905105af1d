# SPDX-License-Identifier: Apache-2.0
"""HTTP that nobody sends by mistake: shapes that two parties may read differently, bodies made to break a parser, clients
that are slow on purpose. docs/internals/http-shapes.md lists what the library lets through."""
import csv
import re
import socket
import threading
import time

from contract import problem_document_problem
from daemon import DATA
from walk import service

# What the reference parser refuses and the library reads all the same: how it is answered. A line that ends in LF alone is
# a line to it, CR and odd bytes are part of names and values, extensions of chunks are not looked at.
LET_THROUGH = {
    "invalid-04": (404,),            # a method of other protocols is one that there is not
    "invalid-05": (200,), "invalid-06": (404,), "invalid-09": (404,), "invalid-10": (404,), "invalid-11": (200,),
    "invalid-13": (200,), "invalid-14": (404,), "invalid-18": (400, 200), "invalid-21": (404, 400),
    "lenient-header-value-relaxed-02": (200,), "lenient-header-value-relaxed-03": (404,),
    "lenient-header-value-relaxed-04": (404,), "lenient-headers-03": (200,), "lenient-headers-04": (404,),
    "connection-05": (404, 400),     # the text after the first request is none
    "transfer-encoding-09": (404,), "transfer-encoding-11": (404,), "transfer-encoding-25": (404,), "uri-07": (200,),
}
# What it takes and we do not, each 400: folded lines, blanks before a colon, other codings, a body of a GET, other protocols.
NOT_HERE = {"content-length-09", "connection-09", "connection-13", "content-length-07", "content-length-08", "content-length-18",
            "invalid-08", "invalid-24", "method-02", "method-03", "method-04", "method-12", "method-13", "method-14",
            "sample-10", "sample-11", "sample-14", "sample-18", "transfer-encoding-14", "transfer-encoding-18",
            "transfer-encoding-19", "transfer-encoding-20", "transfer-encoding-21", "transfer-encoding-27",
            "transfer-encoding-29", "transfer-encoding-31", "uri-09", "content-length-10", "content-length-11"}
# No path: 400, and as the framing is not in doubt the connection serves on.
NO_PATH = {"method-05", "uri-03", "uri-04", "uri-06", "uri-10"}


class Talk:
    """What came back for some bytes: the status of each answer, and whether the server closed."""

    def __init__(self, found, data, patience=0.3):
        self.got, self.closed = b"", False
        with socket.create_connection(("127.0.0.1", found.api.port), 10) as connection:
            connection.settimeout(patience)
            try:
                connection.sendall(data)
                while True:
                    more = connection.recv(65536)
                    if not more:
                        self.closed = True
                        break
                    self.got += more
            except TimeoutError:
                pass
            except OSError:
                self.closed = True
        self.statuses = tuple(self.answers())

    def answers(self):
        rest = self.got
        while rest:
            head, _, after = rest.partition(b"\r\n\r\n")
            yield int(head.split(b" ", 2)[1])
            while after.startswith(head[:12]) and b"\nConnection: close" in head:
                after = after.partition(b"\r\n\r\n")[2]  # the library sends the head of its own refusals twice
            length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
            rest = after[int(length[1]) if length and b" 100 " not in head[:13] else 0:]

    def __repr__(self):
        return f"{self.statuses} closed={self.closed}\n{self.got[:400]!r}"


def with_host(data):
    """The same with a Host where a request of HTTP/1.1 has none, as the first header of each request that begins a line."""
    if b"host:" in data.lower():
        return data
    return re.sub(rb"(?m)^([A-Z-]+ [^\r\n]* HTTP/1\.1\r?\n)", rb"\1Host: localhost\r\n", data)


def every_shape_is_answered_as_the_reference_parser_judges_it(tap):
    """Real inputs: each with a Host added, so that it is judged by what it is about, and each as it is."""
    table = DATA / "syntax" / "http-requests.tsv"
    if not table.is_file():
        tap.skip("shapes of HTTP", f"{table} is not there")
        return
    with service() as found:
        rows = list(csv.DictReader(open(table), delimiter="\t"))
        for row in rows:
            name = row["file"].removesuffix(".bin")
            data = (DATA / "syntax" / "http" / row["file"]).read_bytes() + b"\r\n\r\n"
            good = row["error_reason"] in ("", "Pause on CONNECT/Upgrade", "Data after `Connection: close`")
            talk = Talk(found, with_host(data))
            if name in LET_THROUGH:
                tap.equal(talk.statuses, LET_THROUGH[name], f"{name} ({row['error_reason']}) is let through, and does no harm")
            elif name in NOT_HERE or not good:
                tap.check(talk.closed and all(s in (400, 404, 413, 505) for s in talk.statuses) and len(talk.statuses) <= 1,
                          f"{name} is refused and the connection closed", talk)
            elif name in NO_PATH:
                tap.check(talk.statuses == (400,) and not talk.closed, f"{name} is no path", talk)
            elif row["messages_complete"] == "0" or name == "content-length-16":
                tap.check(talk.statuses in ((), (400,), (404,)), f"{name} is waited for until it is complete", talk)
            else:
                tap.check(talk.statuses and talk.statuses[0] in (200, 404, 405) or name == "lenient-version-01"
                          and talk.statuses == (505,), f"{name} is read", talk)
            if re.match(rb"(\r\n)*[^\r\n]* HTTP/1\.1\r\n", data) and with_host(data) != data:
                bare = Talk(found, data)
                tap.check(bare.closed and (bare.statuses == (400,) or not bare.statuses), f"{name} without Host is refused", bare)
        tap.equal(found.api.ask("GET", "/health").status, 200, f"after {len(rows)} of them all is well")


HEAD = b"PUT /api/v1/settings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
GET = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n"
SHAPES = (
    # label, bytes, statuses, closed
    ("length and chunks", HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET + b"\r\n", (400,), True),
    ("chunks under another name", HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", (400,), True),
    ("chunks twice", HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400,), True),
    ("two lengths", HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", (400,), True),
    ("a blank before the colon", HEAD + b"Content-Length : 2\r\n\r\n{}", (400,), True),
    ("two hosts", GET + b"Host: b.example\r\n\r\n", (400,), True),
    ("no host", b"GET /api/v1/health HTTP/1.1\r\n\r\n", (400,), True),
    ("a folded header", GET + b"X: a\r\n Content-Length: 3\r\n\r\nabc", (400,), True),
    ("a folded value, which the library drops", GET + b"X: a\r\n b\r\n\r\n", (200,), False),
    ("line ends of LF alone, which it takes", GET.replace(b"\r", b"") + b"\n", (200,), False),
    ("a second host behind LF alone", GET + b"X: a\nHost: b\r\n\r\n", (400,), True),
    ("a length and, behind LF alone, chunks", HEAD + b"Content-Length: 3\r\nX: a\nTransfer-Encoding: chunked\r\n\r\nabc", (400,), True),
    ("a CR within a line, which it takes for a part of the value", GET + b"X: a\rHost: b\r\n\r\n", (200,), False),
    ("a NUL in a value, which it takes", GET + b"X: a\0b\r\n\r\n", (200,), False),
    ("chunks, folded: the body is taken for empty", HEAD + b"Authorization: Bearer @\r\nTransfer-Encoding: chunked\r\n  abc\r\n\r\n"
     b"2\r\n{}\r\n0\r\n\r\n", (400,), True),
    ("a negative length", HEAD + b"Content-Length: -1\r\n\r\n", (400,), True),
    ("HTTP/0.9", b"GET /api/v1/health\r\n\r\n", (400,), True),
    ("64 KiB of path", b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\nHost: a\r\n\r\n", (414,), True),
    ("64 KiB of one header", GET + b"X: " + b"a" * 65536 + b"\r\n\r\n", (431,), True),
    ("a chunk of 17 digits", HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", (413,), True),
    ("HTTP/2 at once", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (505,), True),
    ("HTTP/2 by upgrade", GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
     (200,), False),
    ("a path with a NUL", b"GET /api/v1/health%00 HTTP/1.1\r\nHost: a\r\n\r\n", (400,), False),
    ("dots in the path", b"GET /api/v1/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", (404,), False),
    ("dots behind codes", b"GET /api/v1/%2e%2e/health HTTP/1.1\r\nHost: a\r\n\r\n", (404,), False),
    ("two tokens", GET + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", (400,), True),
)


def shapes_that_split_parsers_have_one_answer(tap):
    with service() as found:
        for label, data, statuses, closed in SHAPES:
            talk = Talk(found, data.replace(b"Bearer @", b"Bearer " + found.tokens["admin"].encode()), 1)
            tap.check(talk.statuses == statuses and talk.closed == closed, f"{label}: {statuses}", talk)
        pipelined = Talk(found, (GET + b"\r\n") * 20)
        tap.equal(pipelined.statuses, (200,) * 20, "requests in one go are answered in their order")
        talk = Talk(found, HEAD + b"Authorization: Bearer " + found.tokens["admin"].encode() +
                    b"\r\nExpect: 100-continue\r\nContent-Length: 20\r\n\r\n" + b'{"quotas.text":"Hi"}',
                    patience=3)  # a change waits for the disk
        tap.check(talk.statuses in ((100, 200), (200,)), "Expect: 100-continue", talk)


DEEP = b"[" * 10000 + b"]" * 10000
BODIES = (
    # label, body, headers, statuses, what it says
    ("10 MiB", b'{"quotas.text":"' + b"a" * (10 << 20) + b'"}', {}, 413, None),
    ("nested 10,000 deep", b'{"a":' + DEEP + b"}", {}, 400, "deep"),
    ("nested 10,000 deep and cut", b'{"a":' + b"[" * 10000, {}, 400, None),
    ("a member twice", b'{"quotas.text":"a","quotas.text":"b"}', {}, 400, "duplicate"),
    ("1e999", b'{"greylisting.defer_time":1e999}', {}, 400, None),
    ("a number of 400 digits", b'{"greylisting.defer_time":' + b"9" * 400 + b"}", {}, 400, None),
    ("NaN", b'{"greylisting.defer_time":NaN}', {}, 400, None),
    ("half a surrogate pair", b'{"quotas.text":"\\ud800"}', {}, 400, None),
    ("the other half", b'{"quotas.text":"\\udc00x"}', {}, 400, None),
    ("a NUL", b'{"quotas.text":"a\\u0000b"}', {}, 400, None),
    ("bytes that are no UTF-8", b'{"quotas.text":"\xff"}', {}, 400, None),
    ("UTF-8 longer than needed", b'{"quotas.text":"\xc0\xaf"}', {}, 400, None),
    ("a byte order mark", b'\xef\xbb\xbf{"quotas.text":"a"}', {}, 400, None),
    ("two values", b'{"quotas.text":"a"}{}', {}, 400, None),
    ("a line break in a value", b'{"quotas.text":"a\\r\\n550 b"}', {}, 400, "quotas.text"),
    ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\3\xab\xae\5\0C\xbf\xa6\xa3\2\0\0\0", {"Content-Encoding": "gzip"}, 415, "Content-Encoding"),
    ("deflate", b"x", {"Content-Encoding": "deflate"}, 415, None),
    ("a form", b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "application/json"),
    ("text", b"{}", {"Content-Type": "text/plain"}, 415, None),
    ("no type", b"{}", {"Content-Type": ""}, 415, None),
    ("another charset", b'{"quotas.text":"a"}', {"Content-Type": "application/json; charset=utf-8"}, 200, None),
)


def bodies_made_to_break_parsers_do_not(tap):
    with service() as found:
        for label, body, headers, status, says in BODIES:
            sent = {"Content-Type": "application/json", **headers}
            try:
                reply = found.ask("PUT", "/settings", body, headers=sent)
            except OSError as problem:  # closed while we were still sending
                tap.check(status == 413, f"{label}: closed", problem)
                continue
            problem = problem_document_problem(found.contract, reply) if status >= 400 else None
            tap.check(reply.status == status and not problem and (says is None or says in reply.body.decode()),
                      f"{label}: {status}", f"{problem}\n{reply}")
        tap.equal(found.ask("GET", "/settings").json["greylisting.defer_time"], 300, "nothing was changed by them")


# --- slow clients

class Slow:
    """Connections of several addresses, each sending what it sends a byte a second."""

    def __init__(self, found, count, data):
        self.connections, self.ended, self.began = [], {}, time.monotonic()
        self.data, self.stopped = data, False
        for number in range(count):
            connection = socket.socket()
            connection.bind((f"127.0.1.{number % 10 + 1}", 0))
            connection.settimeout(5)
            try:
                connection.connect(("127.0.0.1", found.api.port))
                connection.setblocking(False)
                self.connections.append(connection)
            except OSError:
                self.ended[number] = 0  # not even let in
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        at = 0
        while not self.stopped and len(self.ended) < len(self.connections):
            for number, connection in enumerate(self.connections):
                if number in self.ended:
                    continue
                try:
                    connection.send(self.data[at % len(self.data):][:1])
                    if connection.recv(4096) == b"":
                        self.ended[number] = time.monotonic() - self.began
                except BlockingIOError:
                    pass
                except OSError:
                    self.ended[number] = time.monotonic() - self.began
            at += 1
            time.sleep(1)

    def stop(self):
        self.stopped = True
        self.thread.join()
        for connection in self.connections:
            connection.close()


def slowest(found, seconds, what):
    """The longest that somebody else waited for an answer, and how many failed."""
    times, failed, until = [], 0, time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            failed += found.api.ask("GET", "/health", timeout=10).status != 200
        except OSError:
            failed += 1
        times.append(time.monotonic() - began)
        time.sleep(0.05)
    times.sort()
    print(f"# {what}: others' requests took {times[len(times) // 2] * 1000:.1f} ms (p50), "
          f"{times[len(times) * 99 // 100] * 1000:.1f} ms (p99), {times[-1] * 1000:.1f} ms at most", flush=True)
    return times[-1], failed


def slow_clients_are_closed_at_the_deadline_and_harm_nobody(tap):
    kinds = (("a head", b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 4000, 12),
             ("a body", HEAD.replace(b"PUT", b"POST").replace(b"/settings", b"/login") + b"Content-Length: 5000\r\n\r\n" + b" " * 4000, 45))
    with service() as found:
        before, _ = slowest(found, 5, "nobody else")
        for what, data, deadline in kinds:
            slow = Slow(found, 1000, data) if what == "a head" else SlowBody(found, 400, data)
            worst, failed = slowest(found, deadline, f"{what} a byte a second")
            slow.stop()
            tap.check(failed == 0, f"{what} a byte a second from many: nobody else is refused", f"{failed} failed")
            tap.check(worst < max(1, 10 * before), "and nobody waits", f"{worst:.3f} s, {before:.3f} s before")
            open_still = len(slow.connections) - len([n for n in slow.ended if n < len(slow.connections)])
            tap.check(open_still == 0, "all of them were closed by the deadline", f"{open_still} of {len(slow.connections)} are open")
        reader = socket.create_connection(("127.0.0.1", found.api.port))
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ask = GET.replace(b"health", b"settings/items") + b"Authorization: Bearer " + found.tokens["admin"].encode() + b"\r\n\r\n"
        reader.sendall(ask * 100)
        worst, failed = slowest(found, 5, "one who does not read")
        tap.check(failed == 0 and worst < max(1, 10 * before), "one who does not read harms nobody", f"{worst} {failed}")
        reader.close()


class SlowBody(Slow):
    def __init__(self, found, count, data):
        super().__init__(found, 0, data)
        self.thread.join()
        head, _, self.data = data.partition(b"\r\n\r\n")
        for number in range(count):
            connection = socket.create_connection(("127.0.0.1", found.api.port), 5, (f"127.0.2.{number % 10 + 1}", 0))
            connection.sendall(head + b"\r\n\r\n")
            connection.setblocking(False)
            self.connections.append(connection)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()


STORIES = (every_shape_is_answered_as_the_reference_parser_judges_it, shapes_that_split_parsers_have_one_answer,
           bodies_made_to_break_parsers_do_not, slow_clients_are_closed_at_the_deadline_and_harm_nobody)
