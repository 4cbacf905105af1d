# SPDX-License-Identifier: Apache-2.0
"""Who gets in, against the running server: guessing, planted cookies, pages of others, rebound names, codes, and
`kill -9` in the middle of changes. What each fact decides is in src/api/access_*test.c; here is that the facts arrive."""
import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import sqlite3
import struct
import subprocess
import time

from api import PASSWORD, Api
from daemon import BUILD, Daemon


@contextlib.contextmanager
def service(settings="", log_in=True):
    """seczim-api alone: what it owns needs no daemon."""
    daemon = Daemon()
    api = Api(daemon, settings)
    try:
        api.start()
        admin = api.log_in_first() if log_in else None
        yield api, admin
    finally:
        api.stop()
        daemon.clean()


def login(api, name="admin", password=PASSWORD, headers=None, **more):
    """Without waiting for a throttle."""
    return api.send("POST", "/api/v1/login", {"name": name, "password": password, **more}, headers)


def code_at(secret, now):
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", int(now) // 30), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7fffffff) % 1000000:06}"


# --- logins

def the_first_password_opens_nothing_but_its_own_change(tap):
    with service(log_in=False) as (api, _):
        first = api.first_password()
        session = api.log_in("admin", first)
        for path in ("/users", "/audit", "/tokens", "/openapi.json", "/me/sessions"):
            reply = session.ask("GET", path)
            tap.equal((reply.status, reply.json.get("must_change_password")), (403, True), f"GET {path} waits for the change")
        tap.equal(session.ask("GET", "/me").json["must_change_password"], True, "GET /me says so")
        for new, word in (("short", "new"), ("admin admin admin", "user's name"), ("password1234", "tried first")):
            reply = session.ask("PUT", "/me/password", {"current": first, "new": new})
            tap.equal(reply.status, 400, f"{new!r} is refused")
            tap.contains(reply.json["detail"], word, "and why")
        tap.equal(session.ask("PUT", "/me/password", {"current": first, "new": PASSWORD}).status, 204, "a good one is taken")
        tap.equal(session.ask("GET", "/users").status, 200, "and opens the rest in the same session")
        tap.equal(login(api, password=first).status, 401, "the first one is worth nothing any more")
        api.stop()
        tap.check(first not in api.log.read_text(), "the log does not have it")
        api.start()
        tap.equal(api.output.read_text().count("one-time password"), 1, "and it is shown once")


def guessing_is_slowed_down_for_names_that_there_are_and_are_not(tap):
    with service() as (api, _):
        shapes = set()
        for name in ("admin", "nobody"):
            reply = login(api, name, "wrong")
            shapes.add((reply.status, reply.json["detail"]))
        tap.equal(len(shapes), 1, "an unknown name is answered as a known one")
        statuses = [login(api, "admin", f"guess {number}").status for number in range(8)]
        tap.check(429 in statuses, "more guesses are refused", statuses)
        refused = login(api, "admin", PASSWORD)
        tap.equal(refused.status, 429, "even with the right password, so that nobody learns it from here")
        tap.check(int(refused.headers["Retry-After"]) >= 1, "and when to come again is said", refused.headers)
        tap.equal(api.send("POST", "/api/v1/login", {"name": "admin", "password": "x"}, {"X-Forwarded-For": "192.0.2.9"}).status,
                  429, "X-Forwarded-For of a stranger makes no other address")


def a_login_begins_a_new_session_whatever_cookie_came_along(tap):
    with service() as (api, admin):
        planted = "seczim_session=" + "A" * 43
        reply = login(api, headers={"Cookie": planted})
        cookie = reply.headers["Set-Cookie"]
        tap.equal(reply.status, 200, "a planted cookie does not hinder")
        tap.check(not cookie.startswith(planted), "nor is it taken", cookie)
        tap.equal(cookie.split("; ")[1:], ["Path=/", "HttpOnly", "SameSite=Strict"], "what scripts and other sites may not do")
        old = api.log_in("admin", PASSWORD)
        new = login(api, headers={"Cookie": old.cookie})
        tap.equal(new.status, 200, "logging in again")
        tap.equal(old.ask("GET", "/me").status, 401, "ends the session before")
        tap.check(new.json["csrf"] != old.csrf, "and the token is another")
        stolen = api.send("GET", "/api/v1/me", headers={"Cookie": f"seczim_session={admin.csrf}"})
        tap.equal(stolen.status, 401, "the CSRF token is no cookie")
        tap.equal(admin.ask("POST", "/logout").status, 204, "logging out")
        tap.equal(admin.ask("GET", "/me").status, 401, "ends it at the server")


def codes_are_asked_for_and_count_once(tap):
    with service() as (api, admin):
        secret = admin.ask("POST", "/me/totp").json["secret"]
        tap.equal(login(api).status, 200, "before the first code none is asked for")
        tap.equal(admin.ask("PUT", "/me/totp", {"code": "000000"}).status, 403, "a wrong one does not switch it on")
        now = time.time()
        tap.equal(admin.ask("PUT", "/me/totp", {"code": code_at(secret, now)}).status, 204, "a right one does")
        missing = login(api)
        tap.equal((missing.status, missing.json.get("code_required")), (401, True), "the password alone is told what is missing")
        tap.equal("code_required" in login(api, password="wrong").json, False, "a wrong password is not")
        tap.equal(login(api, code=code_at(secret, now)).status, 401, "the code that switched it on was used up")
        tap.equal(login(api, code=code_at(secret, now + 30)).status, 200, "the next one is good")
        tap.equal(login(api, code=code_at(secret, now + 30)).status, 401, "once")
        tap.equal(admin.ask("POST", "/me/totp/disable", {"password": "wrong"}).status, 403, "off needs the password")
        tap.equal(admin.ask("POST", "/me/totp/disable", {"password": PASSWORD}).status, 204, "and takes it")


# --- pages of others

def changes_with_a_cookie_come_from_our_own_page(tap):
    rows = [
        ("with the token", {}, True, 201),
        ("without it", {}, False, 403),
        ("our page", {"Origin": "http://{host}", "Sec-Fetch-Site": "same-origin"}, True, 201),
        ("another site", {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, True, 403),
        ("another site that hides", {"Origin": "null"}, True, 403),
        ("another port", {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}, True, 403),
        ("a page cross-site without Origin", {"Sec-Fetch-Site": "cross-site"}, True, 403),
    ]
    with service() as (api, admin):
        for number, (what, headers, token, status) in enumerate(rows):
            sent = {name: value.format(host=f"127.0.0.1:{api.port}") for name, value in headers.items()}
            sent["Cookie"] = admin.cookie
            if token:
                sent["X-CSRF-Token"] = admin.csrf
            reply = api.ask("POST", "/users", {"name": f"user{number}", "role": "viewer"}, sent)
            tap.equal(reply.status, status, f"a change from {what}")
        names = [user["name"] for user in admin.ask("GET", "/users").json["items"]]
        tap.equal(names, ["admin", "user0", "user2"], "and only the good ones were made")
        form = api.ask("POST", "/users", b'{"name": "form", "role": "viewer"}',
                       {"Cookie": admin.cookie, "X-CSRF-Token": admin.csrf, "Content-Type": "text/plain"})
        tap.equal(form.status, 415, "a form cannot send JSON")
        tap.equal(login(api, headers={"Origin": "https://evil.example"}).status, 403, "nor log somebody in")


def trusted_networks_are_for_direct_requests_to_our_own_name(tap):
    rows = [
        ("by address", {}, 200),
        ("as localhost", {"Host": "localhost:{port}"}, 200),
        ("by a name of ours", {"Host": "gw.example:{port}"}, 200),
        ("by a rebound name", {"Host": "evil.example"}, 401),
        ("by a rebound name with our port", {"Host": "evil.example:{port}"}, 401),
        ("from a page elsewhere", {"Origin": "https://evil.example"}, 401),
        ("from our page", {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}, 200),
        ("from an element of a page elsewhere", {"Sec-Fetch-Site": "cross-site"}, 401),
        *((f"through a proxy ({name})", {name: value}, 401) for name, value in
          (("Forwarded", "for=127.0.0.1"), ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Host", "localhost"),
           ("X-Forwarded-Proto", "https"), ("X-Forwarded-Server", "x"), ("X-Forwarded-Port", "1"),
           ("X-Forwarded-Ssl", "on"), ("X-Real-IP", "127.0.0.1"), ("Via", "1.1 x"), ("x-forwarded-for", ""))),
    ]
    with service("  trusted_networks: [127.0.0.0/8]\n  host_names: [gw.example]\n") as (api, _):
        for what, headers, status in rows:
            sent = {name: value.format(port=api.port) for name, value in headers.items()}
            tap.equal(api.ask("GET", "/openapi.json", headers=sent).status, status, f"a request {what}")
        tap.equal(api.ask("GET", "/me").json["via"], "trusted", "and it is known as such")
        tap.equal(api.ask("GET", "/openapi.json", token="szt_wrong").status, 401, "a wrong token is refused all the same")
        tap.equal(api.ask("POST", "/users", {"name": "lasting", "role": "admin"}).status, 403, "no user is made without login")
        tap.equal(api.ask("POST", "/tokens", {"name": "lasting", "scopes": ["read"]}).status, 403, "nor a token")
    with service() as (api, _):
        tap.equal(api.ask("GET", "/openapi.json").status, 401, "by default no network is trusted")


def a_proxy_that_is_trusted_names_the_client(tap):
    with service("  trusted_proxies: [127.0.0.1]\n") as (api, _):
        headers = {"X-Forwarded-For": "192.0.2.66, 203.0.113.5", "X-Forwarded-Proto": "https",
                   "Origin": f"https://127.0.0.1:{api.port}"}
        reply = login(api, headers=headers)
        cookie = reply.headers["Set-Cookie"]
        tap.check(cookie.startswith("__Host-seczim_session=") and cookie.endswith("; Secure"), "its TLS makes a secure cookie", cookie)
        sent = {**headers, "Cookie": cookie.split(";")[0]}
        items = api.ask("GET", "/me/sessions", headers=sent).json["items"]
        tap.equal([item["address"] for item in items if item["current"]], ["203.0.113.5"], "and the rightmost address counts")
        tap.equal(api.ask("GET", "/me", headers=sent).json["tls"], True, "and TLS is told")
        sent["Cookie"] = sent["Cookie"].replace("__Host-", "")
        tap.equal(api.ask("GET", "/me", headers=sent).status, 401, "a cookie that plain HTTP could plant is not taken over TLS")


# --- tokens, and what is kept

def a_token_makes_no_other_that_does_more(tap):
    with service() as (api, admin):
        token = api.make_token(admin, "admin", ["tokens", "read"])
        for scopes, status in ((["read"], 201), (["tokens", "read"], 201), (["users"], 403), (["read", "settings"], 403)):
            reply = api.ask("POST", "/tokens", {"name": "child", "scopes": scopes}, token=token)
            tap.equal(reply.status, status, f"a token with {scopes}")
        tap.equal(api.ask("PUT", "/me/password", {"current": PASSWORD, "new": "quite another password"}, token=token).status, 403,
                  "a token does not change its user's password")
        tap.equal(api.ask("GET", "/me", token=token[:-1] + ("A" if token[-1] != "A" else "B")).status, 401, "mistyped")
        tap.equal(api.ask("GET", "/me", token=token[:-1]).status, 401, "cut")
        expired = admin.ask("POST", "/tokens", {"name": "old", "scopes": ["read"], "expires": "2020-01-01T00:00:00Z"})
        tap.equal((expired.status, expired.json.get("field")), (400, "expires"), "one that has expired is not made")


def what_is_kept_opens_nothing(tap):
    with service() as (api, admin):
        token = api.make_token(admin, "viewer", ["read"])
        made = admin.ask("POST", "/users", {"name": "grace", "role": "viewer"}).json["one_time_password"]
        secret = admin.ask("POST", "/me/totp").json["secret"]
        cookie = admin.cookie.split("=")[1]
        said = admin.ask("GET", "/audit?limit=500").body.decode()
        api.stop()
        files = b"".join(path.read_bytes() for path in sorted(api.data.iterdir()))
        log = api.log.read_text()
        for what, value in (("password", PASSWORD), ("token", token[10:]), ("one-time password", made), ("cookie", cookie)):
            tap.check(value.encode() not in files, f"api.db has no {what}")
        for what, value in (("password", PASSWORD), ("token", token[10:]), ("one-time password", made), ("cookie", cookie),
                            ("secret of the app", secret)):
            tap.check(value not in said, f"the audit log has no {what}")
            tap.check(value not in log, f"the log has no {what}")
        for path in api.data.iterdir():
            tap.equal(path.stat().st_mode & 0o077, 0, f"{path.name} is for its owner alone")


def the_audit_log_tells_who_did_what(tap):
    with service() as (api, admin):
        admin.ask("POST", "/users", {"name": "grace", "role": "viewer"})
        admin.ask("PUT", "/users/grace", {"role": "operator"})
        admin.ask("DELETE", "/users/admin")
        login(api, "grace", "wrong")
        items = admin.ask("GET", "/audit").json["items"]
        told = [(i["user"], i["via"], i["action"], i["status"]) for i in items[:4]]
        tap.equal(told, [("grace", "nobody", "login", 401), ("admin", "session", "deleteUser", 409),
                         ("admin", "session", "putUser", 200), ("admin", "session", "postUser", 201)], "newest first")
        tap.equal((items[2]["before"]["role"], items[2]["after"]["role"]), ("viewer", "operator"), "with before and after")
        tap.equal((items[2]["address"], items[2]["path"]), ("127.0.0.1", "/api/v1/users/grace"), "and from where")
        page = admin.ask("GET", "/audit?user=admin&action=putUser&since=-1h&limit=1").json
        tap.equal([(i["action"], i["status"]) for i in page["items"]], [("putUser", 200)], "it can be searched")
        first = admin.ask("GET", "/audit?limit=2").json
        second = admin.ask("GET", f"/audit?limit=2&cursor={first['next']}").json
        tap.equal([i["id"] for i in first["items"] + second["items"]], [i["id"] for i in items[:4]], "and paged")
        verdict = admin.ask("GET", "/audit/verify").json
        tap.equal((verdict["broken"], len(verdict["newest"])), (None, 64), "its chain is whole")
        api.stop()
        with sqlite3.connect(api.data / "api.db") as db:
            db.execute("DROP TRIGGER audit_is_not_changed")
            db.execute("UPDATE audit SET user = 'grace' WHERE id = 2")
        api.start()
        tap.equal(admin.ask("GET", "/audit/verify").json["broken"], 2, "a row changed by hand is found")
        for query, field in (("limit=0", "limit"), ("since=soon", "since"), ("cursor=x", "cursor")):
            reply = admin.ask("GET", f"/audit?{query}")
            tap.equal((reply.status, reply.json.get("field")), (400, field), query)


# --- the command line

def the_command_line_helps_who_lost_a_password(tap):
    def seczim(*words, text=None):
        return subprocess.run([BUILD / "src/cli/seczim", "--api-socket", api.socket, *words], input=text, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    with service(log_in=False) as (api, _):
        done = seczim("user", "password", "admin", text="found again at last\n")
        tap.equal(done.returncode, 0, "root sets the password of admin")
        session = api.log_in("admin", "found again at last")
        tap.equal(session.ask("GET", "/me").json["must_change_password"], True, "which must be changed")
        tap.equal(seczim("user", "password", "admin", text="short\n").returncode, 1, "a bad one is refused")
        tap.equal(seczim("user", "password", "admin", text="").returncode, 2, "none is none")
        added = seczim("user", "add", "grace", "operator")
        tap.equal(login(api, "grace", added.stdout.split("first password")[1].strip()).status, 200, "a new user can log in")
        token = seczim("token", "add", "monitoring", "--user", "grace", "--scopes", "read", "--expires", "1h").stdout.strip()
        me = api.ask("GET", "/me", token=token).json
        tap.equal((me["name"], me["via"], me["role"]), ("grace", "token", "operator"), "a token works")
        tap.contains(seczim("token", "list").stdout, "monitoring", "and is listed")
        tap.equal(seczim("token", "remove", "1").returncode, 0, "and ended")
        tap.equal(api.ask("GET", "/me", token=token).status, 401, "for good")
        tap.equal(seczim("user", "disable", "admin").returncode, 1, "the last administrator stays")
        tap.contains(seczim("audit", "log", "--action", "deleteToken").stdout, "root", "the audit log says who did it")
        tap.contains(seczim("audit", "verify").stdout, "is whole", "and is whole")
        api.stop()
        tap.equal(seczim("user", "list").returncode, 3, "without seczim-api: exit status 3")
        api.start()


# --- kill -9

def nothing_is_half_done_after_kill_9(tap):
    """Users are made one after the other; the server is killed at some moment, and starts again."""
    with service() as (api, admin):
        token = api.make_token(admin, "admin", ["users", "audit"])
        answered, sent = set(), set()
        for number in range(5):
            killer = time.monotonic() + 0.4 + 0.13 * number
            connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
            serial = 0
            while True:
                name = f"user-{number}-{serial}"
                serial += 1
                sent.add(name)
                try:
                    connection.request("POST", "/api/v1/users", json.dumps({"name": name, "role": "viewer"}),
                                       {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
                    if time.monotonic() > killer:
                        api.kill()
                    reply = connection.getresponse()
                    reply.read()
                    if reply.status == 201:
                        answered.add(name)
                except (OSError, http.client.HTTPException):
                    break
            connection.close()
            api.start()
        there = {u["name"] for u in pages(api, "/users", token)} - {"admin"}
        rows = [i for i in pages(api, "/audit", token) if i["action"] == "postUser"]
        done = {i["after"]["name"] for i in rows if i["status"] == 201}
        tap.check(len(answered) > 0, "some were made", answered)
        tap.equal(answered - there, set(), "what was answered is there")
        tap.equal(there - sent, set(), "nothing else is")
        tap.equal(answered - done, set(), "what was answered is in the audit log")
        cut_off = [i for i in rows if i["status"] is None]
        tap.check(len(there - done) <= len(cut_off) <= 5, "what was made without an end is marked as cut off", rows)
        api.stop()
        with sqlite3.connect(api.data / "api.db") as db:
            tap.equal(db.execute("SELECT count(*) FROM audit b WHERE kind = 1 AND NOT EXISTS"
                                 " (SELECT 1 FROM audit e WHERE e.begin_id = b.id)").fetchone(), (0,), "every change has an end")
            tap.equal(db.execute("SELECT max(id) - count(*) FROM audit").fetchone(), (0,), "and no row is missing")


def pages(api, path, token):
    items, cursor = [], None
    while True:
        page = api.ask("GET", f"{path}?limit=500" + (f"&cursor={cursor}" if cursor else ""), token=token).json
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items


STORIES = (the_first_password_opens_nothing_but_its_own_change, guessing_is_slowed_down_for_names_that_there_are_and_are_not,
           a_login_begins_a_new_session_whatever_cookie_came_along, codes_are_asked_for_and_count_once,
           changes_with_a_cookie_come_from_our_own_page, trusted_networks_are_for_direct_requests_to_our_own_name,
           a_proxy_that_is_trusted_names_the_client, a_token_makes_no_other_that_does_more, what_is_kept_opens_nothing,
           the_audit_log_tells_who_did_what, the_command_line_helps_who_lost_a_password, nothing_is_half_done_after_kill_9)
