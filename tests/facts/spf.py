# SPDX-License-Identifier: Apache-2.0
"""SPF: what each result does to a message, its header, and what greylisting makes of it."""
import time

from facts import request, row_of, running

NO_RBL = "policies:\n  rbl: {enabled: false}\n  greylisting: {enabled: false}\n"
GREYLISTING = "policies:\n  rbl: {enabled: false}\ngreylisting:\n  defer_time: 1s\n"
ZONE = {
    "pass.example": {"TXT": ["v=spf1 ip4:1.2.3.4 ip4:1.2.9.0/24 -all"]},
    "fail.example": {"TXT": ["v=spf1 -all"]},
    "why.example": {"TXT": ["v=spf1 -all exp=text.why.example"]},
    "text.why.example": {"TXT": ["%{i} is not one of {ours}; see http://why.example/?s=%{S}"]},
    "softfail.example": {"TXT": ["v=spf1 ~all"]},
    "neutral.example": {"TXT": ["v=spf1 ?all"]},
    "none.example": {"A": ["1.2.3.4"]},
    "permerror.example": {"TXT": ["v=spf1 nonsense -all"]},
    "two.example": {"TXT": ["v=spf1 -all", "v=spf1 +all"]},
    "temperror.example": {"rcode": "SERVFAIL"},
    "mail.denied.example": {"TXT": ["v=spf1 -all"]},
    "mail.allowed.example": {"TXT": ["v=spf1 a -all"], "A": ["1.2.3.4"]},
}
HEADER = "PREPEND Received-SPF: "


def from_(domain, client="1.2.3.4", **values):
    return request(client, f"alice@{domain}", helo_name="[1.2.3.4]", **values)


def each_result(tap):
    with running(ZONE, NO_RBL) as (server, daemon):
        client = daemon.client()
        answer = client.ask(**from_("fail.example", instance="fail"))
        tap.check(answer.startswith("REJECT 5.7.23 ") or answer.startswith("REJECT 5.7.1 "), "fail is refused", answer)
        tap.contains(answer, "1.2.3.4", "naming the client")
        row = row_of(daemon, "fail")
        tap.equal((row["policy"], row["reason"]), ("spf", "spf.fail"), "history says why")
        tap.contains(row["rule"], "fail.example: -all", "and by which mechanism of whose record")
        answer = client.ask(**from_("why.example"))
        tap.contains(answer, "1.2.3.4 is not one of {ours}; see http://why.example/?s=alice%40why.example",
                     "what the domain explains is told")
        tap.contains(answer, "explains", "as the domain's words, not ours")
        for result in ("softfail", "neutral", "none", "permerror", "temperror"):
            answer = client.ask(**from_(f"{result}.example", instance=result))
            tap.check(answer.startswith(f"{HEADER}{result} "), f"{result} is let in, with its header",
                      answer)
            tap.equal(row_of(daemon, result)["verdict"], "accept", f"{result}: history agrees")
        answer = client.ask(**from_("two.example"))
        tap.contains(answer, f"{HEADER}permerror", "two records are an error, not a choice")
        tap.contains(client.ask(**from_("unknown.example")), f"{HEADER}none",
                     "a domain that is not there has no record")
        client.close()


def the_header_comes_once(tap):
    with running(ZONE, NO_RBL) as (server, daemon):
        first, second = daemon.client(), daemon.client()
        answers = [first.ask(**from_("pass.example", instance="m1", recipient=f"r{i}@example.net")) for i in range(4)]
        tap.contains(answers[0], f"{HEADER}pass", "a message that passes gets the header with its first recipient")
        tap.contains(answers[0], "client-ip=1.2.3.4", "which names the client")
        tap.equal(answers[1:], ["DUNNO"] * 3, "and with no other")
        tap.contains(second.ask(**from_("pass.example", instance="m2")), f"{HEADER}pass",
                     "the next message gets its own")
        answer = first.ask(**from_("pass.example", instance="m3", sasl_username="alice", sasl_method="PLAIN"))
        tap.equal(answer, "DUNNO", "who logged in is not checked")
        daemon.control("PUT", "/v1/settings", {"spf.add_header": False})
        tap.equal(first.ask(**from_("pass.example", instance="m4")), "DUNNO", "no header where it is switched off")
        tap.equal(server.asked("pass.example", "TXT"), 1, "the record was asked for once in all this")
        first.close()
        second.close()


def actions_are_settings(tap):
    with running(ZONE, NO_RBL) as (server, daemon):
        client = daemon.client()
        for result in ("softfail", "neutral", "none", "permerror", "temperror"):
            for action, start in (("reject", "REJECT 5."), ("defer", "DEFER_IF_PERMIT 4.")):
                daemon.control("PUT", "/v1/settings", {f"spf.{result}": action})
                answer = client.ask(**from_(f"{result}.example", instance=f"{result}.{action}"))
                tap.check(answer.startswith(start), f"{result}: {action}", answer)
                tap.equal(row_of(daemon, f"{result}.{action}")["reason"], f"spf.{result}", f"{result}: the reason")
        daemon.control("PUT", "/v1/settings", {"spf.fail": "accept"})
        tap.contains(client.ask(**from_("fail.example")), f"{HEADER}fail", "fail: accept leaves the header alone")
        client.close()


def null_sender_and_helo(tap):
    with running(ZONE, NO_RBL) as (server, daemon):
        client = daemon.client()
        bounce = {"sender": "", "client_address": "1.2.3.4", "recipient": "bob@example.net"}
        answer = client.ask(**bounce, helo_name="mail.denied.example", instance="bounce")
        tap.check(answer.startswith("REJECT 5."), "a null sender is judged by the HELO name", answer)
        tap.equal(row_of(daemon, "bounce")["reason"], "spf.fail", "as a fail of SPF")
        answer = client.ask(**bounce, helo_name="mail.allowed.example")
        tap.contains(answer, f"{HEADER}pass", "which may pass")
        tap.contains(answer, "identity=helo", "as the header says")
        mail = {**from_("none.example"), "helo_name": "mail.denied.example"}
        answer = client.ask(**mail, instance="helo")
        tap.check(answer.startswith("REJECT 5."), "a HELO name that is denied refuses a sender without record", answer)
        row = row_of(daemon, "helo")
        tap.equal(row["reason"], "spf.helo-fail", "with its own reason")
        tap.contains(row["rule"], "mail.denied.example", "and the name")
        daemon.control("PUT", "/v1/settings", {"spf.helo_fail": "accept"})
        tap.contains(client.ask(**mail, instance="helo2"), f"{HEADER}none", "unless spf.helo_fail accepts")
        client.close()


def greylisting_goes_by_domain(tap):
    with running(ZONE, GREYLISTING) as (server, daemon):
        client = daemon.client()
        first = client.ask(**from_("pass.example", "1.2.9.1", instance="g1"))
        tap.check(first.startswith("DEFER_IF_PERMIT 4.7.1"), "a stranger whose SPF passes is asked to come back", first)
        other = client.ask(**from_("fail.example", "1.2.9.1"))
        tap.check(other.startswith("REJECT"), "one whose SPF fails is refused before", other)
        time.sleep(2.2)
        again = client.ask(**from_("pass.example", "1.2.3.4", instance="g2"))
        tap.contains(again, f"{HEADER}pass", "the retry from another network of that domain gets in")
        tap.equal(row_of(daemon, "g2")["reason"], "greylist.retried", "as the retry of the first attempt")
        later = client.ask(**from_("none.example", "1.2.9.1"))
        time.sleep(2.2)
        moved = client.ask(**from_("none.example", "1.2.3.4"))
        tap.check(later.startswith("DEFER") and moved.startswith("DEFER"),
                  "without SPF another network begins anew", (later, moved))
        client.close()


STORIES = (each_result, the_header_comes_once, actions_are_settings, null_sender_and_helo, greylisting_goes_by_domain)
