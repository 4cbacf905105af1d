# SPDX-License-Identifier: Apache-2.0
"""A DNS that lies in every way we could think of: no verdict comes of a lie, the time is bounded, the work too."""
from facts import ask_at_once, list_name, request, running, slowest, test_points

DEADLINE_S, SLACK_S = 5, 0.5
# An answer whose name points to itself, and one whose data does.
POINTS_TO_ITSELF = b"\xc0\x2f" * 8
DATA_POINTS_TO_ITSELF = b"\xc0\x0c" + b"\0\5\0\1" + b"\0\0\1\0" + b"\0\2" + b"\xc0\x0c"
LISTED = {"A": ["127.0.0.2"]}
# Each is a block list of its own, healthy but for what it says of one client: (behaviour, is that a listing?)
LISTS = {
    "honest": (LISTED, True),
    "wrong-id": ({**LISTED, "wrong_id": True}, False),
    "wrong-question": ({**LISTED, "wrong_question": True}, False),
    "id-then-right": ({**LISTED, "wrong_id": True, "then_right": True}, True),
    "question-then-right": ({**LISTED, "wrong_question": True, "then_right": True}, True),
    "truncated": ({**LISTED, "truncate": True}, True),
    "loop": ({"CNAME": ["1.1.1.1.loop.lists.example"]}, False),
    "pointer": ({"raw": POINTS_TO_ITSELF}, False),
    "data-pointer": ({"raw": DATA_POINTS_TO_ITSELF}, False),
    "ttl-zero": ({**LISTED, "ttl": 0}, True),
    "ttl-endless": ({**LISTED, "ttl": 1 << 31}, True),
    "outside": ({"A": ["203.0.113.66"]}, False),
    "mixed": ({"A": ["198.51.100.1", "127.255.255.254"]}, False),
    "error-code": ({"A": ["127.255.255.255"]}, False),
    "refused": ({"rcode": "REFUSED"}, False),
    "referral": ({"authority": False}, False),
    "silent": ({"silent": True}, False),
}
CLIENTS = {name: f"9.9.{number}.9" for number, name in enumerate(LISTS)}
DENIES = {"TXT": ["v=spf1 -all"]}
LONG = "v=spf1 " + " ".join(f"ip4:9.{i // 250}.{i % 250}.1" for i in range(3800)) + " +all"
# Domains: (behaviour, may it be refused by that?)
DOMAINS = {
    "honest": (DENIES, True),
    "wrong-id": ({**DENIES, "wrong_id": True}, False),
    "wrong-question": ({**DENIES, "wrong_question": True}, False),
    "id-then-right": ({**DENIES, "wrong_id": True, "then_right": True}, True),
    "question-then-right": ({**DENIES, "wrong_question": True, "then_right": True}, True),
    "truncated": ({**DENIES, "truncate": True}, True),
    "loop": ({"CNAME": ["loop.spf.example"]}, False),
    "pointer": ({"raw": POINTS_TO_ITSELF}, False),
    "data-pointer": ({"raw": DATA_POINTS_TO_ITSELF}, False),
    "ttl-zero": ({**DENIES, "ttl": 0}, True),
    "ttl-endless": ({**DENIES, "ttl": 1 << 31}, True),
    "long": ({"TXT": [LONG]}, False),
    "many-mx": ({"TXT": ["v=spf1 mx:many.spf.example -all"]}, False),
    "include-itself": ({"TXT": ["v=spf1 include:include-itself.spf.example -all"]}, False),
    "redirect-itself": ({"TXT": ["v=spf1 redirect=redirect-itself.spf.example"]}, False),
    "voids": ({"TXT": ["v=spf1 " + "".join(f"a:v{i}.void.example " for i in range(9)) + "-all"]}, False),
    "terms": ({"TXT": ["v=spf1 " + "".join(f"a:t{i}.term.example " for i in range(30)) + "-all"]}, False),
    "silent": ({"silent": True}, False),
}


def bounded(tap, asked, what):
    tap.check(slowest(asked) <= DEADLINE_S + SLACK_S, f"{what}: each is answered within the deadline",
              {one.values["sender"] + " " + one.values["client_address"]: round(one.took, 2) for one in asked})


def lives(tap, daemon):
    client = daemon.client()
    tap.contains(client.ask(**request("9.8.7.6", "alice@none.example")), "Received-SPF: none",
                 "the daemon answers as ever")
    client.close()
    tap.equal(daemon.stop(), 0, "and ends cleanly, also for the sanitizers")


def lists_that_lie(tap):
    zones = {name: f"{name}.lists.example" for name in LISTS}
    zone = test_points(*zones.values())
    zone.update({list_name(CLIENTS[name], zones[name]): behaviour for name, (behaviour, _) in LISTS.items()})
    zone["1.1.1.1.loop.lists.example"] = {"CNAME": [list_name(CLIENTS["loop"], zones["loop"])]}
    own = ", ".join(f'"{name} ipv6=no"' for name in zones.values())
    settings = (f"rbl:\n  spamhaus_zen: {{enabled: false}}\n  barracuda: {{enabled: false}}\n  own_lists: [{own}]\n"
                "policies:\n  greylisting: {enabled: false}\n")
    with running(zone, settings) as (_, daemon):
        asked = ask_at_once(daemon, [request(client, "alice@none.example") for client in CLIENTS.values()])
        for (name, (_, is_listing)), one in zip(LISTS.items(), asked):
            refused = (one.answer or "").startswith("REJECT 5.7.1")
            tap.check(one.answer is not None and refused == is_listing,
                      f"list {name}: {'refused' if is_listing else 'not refused'}", one.answer)
            if is_listing:
                tap.contains(one.answer or "", f"{name}.lists.example", f"list {name}: by that list")
        bounded(tap, asked, "lists")
        lives(tap, daemon)


def domains_that_lie(tap):
    zone = {f"{name}.spf.example": behaviour for name, (behaviour, _) in DOMAINS.items()}
    zone["many.spf.example"] = {"MX": [f"{i} m{i}.many.example" for i in range(500)]}
    zone["*.many.example"] = {"A": ["9.9.9.9"]}
    zone["*.term.example"] = {"A": ["9.9.9.9"]}
    settings = "policies:\n  rbl: {enabled: false}\n  greylisting: {enabled: false}\n"
    with running(zone, settings) as (server, daemon):
        asked = ask_at_once(daemon, [request("1.2.3.4", f"alice@{name}.spf.example", helo_name="[1.2.3.4]")
                                     for name in DOMAINS])
        for (name, (_, is_denial)), one in zip(DOMAINS.items(), asked):
            refused = (one.answer or "").startswith("REJECT 5.7.")
            tap.check(one.answer is not None and refused == is_denial,
                      f"domain {name}: {'refused' if is_denial else 'not refused'}", one.answer)
        bounded(tap, asked, "domains")
        questions = [name for name, _, _ in list(server.questions)]
        tap.check(sum(name.endswith(".many.example") for name in questions) <= 10, "of 500 MX at most 10 are asked for")
        tap.check(sum(name.endswith(".term.example") for name in questions) <= 10, "of 30 terms at most 10")
        voids = {name for name in questions if name.endswith(".void.example")}
        tap.check(len(voids) <= 3, "after two names that are not there no third is asked for", voids)
        tap.check(questions.count("include-itself.spf.example") <= 2, "a record that includes itself is asked for once")
        lives(tap, daemon)


STORIES = (lists_that_lie, domains_that_lie)
