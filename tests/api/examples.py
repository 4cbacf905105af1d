# SPDX-License-Identifier: Apache-2.0
"""The command lines that documents show, as people type them: without a login in the try-out configuration, with a token
elsewhere."""
import json
import shlex
import subprocess

from walk import service

TRY_OUT = "  trusted_networks: [127.0.0.0/8]\n"
JSON = '-H "Content-Type: application/json"'
# (what stands after "curl", status, what the answer must say)
LINES = (
    ("http://localhost:8880/api/v1/stats", 200,
     lambda a: set(a) == {"total_requests", "accepted", "rejected", "deferred", "acceptance_rate", "active_connections", "uptime"}
     and a["total_requests"] == a["accepted"] + a["rejected"]),
    ("http://localhost:8880/api/v1/version", 200, lambda a: a["version"].count(".") == 2),
    ("http://localhost:8880/api/v1/health", 200, lambda a: a["status"] == "ok" and a["daemon"] is True),
    ("http://localhost:8880/api/v1/policies", 200, lambda a: a["items"][0]["name"] == "acl_allow"),
    (f"-X PUT http://localhost:8880/api/v1/policies/greylisting {JSON} -d '{{\"enabled\": true, \"defer_time\": 300}}'", 200,
     lambda a: a["enabled"] is True and a["defer_time"] == 300),
    ("http://localhost:8880/api/v1/policies/stats", 200, lambda a: {"name", "reject", "defer"} <= set(a["items"][0])),
    ("http://localhost:8880/api/v1/greylisting/stats", 200, lambda a: "waiting" in a),
    (f"-X POST http://localhost:8880/api/v1/greylisting/whitelist {JSON} "
     "-d '{\"type\": \"domain\", \"value\": \"trusted-company.com\"}'", 201,
     lambda a: (a["type"], a["value"]) == ("domain", "trusted-company.com") and a["id"] > 0),
    ("http://localhost:8880/api/v1/greylisting/whitelist", 200, lambda a: a["items"][0]["value"] == "trusted-company.com"),
    ("http://localhost:8880/api/v1/greylisting/config", 200, lambda a: a["defer_time"] == 300),
    (f"-X PUT http://localhost:8880/api/v1/greylisting/config {JSON} -d '{{\"defer_time\": 120}}'", 200,
     lambda a: a["defer_time"] == 120 and a["retry_window"] == 172800),
    ("http://localhost:8880/api/v1/quotas/usage", 200, lambda a: isinstance(a["items"], list)),
    ('"http://localhost:8880/api/v1/quotas/usage?sender=user@domain.com"', 200, lambda a: a["user"] == "user@domain.com"),
    (f"-X POST http://localhost:8880/api/v1/acl/whitelist {JSON} "
     "-d '{\"type\": \"email\", \"value\": \"ceo@partner-company.com\"}'", 201,
     lambda a: (a["type"], a["value"]) == ("email", "ceo@partner-company.com")),
    (f"-X POST http://localhost:8880/api/v1/acl/whitelist {JSON} "
     "-d '{\"type\": \"email\", \"value\": \"ceo@partner-company.com\"}'", 200, lambda a: a["value"] == "ceo@partner-company.com"),
    (f"-X POST http://localhost:8880/api/v1/acl/whitelist {JSON} "
     "-d '{\"type\": \"domain\", \"value\": \"trusted-company.com\"}'", 201, lambda a: a["type"] == "domain"),
    (f"-X POST http://localhost:8880/api/v1/acl/blacklist {JSON} "
     "-d '{\"type\": \"domain\", \"value\": \"spam-domain.com\"}'", 201, lambda a: a["value"] == "spam-domain.com"),
    ("http://localhost:8880/api/v1/acl/whitelist", 200, lambda a: len(a["items"]) == 2),
    ("http://localhost:8880/api/v1/acl/blacklist", 200, lambda a: a["items"][0]["value"] == "spam-domain.com"),
    ("http://localhost:8880/api/v1/ip-reputation", 200, lambda a: isinstance(a["items"], list)),
    ("http://localhost:8880/api/v1/ip-reputation/192.168.1.100", 200, lambda a: (a["score"], a["known"]) == (50, False)),
    ("-X PUT http://localhost:8880/api/v1/ip-reputation/192.168.1.100/whitelist", 200,
     lambda a: a["allowed"]["pattern"] == "192.168.1.100" and a["blocked"] is None),
    ("-X PUT http://localhost:8880/api/v1/ip-reputation/192.168.1.100/blacklist", 200,
     lambda a: a["blocked"]["pattern"] == "192.168.1.100" and a["allowed"] is None),
    ("http://localhost:8880/api/v1/ip-reputation/config", 200, lambda a: a["block_threshold"] == 10),
    ("http://localhost:8880/api/v1/auto-blacklist", 200, lambda a: isinstance(a["items"], list)),
    ("http://localhost:8880/api/v1/auto-blacklist/rules", 200,
     lambda a: {"trigger": "rejections", "threshold": 100, "window": 3600, "duration": 86400}.items() <= a["items"][0].items()),
    (f"-X POST http://localhost:8880/api/v1/blacklist {JSON} -d '{{\"ip\": \"198.51.100.100\", \"duration\": 600}}'", 201,
     lambda a: a["blocked"] is True),
    ("-X PUT http://localhost:8880/api/v1/auto-blacklist/198.51.100.100/permanent", 200, lambda a: a["permanent"] is True),
    ("-X DELETE http://localhost:8880/api/v1/auto-blacklist/198.51.100.100", 204, None),
    ("-X DELETE http://localhost:8880/api/v1/auto-blacklist/198.51.100.100", 404, lambda a: a["status"] == 404),
    (f"-X POST http://localhost:8880/api/v1/settings {JSON} -d '{{\"quotas.text\": \"Later, please\"}}'", 200,
     lambda a: a["quotas.text"] == "Later, please"),
    ("http://localhost:8880/api/v1/settings", 200, lambda a: a["quotas.text"] == "Later, please"),
)
# Of later releases: an honest 404, no stub.
NOT_THERE = ("/license/status", "/alerts?limit=10", "/alerts/rules", "/anomalies", "/anomalies/config", "/intelligence/dashboard")


def curl(found, line, *more):
    words = shlex.split(line.replace("localhost:8880", f"127.0.0.1:{found.api.port}"))
    done = subprocess.run(["curl", "-sS", "--max-time", "30", "-w", "\n%{http_code}", *more, *words],
                          capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def command_lines_work_without_login_in_the_try_out(tap):
    with service(TRY_OUT) as found:
        for line, status, right in LINES:
            got, body = curl(found, line)
            tap.check(got == status and (right is None or right(json.loads(body))), f"curl {line}", f"{got}\n{body[:1500]}")
        for path in NOT_THERE:
            got, body = curl(found, f'"http://localhost:8880/api/v1{path}"')
            tap.check(got == 404 and json.loads(body)["status"] == 404, f"{path} is not there, and says so", f"{got} {body}")


def command_lines_need_a_token_elsewhere(tap):
    with service() as found:
        for line, status, right in LINES:
            refused, body = curl(found, line)
            if "/health" in line:
                tap.equal(refused, 200, "health is for everybody")
                continue
            got, answer = curl(found, line, "-H", f"Authorization: Bearer {found.tokens['admin']}")
            tap.check(refused == 401 and got == status and (right is None or right(json.loads(answer))),
                      f"with a token: curl {line}", f"{refused} {body[:300]}\n{got} {answer[:1000]}")


STORIES = (command_lines_work_without_login_in_the_try_out, command_lines_need_a_token_elsewhere)
