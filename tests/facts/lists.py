# SPDX-License-Identifier: Apache-2.0
"""Block lists: who is refused, who is not even asked about, and lists that must not be believed."""
import time

from facts import BARRACUDA, ZEN, list_name, listing, request, row_of, running, test_points, wait_for

NO_SPF = "policies:\n  spf: {enabled: false}\n"
GREYLISTED = "DEFER_IF_PERMIT 4.7.1 Greylisted"
HEALTHY = test_points(ZEN, BARRACUDA)


def asked_about(server, address):
    return [server.asked(list_name(address, zone)) for zone in (ZEN, BARRACUDA)]


def listed_is_refused(tap):
    zone = {**HEALTHY, **listing("1.2.3.4"), **listing("1.2.3.5", BARRACUDA),
            **listing("1.2.3.6", ZEN, "127.0.0.4"), **listing("1.2.3.6", BARRACUDA), **listing("2a00::1"),
            **listing("1.2.3.8", ZEN, "127.0.0.200")}
    with running(zone, NO_SPF) as (server, daemon):
        client = daemon.client()
        answer = client.ask(**request(instance="listed"))
        tap.equal(answer, "REJECT 5.7.1 Client host 1.2.3.4 is listed in Spamhaus ZEN: 127.0.0.2",
                  "a listed client is refused, and is told which list names it")
        tap.equal(asked_about(server, "1.2.3.4"), [1, 1], "both lists that are on out of the box were asked")
        row = row_of(daemon, "listed")
        tap.equal((row["verdict"], row["policy"], row["reason"]), ("reject", "rbl", "rbl.listed"), "history says why")
        tap.contains(row["rule"], "Spamhaus ZEN: 127.0.0.2", "and by which list, with its code")
        tap.check(wait_for_log(daemon, "INFO RBL: IP 1.2.3.4 is listed in Spamhaus ZEN: 127.0.0.2"),
                  "so does the log, in the words that are grepped for", daemon.said())
        tap.contains(client.ask(**request("1.2.3.5")), "listed in Barracuda: 127.0.0.2", "so is one of the other list")
        answer = client.ask(**request("1.2.3.6"))
        tap.check("Spamhaus ZEN: 127.0.0.4" in answer and "Barracuda: 127.0.0.2" in answer,
                  "one that both name is told both", answer)
        tap.contains(client.ask(**request("2a00::1")), "listed in Spamhaus ZEN: 127.0.0.2", "IPv6 is asked about")
        tap.equal(asked_about(server, "2a00::1"), [1, 0], "where the list has it")
        tap.contains(client.ask(**request("1.2.3.7", instance="clean")), GREYLISTED,
                     "one that no list names goes on to greylisting")
        tap.equal(row_of(daemon, "clean")["reason"], "greylist.first-contact", "as history has it")
        tap.contains(client.ask(**request("1.2.3.8")), GREYLISTED, "a code that does not count is no listing")
        row_of(daemon, "clean")
        tap.equal([line for line in daemon.log.read_text().splitlines() if "RBL:" in line and "1.2.3.7" in line
                   and "listed" in line], [], "no line of the lists about it says listed")
        client.close()


def each_is_asked_once(tap):
    zone = {**HEALTHY, **listing("1.2.3.4", ttl=600), **listing("1.2.3.9", ttl=1)}
    with running(zone, NO_SPF) as (server, daemon):
        client = daemon.client()
        for number in range(5):
            client.ask(**request(sender=f"s{number}@example.org"))
            client.ask(**request("1.2.3.7", sender=f"s{number}@example.org"))
        tap.equal(asked_about(server, "1.2.3.4"), [1, 1], "a listing is known for its time to live")
        tap.equal(asked_about(server, "1.2.3.7"), [1, 1], "so is that there is none")
        tap.contains(client.ask(**request("1.2.3.9")), "is listed", "a listing of one second refuses")
        time.sleep(1.5)
        client.ask(**request("1.2.3.9"))
        tap.equal(server.asked(list_name("1.2.3.9", ZEN)), 2, "and is asked for again afterwards")
        client.close()


def some_are_never_asked_about(tap):
    zone = {**HEALTHY, f"*.{ZEN}": {"A": ["127.0.0.2"]}, f"*.{BARRACUDA}": {"A": ["127.0.0.2"]}}
    for point in ("127.0.0.1", "::ffff:7f00:1"):
        zone.update({list_name(point, name): {"A": []} for name in (ZEN, BARRACUDA)})
    settings = NO_SPF + "trusted_networks: [127.0.0.0/8, 5.6.7.0/24]\nrbl:\n  exempt_networks: [5.6.8.0/24]\n"
    with running(zone, settings) as (server, daemon):
        client = daemon.client()
        # The test points have been asked about before, or no count below would hold.
        wait_for(lambda: server.asked(list_name("127.0.0.1", BARRACUDA)), 20)
        tap.equal(client.ask(**request("5.6.9.1", sasl_username="alice@example.org", sasl_method="PLAIN")), "DUNNO",
                  "who logged in sends from a listed address")
        tap.equal(client.ask(**request("5.6.7.1")), "DUNNO", "so does a trusted network")
        for address in ("5.6.8.1", "10.1.2.3", "192.168.7.7", "172.16.0.1", "100.64.1.1", "169.254.1.1", "192.0.2.1",
                        "203.0.113.9", "fe80::1", "fd00::1", "2001:db8::1"):
            answer = client.ask(**request(address))
            tap.check("is listed" not in answer, f"{address} is let through by the lists", answer)
        for address in ("5.6.9.1", "5.6.7.1", "5.6.8.1", "10.1.2.3", "192.168.7.7", "172.16.0.1", "100.64.1.1",
                        "169.254.1.1", "192.0.2.1", "203.0.113.9", "fe80::1", "fd00::1", "2001:db8::1"):
            tap.equal(asked_about(server, address), [0, 0], f"nobody was asked about {address}")
        tap.contains(client.ask(**request("5.6.9.1")), "is listed", "while a stranger there is refused")
        client.close()


def wait_for_log(daemon, *parts, seconds=20):
    return wait_for(lambda: any(all(part in line for part in parts)
                                for line in daemon.log.read_text(errors="replace").splitlines()), seconds)


def an_error_code_is_no_listing(tap):
    zone = {**HEALTHY, **{list_name(f"1.2.3.{i}", ZEN): {"A": ["127.255.255.254"]} for i in range(20)},
            **listing("1.2.3.30", BARRACUDA)}
    with running(zone, NO_SPF) as (server, daemon):
        wait_for(lambda: server.asked(list_name("127.0.0.1", BARRACUDA)), 20)
        client = daemon.client()
        answers = [client.ask(**request(f"1.2.3.{i}")) for i in range(20)]
        tap.equal([answer for answer in answers if not answer.startswith(GREYLISTED)], [],
                  "127.255.255.254 refuses nobody, before and after the list is out")
        tap.check(wait_for_log(daemon, "WARN", "RBL:", "Spamhaus ZEN"), "the log says what is wrong with the list",
                  daemon.said())
        tap.check(wait_for(lambda: [alert for alert in daemon.control("GET", "/v1/status")["alerts"]
                                    if alert["type"] == "rbl.out" and "Spamhaus ZEN" in alert["text"]], 20),
                  "an alert stands in the status", daemon.control("GET", "/v1/status")["alerts"])
        zen = [item for item in daemon.control("GET", "/v1/rbl")["items"] if item["word"] == "spamhaus_zen"][0]
        tap.equal((zen["state"], zen["why"]), ("out", "error-code"), "the list is shown as out, and why")
        asked = server.asked(list_name("1.2.3.31", ZEN))
        client.ask(**request("1.2.3.31"))
        tap.equal(server.asked(list_name("1.2.3.31", ZEN)), asked, "a list that is out is not asked about clients")
        tap.contains(client.ask(**request("1.2.3.30")), "is listed in Barracuda", "the other list goes on")
        client.close()


def answers_outside_127_are_no_listing(tap):
    """As resolvers give that turn every unknown name into a page of advertisements."""
    with running(HEALTHY, NO_SPF) as (server, daemon):
        server.default = {"A": ["203.0.113.66"], "AAAA": ["2001:db8::66"]}
        client = daemon.client()
        answers = [client.ask(**request(f"1.2.3.{i}")) for i in range(20)]
        tap.equal([answer for answer in answers if not answer.startswith(GREYLISTED)], [],
                  "a resolver that answers for unknown names refuses nobody")
        tap.check(wait_for_log(daemon, "WARN", "RBL:", "Spamhaus ZEN"), "both lists are out: the log names the one",
                  daemon.said())
        tap.check(wait_for_log(daemon, "WARN", "RBL:", "Barracuda"), "and the other", daemon.said())
        client.close()


def a_list_of_the_world_is_taken_out(tap):
    zone = {**HEALTHY, f"*.{BARRACUDA}": {"A": ["127.0.0.2"]}, **listing("1.2.3.4")}
    with running(zone, NO_SPF) as (server, daemon):
        out = wait_for_log(daemon, "WARN", "RBL:", "Barracuda", "127.0.0.1")
        tap.check(out, "a list that lists 127.0.0.1 is taken out at start, and the log says so", daemon.said())
        client = daemon.client()
        tap.contains(client.ask(**request("1.2.3.7")), GREYLISTED, "it refuses nobody any more")
        tap.equal(server.asked(list_name("1.2.3.7", BARRACUDA)), 0, "nor is it asked")
        tap.contains(client.ask(**request("1.2.3.4")), "is listed in Spamhaus ZEN", "the other still refuses")
        client.close()


def an_empty_list_is_taken_out(tap):
    with running(test_points(ZEN), NO_SPF) as (server, daemon):
        tap.check(wait_for_log(daemon, "WARN", "RBL:", "Barracuda"),
                  "a list that does not list 127.0.0.2 is closed: taken out at start", daemon.said())
        tap.check("Spamhaus ZEN (" not in daemon.log.read_text(), "nothing is said of the one that does")


STORIES = (listed_is_refused, each_is_asked_once, some_are_never_asked_about, an_error_code_is_no_listing,
           answers_outside_127_are_no_listing, a_list_of_the_world_is_taken_out, an_empty_list_is_taken_out)
