"""librouteros drives the simulated router. What it is to find comes as JSON on standard input."""

import json
import ssl
import sys

from librouteros import connect
from librouteros.exceptions import FatalError, MultiTrapError, TrapError
from librouteros.login import plain, token
from librouteros.query import And, Key, Or

GIVEN = json.load(sys.stdin)
VERSION = tuple(int(number) for number in GIVEN["version"].split("."))
NAME, PASSWORD, DISABLED, SERVICE = Key("name"), Key("password"), Key("disabled"), Key("service")


def log_in(port="port", password=None, method=plain, **more):
    password = GIVEN["password"] if password is None else password
    return connect(GIVEN["host"], GIVEN["user"], password, port=GIVEN[port], login_method=method, encoding="utf-8", **more)


def refused(call):
    """The trap that a call runs into."""
    try:
        call()
    except TrapError as trap:
        return trap
    raise AssertionError("it was not refused")


def check(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def log_ins():
    trap = refused(lambda: log_in(password="wrong"))
    check((trap.message, trap.category), ("invalid user name or password (6)", None))
    check(refused(lambda: log_in(method=token)).message, "invalid user name or password (6)")
    check(refused(lambda: log_in(port="old_port", method=token, password="wrong")).message, "cannot log in")
    log_in(port="old_port", method=token).close()
    context = ssl.create_default_context(cadata=GIVEN["certificate"])
    api = log_in(port="tls_port", ssl_wrapper=lambda socket: context.wrap_socket(socket, server_hostname="router.example"))
    check(next(iter(api.path("system", "identity")))["name"], "MikroTik")
    api.close()
    context = ssl.create_default_context()
    try:
        log_in(port="bare_tls_port", ssl_wrapper=lambda socket: context.wrap_socket(socket, server_hostname="router.example"))
    except ssl.SSLError as error:
        assert "HANDSHAKE_FAILURE" in str(error).upper(), error
    else:
        raise AssertionError("there is no certificate")


def rows(api):
    secrets = api.path("ppp", "secret")
    check(tuple(secrets), ())
    ann = secrets.add(name="ann", password="geheim", service="l2tp", comment="Анна")
    bob = secrets.add(**{"name": "bob", "password": "x", "limit-bytes-in": 5, "disabled": True})
    check((ann, bob), ("*1", "*2"))
    row = next(iter(secrets.select(Key(".id"), NAME, Key("comment"), DISABLED).where(NAME == "ann")))
    check(row, {".id": "*1", "name": "ann", "comment": "Анна", "disabled": False})
    whole = {row["name"]: row for row in secrets}
    check((whole["ann"]["password"], whole["ann"]["profile"]), ("geheim", "default"))
    check((whole["bob"]["limit-bytes-in"], whole["bob"]["service"]), (5, "any"))
    assert "comment" not in whole["bob"]

    def names(*query):
        return [row["name"] for row in secrets.select(NAME).where(*query)]

    check(names(DISABLED == True), ["bob"])  # noqa: E712
    check(names(DISABLED == False), ["ann"])  # noqa: E712
    check(names(NAME != "ann"), ["bob"])
    check(names(Or(NAME == "ann", NAME == "bob", NAME == "eve")), ["ann", "bob"])
    check(names(And(NAME == "ann", SERVICE == "l2tp")), ["ann"])
    check(names(NAME.In("eve", "bob")), ["bob"])
    check(names(Key("limit-bytes-in") > 4), ["bob"])
    check(names(Key(".id") == "*2"), ["bob"])
    check(names(NAME == "nobody"), [])

    secrets.update(**{".id": ann, "disabled": True})
    tuple(secrets("enable", **{".id": bob}))
    check((names(DISABLED == True), names(DISABLED == False)), (["ann"], ["bob"]))  # noqa: E712
    secrets.remove(ann, bob)
    check(tuple(secrets), ())


def rules(api):
    rules = api.path("ip", "firewall", "filter")
    first = rules.add(chain="forward", action="accept", comment="2FA ann", disabled=True)
    second = rules.add(**{"chain": "forward", "action": "drop", "place-before": first})
    check([row[".id"] for row in rules], [second, first])
    tuple(rules("move", numbers=first, destination=second))
    check([row[".id"] for row in rules], [first, second])
    tuple(rules("unset", **{".id": first, "value-name": "comment"}))
    assert "comment" not in next(iter(rules))
    entries = api.path("ip", "firewall", "address-list")
    entries.add(list="vpn", address="10.8.0.5", timeout="8h")
    check(next(iter(entries))["timeout"], "8h")
    trap = refused(lambda: entries.add(list="vpn", address="10.8.0.5"))
    check(trap.message, "failure: already have such entry")


def refusals(api):
    secrets = api.path("ppp", "secret")
    secrets.add(name="ann")
    for call, message in [
        (lambda: secrets.add(name="ann"), "failure: secret with the same name already exists"),
        (lambda: secrets.add(name="eve", bogus=1), "unknown parameter bogus"),
        (lambda: secrets.add(name="eve", disabled="maybe"), "invalid value for argument disabled"),
        (lambda: tuple(api("/nope/print")), "no such command prefix"),
    ]:
        check(refused(call).message, message)
    missing = refused(lambda: secrets.update(**{".id": "*99", "disabled": True}))
    check((missing.message, missing.category), ("no such item", 0))
    check(refused(lambda: tuple(api("/ppp/active/set", **{".id": "*1"}))).category, 0)
    unmatched = refused(lambda: secrets.add(name="eve", profile="nope"))
    check((unmatched.message, unmatched.category), ("input does not match any value of profile", 1))
    secrets.remove("*3")


def differences(api):
    check(next(iter(api.path("system", "resource")))["version"].split(" ")[0].startswith(GIVEN["version"]), True)
    entry = next(iter(api.path("radius")))
    check("require-message-auth" in entry, VERSION >= (7, 15))
    users = ("tool", "user-manager", "user") if VERSION < (7, 0) else ("user-manager", "user")
    check(tuple(api.path(*users)), ())
    other = ("user-manager", "user") if VERSION < (7, 0) else ("tool", "user-manager", "user")
    check(refused(lambda: tuple(api.path(*other))).message, "no such command prefix")
    date = next(iter(api.path("system", "clock")))["date"]
    check("/" in date, VERSION < (7, 10))


def empty(api):
    """The words themselves: the library swallows them."""
    api.protocol.writeSentence("/ppp/active/print", "?name=nobody")
    words = [api.protocol.readSentence()[0]]
    while words[-1] != "!done":
        words.append(api.protocol.readSentence()[0])
    check(words, ["!empty", "!done"] if VERSION >= (7, 18) else ["!done"])


def listening(api):
    listener = log_in()
    listener.protocol.writeSentence("/ip/firewall/address-list/listen")
    # What was sent before is done before.
    entries = api.path("ip", "firewall", "address-list")
    while not any(row["name"] == GIVEN["user"] for row in api.path("user", "active")):
        pass
    heard = []
    added = entries.add(list="heard", address="10.8.0.77")
    heard.append(listener.readSentence())
    entries.remove(added)
    heard.append(listener.readSentence())
    check((heard[0][0], heard[0][1]["list"]), ("!re", "heard"))
    check(heard[1], ("!re", {".id": added, ".dead": True}))
    listener.close()


def the_end(api):
    try:
        tuple(api("/quit"))
    except FatalError as error:
        check(str(error), "session terminated on request")
    else:
        raise AssertionError("quit did not end it")


log_ins()
API = log_in()
for judge in (rows, rules, refusals, differences, empty, listening, the_end):
    try:
        judge(API)
    except MultiTrapError as traps:
        raise AssertionError(f"{judge.__name__}: {traps}") from traps
print("ok")
