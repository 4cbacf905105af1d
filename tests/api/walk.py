# SPDX-License-Identifier: Apache-2.0
"""Walks every operation of the contract."""
import base64
import contextlib
import hashlib
import hmac
import struct
import time

from api import PASSWORD, PREFIX, SCOPES, Api
from contract import Contract, problem_document_problem, shuffled, wrong_objects, wrong_parameters
from daemon import Daemon
from dns import DnsServer

ROLES = ["none", "viewer", "operator", "admin"]
# Not asked by a caller who may, only by those who may not: the service would be away, or the caller.
NOT_IN_PASSING = {"restart", "logout", "deleteMySession", "putMyPassword", "postMyTotp", "putMyTotp", "disableMyTotp"}
STREAMS = {"getEvents"}


class Service:
    """Daemon and API with some mail decided, the user admin and a token for each role."""

    def __init__(self, dns, settings=""):
        self.daemon = Daemon(dns=dns)
        self.api = Api(self.daemon, settings)

    def __enter__(self):
        try:
            self.daemon.start()
            self.mail()
            self.api.start()
            self.admin = self.api.log_in_first()
            self.tokens = {role: self.api.make_token(self.admin, role) for role in ROLES[1:]}
            self.contract = Contract(self.ask("GET", "/openapi.json").json)
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self.status = self.api.stop()
        self.daemon.clean()

    def ask(self, method, path, body=None, role="admin", **more):
        return self.api.ask(method, path, body, token=self.tokens.get(role), **more)

    def mail(self):
        client = self.daemon.client()
        for number in range(3):
            client.ask(client_address="198.51.100.7", client_name="mx.example.com", helo_name="mx.example.com",
                       sender="a@example.com", recipient="bob@example.net", instance=f"in{number}")
        client.ask(client_address="198.51.100.8", sender="bob@example.com", recipient="a@example.org", instance="out",
                   sasl_username="bob@example.com", sasl_method="PLAIN")
        client.close()
        self.daemon.recorded()


@contextlib.contextmanager
def service(settings=""):
    with DnsServer({"2.0.0.127.zen.spamhaus.org": {"A": ["127.0.0.2"]},
                    "example.com": {"TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]}}) as dns, Service(dns.at(), settings) as found:
        yield found


# --- what an operation needs before it can do what it says

def made(found, path, body):
    """The id of a thing made for the occasion; its name for a user."""
    answer = found.ask("POST", path, body)
    assert answer.status in (200, 201), answer
    return answer.json


def parts_for(found, operation):
    """What to put for the placeholders of the path."""
    path = operation.path
    if "{sequence}" in path:
        return {"sequence": found.ask("GET", "/sessions").json["items"][0]["sequence"]}
    if path.startswith("/users/{name}"):
        with contextlib.suppress(AssertionError):
            made(found, "/users", {"name": "grace", "role": "operator"})
        return {"name": "grace"}
    if "{id}" in path and not path.startswith("/me/"):
        collection = path.split("/{id}")[0].replace("{list}", "allow")
        makers = [o for o in found.contract.operations if o.method == "POST" and o.path.replace("{list}", "allow") == collection]
        return {"id": made(found, collection, makers[0].example())["id"]}
    if operation.id in ("deleteBlacklisted", "putBlacklistedPermanent", "deleteAutoBlacklisted", "putAutoBlacklistedPermanent"):
        made(found, "/blacklist", {"ip": "198.51.100.7", "duration": 60})
    if operation.id == "deleteReplay":
        found.ask("POST", "/replay", {"settings": {"greylisting.defer_time": 60}})
    return {}


def body_for(found, operation):
    body = operation.example()
    if operation.id == "backup":
        body["folder"] = str(found.daemon.folder / f"backup-{time.monotonic_ns()}")
    return body


def totp(secret):
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7fffffff) % 1000000:06}"


class Myself:
    """The operations of one's own account, each as a browser would."""

    def __init__(self, found):
        self.found = found
        made(found, "/users", {"name": "myself", "role": "viewer", "password": PASSWORD})
        self.session = found.api.log_in("myself", PASSWORD)
        self.secret = None

    def answer(self, operation):
        api, session = self.found.api, self.session
        if operation.id == "login":
            return api.ask("POST", "/login", {"name": "admin", "password": PASSWORD})
        if operation.id == "logout":
            return api.log_in("admin", PASSWORD).ask("POST", "/logout")
        if operation.id == "putMyPassword":
            reply = session.ask("PUT", "/me/password", {"current": PASSWORD, "new": PASSWORD + "!"})
            self.session = api.log_in("myself", PASSWORD + "!")
            return reply
        if operation.id == "postMyTotp":
            reply = session.ask("POST", "/me/totp")
            self.secret = reply.json["secret"]
            return reply
        if operation.id == "putMyTotp":
            return session.ask("PUT", "/me/totp", {"code": totp(self.secret)})
        if operation.id == "disableMyTotp":
            return session.ask("POST", "/me/totp/disable", {"password": PASSWORD + "!"})
        if operation.id == "deleteMySession":
            api.log_in("admin", PASSWORD)
            other = [s for s in self.found.admin.ask("GET", "/me/sessions").json["items"] if not s["current"]][0]
            return self.found.admin.ask("DELETE", f"/me/sessions/{other['id']}")
        return session.ask(operation.method, operation.path)


# --- stories

def every_operation_answers_as_the_contract_says(tap):
    with service() as found:
        myself = Myself(found)
        last = [o for o in found.contract.operations if o.id == "restart"]
        for operation in [o for o in found.contract.operations if o not in last] + last:
            if operation.path.startswith("/me") or operation.id in ("login", "logout"):
                reply = myself.answer(operation)
            elif operation.id in STREAMS:
                continue  # the story of events
            else:
                body = operation.raw[1]["example"].encode() if operation.raw else body_for(found, operation)
                headers = {"Content-Type": operation.raw[0]} if operation.raw else {}
                reply = found.ask(operation.method, operation.target(parts_for(found, operation)), body, headers=headers)
            if operation.id == "deleteReplay" and reply.status == 404:
                problem = problem_document_problem(found.contract, reply)  # it had ended
            else:
                problem = operation.answer_problem(reply)
            tap.check(problem is None, f"{operation} answers as documented", problem)
        found.daemon.wait_ready()
        tap.check(len(found.contract.operations) > 120, "all of them were there")
    tap.equal(found.status, 0, "seczim-api ends well")


def every_answer_is_one_that_the_generated_document_knows(tap):
    """The document is the file of the repository, but for what concerns the program alone."""
    with service() as found:
        document = found.contract.document
        tap.equal(document["openapi"], "3.1.0", "OpenAPI 3.1")
        tap.check(document["info"]["version"].count(".") == 2, "with the release as its version", document["info"])
        tap.check(not any(word in str(document["paths"]) for word in ("x-control", "x-handler", "x-before")),
                  "nothing internal in it")
        reply = found.api.send("GET", PREFIX + "/nothing", headers={"Authorization": f"Bearer {found.tokens['admin']}"})
        tap.equal(problem_document_problem(found.contract, reply) or reply.status, 404, "an unknown path is a problem document")
        reply = found.ask("PUT", "/sessions", {})
        tap.equal(problem_document_problem(found.contract, reply) or reply.status, 405, "so is a method that there is not")


def query_parameters_are_what_the_contract_says(tap):
    with service() as found:
        for operation in found.contract.operations:
            if operation.changes or operation.id in STREAMS:
                continue
            parts = parts_for(found, operation)
            reply = found.ask("GET", operation.target(parts, sommething="1"))
            problem = operation.refusal_problem(reply, 400) or (reply.json.get("field") != "sommething" and reply)
            tap.check(not problem, f"{operation} refuses an unknown parameter", problem)
            optional = [p for p in operation.parameters if p["in"] == "query" and not p.get("required")]
            problems = []
            for p in [p for p in optional if "example" in p]:
                problem = operation.answer_problem(found.ask("GET", operation.target(parts, **{p["name"]: p["example"]})))
                problems += [f"{p['name']}={p['example']}: {problem}"] if problem else []
            for p in [p for p in operation.parameters if p["in"] == "query"]:
                for value in wrong_parameters(p):
                    reply = found.ask("GET", operation.target(parts, **{p["name"]: value}))
                    problem = operation.refusal_problem(reply, 400)
                    if not problem and reply.json.get("field") != p["name"]:
                        problem = f"names the field {reply.json.get('field')}"
                    problems += [f"{p['name']}={value}: {problem}"] if problem else []
            if optional:
                tap.check(not problems, f"{operation} takes its parameters within their bounds", "\n".join(map(str, problems)))


def bodies_that_break_the_schema_are_refused_with_the_field(tap):
    with service() as found:
        tried = 0
        for operation in found.contract.operations:
            if operation.schema is None:
                continue
            caller = found.admin.ask if operation.path.startswith("/me") else found.ask
            parts = parts_for(found, operation)
            problems = []
            for what, field, body in wrong_objects(found.contract, operation.schema, operation.example()):
                reply = caller(operation.method, operation.target(parts), body)
                problem = operation.refusal_problem(reply, 400)
                if not problem and reply.json.get("field", "") != field:
                    problem = f"names the field {reply.json.get('field')!r}, not {field!r}: {reply.json['detail']}"
                problems += [f"{what}: {problem}"] if problem else []
                tried += 1
            for body, status in ((b"", 400), (b"[]", 400), (b"null", 400), (b"{", 400), (b"\xff{}", 400), (b'{"a":1,"a":1}', 400)):
                reply = caller(operation.method, operation.target(parts), body, headers={"Content-Type": "application/json"})
                problem = operation.refusal_problem(reply, status)
                problems += [f"{body!r}: {problem}"] if problem else []
            reply = caller(operation.method, operation.target(parts), b"a=1",
                           headers={"Content-Type": "application/x-www-form-urlencoded"})
            problem = operation.refusal_problem(reply, 415)
            problems += [f"a form: {problem}"] if problem else []
            tap.check(not problems, f"{operation} refuses every body that breaks its schema", "\n".join(map(str, problems)))
        tap.check(tried > 1000, f"{tried} wrong bodies were tried")


def refused_or_let_in(found, operation, token):
    """The status of a request that would be refused later at the latest: by its body, or by an id that is not there."""
    headers = {"Content-Type": "application/json"} if operation.schema else {}
    body = b'{"sommething": 1}' if operation.schema else b"" if operation.raw else None
    parts = {"id": "999999999", "name": "nobody-of-that-name"} if operation.changes else {"sequence": "1", "id": "1"}
    return found.api.ask(operation.method, operation.target(parts), body, headers, token=token)


def every_role_may_what_the_contract_says(tap):
    with service() as found:
        for operation in found.contract.operations:
            problems = []
            for role in ROLES:
                enough = ROLES.index(role) >= ROLES.index(operation.role)
                if enough and (operation.id in NOT_IN_PASSING or operation.id in STREAMS):
                    continue
                reply = refused_or_let_in(found, operation, found.tokens.get(role))
                if enough and operation.id != "login" and reply.status in (401, 403) and not operation.path.startswith("/me"):
                    problems.append(f"{role} is refused: {reply}")
                if not enough:
                    problem = operation.refusal_problem(reply, 401 if role == "none" else 403)
                    problems += [f"{role}: {problem}"] if problem else []
            tap.check(not problems, f"{operation} is for {operation.role}", "\n".join(map(str, problems)))


def a_token_may_what_its_scopes_say(tap):
    with service() as found:
        only = {scope: found.api.make_token(found.admin, "admin", [scope], f"only {scope}") for scope in SCOPES}
        without = {scope: found.api.make_token(found.admin, "admin", [s for s in SCOPES if s != scope], f"without {scope}")
                   for scope in SCOPES}
        for operation in found.contract.operations:
            if operation.scope is None or operation.id in STREAMS:
                continue
            refused = operation.refusal_problem(refused_or_let_in(found, operation, without[operation.scope]), 403)
            tap.check(refused is None, f"{operation} needs the scope {operation.scope}", refused)
            if operation.id not in NOT_IN_PASSING:
                reply = refused_or_let_in(found, operation, only[operation.scope])
                tap.check(reply.status not in (401, 403), "and nothing else", reply)
        forged = found.tokens["admin"][:-1] + ("A" if found.tokens["admin"][-1] != "A" else "B")
        for token in (forged, "szt_", "x", found.tokens["admin"] + "A", found.tokens["admin"].replace("szt_", "SZT_")):
            reply = found.api.ask("GET", "/status", token=token)
            tap.equal(problem_document_problem(found.contract, reply) or reply.status, 401, f"the token {token[:8]} is none")


def a_random_order_changes_nothing(tap):
    """Reads in another order, twice: no operation leaves behind what disturbs another."""
    with service() as found:
        reads = [o for o in found.contract.operations if o.method == "GET" and o.id not in STREAMS
                 and not o.path.startswith("/me")]
        problems = []
        for operation in shuffled(reads, 1) + shuffled(reads, 2):
            problem = operation.answer_problem(found.ask("GET", operation.target(parts_for(found, operation))))
            problems += [f"{operation}: {problem}"] if problem else []
        tap.check(not problems, f"{len(reads)} reads in random order", "\n".join(map(str, problems)))


STORIES = (every_operation_answers_as_the_contract_says, every_answer_is_one_that_the_generated_document_knows,
           query_parameters_are_what_the_contract_says, bodies_that_break_the_schema_are_refused_with_the_field,
           every_role_may_what_the_contract_says, a_token_may_what_its_scopes_say, a_random_order_changes_nothing)
