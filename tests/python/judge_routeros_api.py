"""RouterOS-api drives the simulated router. What it is to find comes as JSON on standard input."""

import datetime
import json
import ssl
import sys

import routeros_api
from routeros_api.api_structure import BooleanField, TimedeltaField, default_structure
from routeros_api.exceptions import RouterOsApiCommunicationError
from routeros_api.query import IsEqualQuery, IsGreaterQuery, OrQuery

GIVEN = json.load(sys.stdin)
VERSION = tuple(int(number) for number in GIVEN["version"].split("."))


def log_in(port="port", password=None, plaintext_login=True, **more):
    password = GIVEN["password"] if password is None else password
    pool = routeros_api.RouterOsApiPool(
        GIVEN["host"], GIVEN["user"], password, GIVEN[port], plaintext_login=plaintext_login, **more
    )
    return pool.get_api()


def refused(call):
    try:
        call()
    except RouterOsApiCommunicationError as error:
        return error.original_message.decode()
    raise AssertionError("it was not refused")


def check(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def log_ins():
    check(refused(lambda: log_in(password="wrong")), "invalid user name or password (6)")
    # It sends name and password and answers the challenge that comes instead of a welcome; or asks for one.
    log_in(port="old_port")
    log_in(port="old_port", plaintext_login=False)
    check(refused(lambda: log_in(port="old_port", password="wrong")), "cannot log in")
    context = ssl.create_default_context(cadata=GIVEN["certificate"])
    context.check_hostname = False
    log_in(port="tls_port", ssl_context=context)


def rows(api):
    secrets = api.get_resource("/ppp/secret")
    check(secrets.get(), [])
    check(secrets.add(name="ann", password="geheim", comment="Анна").done_message, {"ret": "*1"})
    secrets.add(name="bob", disabled="yes", service="sstp")
    check(secrets.get(name="ann")[0]["comment"], "Анна")
    check([row["name"] for row in secrets.get(disabled="true", service="sstp")], ["bob"])
    check([row["name"] for row in secrets.detailed_get()], ["ann", "bob"])
    either = OrQuery(IsEqualQuery("name", "ann"), IsEqualQuery("name", "bob"))
    check(len(secrets.call("print", additional_queries=[either])), 2)
    after = secrets.call("print", {"proplist": "name"}, additional_queries=[IsGreaterQuery("name", "ann")])
    check(list(after), [{"name": "bob"}])
    secrets.set(id="*1", comment="", disabled="yes")
    ann = secrets.get(name="ann")[0]
    check(("comment" in ann, ann["disabled"]), (False, "true"))
    secrets.call("enable", {"numbers": "*1,*2"})
    check([row["disabled"] for row in secrets.get()], ["false", "false"])
    secrets.remove(id="*1")
    secrets.remove(id="bob")
    check(secrets.get(), [])
    check(refused(lambda: secrets.remove(id="*1")), "no such item")


def types(api):
    structure = default_structure.copy()
    structure.update(timeout=TimedeltaField(), dynamic=BooleanField(), disabled=BooleanField())
    entries = api.get_resource("/ip/firewall/address-list", structure)
    entries.add(list="vpn", address="10.8.0.5", timeout=datetime.timedelta(hours=8))
    entry = entries.get()[0]
    check((entry["timeout"], entry["dynamic"], entry["disabled"]), (datetime.timedelta(hours=8), True, False))
    entries.remove(id=entry["id"])


def several_at_once(api):
    rules = api.get_resource("/ip/firewall/filter")
    for number in range(30):
        rules.add(chain="forward", comment=str(number))
    promises = [rules.get_async() for _ in range(5)] + [api.get_resource("/system/identity").get_async()]
    answers = [promise.get() for promise in reversed(promises)]
    check(answers[0][0]["name"], "MikroTik")
    for answer in answers[1:]:
        check([row["comment"] for row in answer], [str(number) for number in range(30)])


def refusals(api):
    check(refused(lambda: api.get_resource("/nope").get()), "no such command prefix")
    check(refused(lambda: api.get_resource("/ppp/active").add(name="x")), "no such command")
    check(refused(lambda: api.get_resource("/ppp/secret").add(name="x", bogus="1")), "unknown parameter bogus")
    check(api.get_resource("/ppp/active").get(name="nobody"), [])
    old = api.get_resource("/tool/user-manager/user")
    if VERSION < (7, 0):
        check(old.get(), [])
    else:
        check(refused(old.get), "no such command prefix")


log_ins()
API = log_in()
for judge in (rows, types, several_at_once, refusals):
    judge(API)
print("ok")
