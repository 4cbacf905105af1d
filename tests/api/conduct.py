# SPDX-License-Identifier: Apache-2.0
"""What holds for whole kinds of operations: pages, entity tags, the audit log, live events."""
import http.client
import json
import time

import jsonschema
from api import PREFIX
from walk import NOT_IN_PASSING, STREAMS, body_for, made, parts_for, service

NOT_AUDITED = {"explain", "postReplay", "deleteReplay"}


def schemas_are_schemas(tap):
    with service() as found:
        problems = []
        for name, schema in found.contract.document["components"]["schemas"].items():
            try:
                jsonschema.Draft202012Validator.check_schema(schema)
            except jsonschema.SchemaError as problem:
                problems.append(f"{name}: {problem.message}")
        tap.check(not problems, "every schema of the contract is one", "\n".join(problems))
        wrong = [f"{o}: {found.contract.problem_of(o.content['schema'], o.example())}" for o in found.contract.operations
                 if o.content and found.contract.problem_of(o.content["schema"], o.example())]
        tap.check(not wrong, "and every example fits its own", "\n".join(wrong))


ONESELF = {"logout", "putMyPassword", "postMyTotp", "putMyTotp", "disableMyTotp", "deleteMySession"}
ADMIN_READS = {"getUsers", "getUser", "getTokens", "getAudit"}
# What an operator changes: nothing that decides how mail is judged in general, nothing of the service and its users.
OPERATOR_SCOPES = {"lists", "quotas", "restrictions", "reputation", "greylist"}


def roles_are_those_of_the_documentation(tap):
    """The contract itself, which all other stories take at its word."""
    with service() as found:
        wrong = []
        for operation in found.contract.operations:
            if operation.id in ("getHealth", "login"):
                wanted = "none", None
            elif operation.id in ONESELF or operation.id in ("getMe", "getMySessions"):
                wanted = "viewer", None
            elif operation.id in ADMIN_READS or operation.path.startswith(("/users", "/tokens", "/audit")):
                wanted = "admin", operation.path.split("/")[1]
            elif not operation.changes or operation.id == "explain":
                wanted = "viewer", "read"
            elif operation.id in ("postReplay", "deleteReplay"):
                wanted = "operator", "read"
            elif operation.scope in OPERATOR_SCOPES and "Identity" not in operation.id:
                wanted = "operator", operation.scope
            else:
                wanted = "admin", operation.scope
            if (operation.role, operation.scope) != wanted:
                wrong.append(f"{operation}: {operation.role} {operation.scope}, not {wanted}")
        tap.check(not wrong, "who may what is as documented", "\n".join(wrong))
        changes = {o.scope for o in found.contract.operations if o.changes and o.role == "admin"}
        tap.equal(changes, {"users", "tokens", "settings", "policies", "system", "restrictions"}, "what admins alone change")
        blacklists = [o.scope for o in found.contract.operations if o.changes and "blacklist" in o.path and "acl" not in o.path]
        tap.equal(set(blacklists), {"reputation"}, "blocks need the scope of reputation")


def fill(found):
    """At least three things of every kind."""
    for number in range(3):
        for path, value in (("/lists/allow", {"pattern": f"page{number}.example"}),
                            ("/lists/block", {"pattern": f"page{number}.example"}),
                            ("/lists/greylist_exempt", {"pattern": f"page{number}.example"}),
                            ("/quotas", {"subject": f"user page{number}@example.com", "limit": "10000/day"}),
                            ("/restrictions", {"sender": f"page{number}@example.com", "recipients": ["*@example.com"]}),
                            ("/identities", {"user": f"page{number}@example.com", "senders": ["info@example.com"]}),
                            ("/blacklist", {"ip": f"203.0.113.{number + 1}", "duration": 600}),
                            ("/users", {"name": f"page{number}", "role": "viewer"})):
            made(found, path, value)


def every_list_comes_in_pages(tap):
    with service() as found:
        fill(found)
        for operation in found.contract.operations:
            names = {p["name"] for p in operation.parameters}
            if not {"limit", "cursor"} <= names or operation.id in STREAMS:
                continue
            # What is counted each time a list is read changes between two pages.
            whole = found.ask("GET", operation.target(limit=500)).json
            got, cursor, pages = [], None, 0
            while pages < 40:
                page = found.ask("GET", operation.target(limit=1, **({"cursor": cursor} if cursor else {}))).json
                got += page["items"]
                cursor, pages = page["next"], pages + 1
                if cursor is None:
                    break
            if operation.id == "getChanges":  # a version is never split, so a page may be longer
                tap.equal(got[:3], whole["items"][:3], f"{operation} comes in pages")
                continue
            wanted = whole["items"][:len(got)] if pages == 40 else whole["items"]
            if operation.id in ("getAudit", "getTokens"):  # they note that they are being read
                strip = lambda items: [item["id"] for item in items]  # noqa: E731
                got, wanted = strip(got), strip(wanted)
            tap.check(got == wanted and (len(got) == 0 or pages >= len(got)), f"{operation} comes in pages of one: {len(got)}",
                      f"{json.dumps(got)[:1000]}\n{json.dumps(wanted)[:1000]}")


def what_was_read_is_known_by_its_tag(tap):
    with service() as found:
        rule = made(found, "/quotas", {"subject": "user tag@example.com", "limit": "10/day"})
        path = f"/quotas/{rule['id']}"
        first = found.ask("GET", path)
        tag = first.headers["ETag"]
        again = found.ask("GET", path, headers={"If-None-Match": tag})
        tap.equal((again.status, again.body, again.headers["ETag"]), (304, b"", tag), "304 for who has it")
        changed = found.ask("PUT", path, {"limit": "11/day"}, headers={"If-Match": tag})
        tap.equal((changed.status, changed.json["limit"]), (200, "11 recipients/day"), "who saw it as it is may change it")
        refused = found.ask("PUT", path, {"limit": "12/day"}, headers={"If-Match": tag})
        tap.equal((refused.status, refused.json["status"]), (412, 412), "who did not may not")
        tap.equal(found.ask("DELETE", path, headers={"If-Match": tag}).status, 412, "nor remove it")
        tap.equal(found.ask("GET", path).json["limit"], "11 recipients/day", "and nothing was changed")
        tap.check(found.ask("GET", path).headers["ETag"] != tag, "a changed thing has another tag")
        tag = found.ask("GET", "/settings/items").headers["ETag"]
        for status in (200, 412):
            tap.equal(found.ask("PUT", "/settings/items", {"quotas.text": f"Later {status}"}, headers={"If-Match": tag}).status,
                      status, f"settings: {status}")


def every_change_is_in_the_audit_log(tap):
    with service() as found:
        for operation in found.contract.operations:
            if not operation.changes or operation.id in NOT_IN_PASSING | NOT_AUDITED or operation.path in ("/login", "/logout"):
                continue
            body = operation.raw[1]["example"].encode() if operation.raw else body_for(found, operation)
            headers = {"Content-Type": operation.raw[0]} if operation.raw else {}
            reply = found.ask(operation.method, operation.target(parts_for(found, operation)), body, headers=headers)
            row = found.ask("GET", f"/audit?action={operation.id}&limit=1").json["items"]
            tap.check(row and row[0]["request_id"] == reply.headers["X-Request-Id"] and row[0]["status"] == reply.status and
                      row[0]["method"] == operation.method and row[0]["path"].startswith(PREFIX) and row[0]["via"] == "token"
                      and row[0]["user"].startswith("admin"), f"{operation} is in the audit log", f"{reply}\n{row}")
        row = found.ask("GET", "/audit?action=putQuota&limit=1").json["items"][0]
        tap.check("500 recipients/day" in json.dumps(row["before"]) and "600 recipients/day" in json.dumps(row["after"]),
                  "with what was before and after", row)
        for action, keys in (("putSettingItems", lambda state: [item["key"] for item in state["items"]]), ("putSettings", list)):
            row = found.ask("GET", f"/audit?action={action}&limit=1").json["items"][0]
            tap.equal(keys(row["before"]), ["greylisting.defer_time"], f"{action}: of the settings those that it named")
        row = found.ask("GET", "/audit?action=putGreylistingConfig&limit=1").json["items"][0]
        tap.check("defer_time" in row["before"] and "greylisting.defer_time" not in row["before"], "or those of its policy", row)
        secrets = json.dumps(found.ask("GET", "/audit?limit=500").json)
        tap.check(not any(token in secrets for token in found.tokens.values()), "and no token")
        found.ask("PUT", "/settings/items", {"rbl.spamhaus_zen.key": "s3cretmarker"})
        made(found, "/users", {"name": "secretly", "role": "viewer", "password": "s3cretmarker of mine"})
        tap.check("s3cretmarker" not in json.dumps(found.ask("GET", "/audit?limit=500").json), "and no secret")
        tap.check("s3cretmarker" not in found.api.log.read_text() + found.daemon.log.read_text(), "nor in the logs")


def events_are_what_the_contract_says(tap):
    with service() as found:
        before = found.ask("GET", "/sessions?limit=1").json["items"][0]["sequence"]
        operation = next(o for o in found.contract.operations if o.id == "getEvents")
        tap.equal(found.api.ask("GET", "/events").status, 401, "events are not for everybody")
        reply = found.ask("GET", "/events?sommething=1")
        tap.check(operation.refusal_problem(reply, 400) is None, "an unknown filter is refused", reply)
        connection = http.client.HTTPConnection("127.0.0.1", found.api.port, timeout=20)
        connection.request("GET", f"{PREFIX}/events?recipient=late@example.net", headers={
            "Authorization": f"Bearer {found.tokens['viewer']}", "Last-Event-ID": before})
        response = connection.getresponse()
        tap.equal((response.status, response.headers["Content-Type"].split(";")[0]), (200, "text/event-stream"), "a stream of events")
        client = found.daemon.client()
        for recipient in ("other@example.net", "late@example.net"):
            client.ask(client_address="198.51.100.7", sender="a@example.com", recipient=recipient, instance=recipient)
        client.close()
        lines, until = {}, time.monotonic() + 20
        while "data" not in lines and time.monotonic() < until:
            name, _, value = response.readline().decode().rstrip("\n").partition(": ")
            lines[name] = value
        item = json.loads(lines["data"])
        tap.equal((lines["event"], lines["id"], item["recipient"]), ("session", item["sequence"], "late@example.net"),
                  "an event is a session, by its number")
        problem = found.contract.problem_of({"$ref": "#/components/schemas/Session"}, item)
        tap.check(problem is None, "as the contract describes one", problem)
        connection.close()


STORIES = (schemas_are_schemas, roles_are_those_of_the_documentation, every_list_comes_in_pages, what_was_read_is_known_by_its_tag, every_change_is_in_the_audit_log,
           events_are_what_the_contract_says)
