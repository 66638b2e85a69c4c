"""Passkeys: they are added on the account page, log in without a name, and are bound to page and session."""

from dataclasses import replace
from typing import Any

import pytest

from app.errors import Conflict
from app.tenants.records import TenantRecord
from app.users.challenges import CHALLENGE_LIFE
from app.users.passkeys import PasskeyService
from tests.support.authenticator import Authenticator
from tests.support.console import ConsoleSite, Page, Visitor
from tests.support.limits import times_hit


async def creation_options(visitor: Visitor) -> dict[str, Any]:
    answer = await visitor.submit("/account/passkeys/options")
    assert answer.status == 200, answer.text
    options: dict[str, Any] = answer.response.json()
    return options


async def add(visitor: Visitor, device: Authenticator, name: str = "Phone") -> Page:
    credential = device.create(await creation_options(visitor))
    return await visitor.submit("/account/passkeys", credential=credential, passkey_name=name)


async def login_options(visitor: Visitor) -> dict[str, Any]:
    options: dict[str, Any] = (await visitor.post("/login/passkey/options")).response.json()
    return options


async def log_in(visitor: Visitor, device: Authenticator) -> Page:
    return await visitor.post("/login/passkey", {"credential": device.get(await login_options(visitor))})


async def test_a_passkey_is_added_logs_in_and_is_deleted(site: ConsoleSite, operator: TenantRecord) -> None:
    visitor, device = await site.logged_in(operator, "viewer"), Authenticator()
    assert (await add(visitor, device)).location == "/console/account"
    account = (await visitor.get("/account")).text
    assert "Phone" in account
    assert "never used" in account
    newcomer = site.visitor()
    done = await log_in(newcomer, device)
    assert (done.status, done.location) == (303, "/console/fleet")
    page = (await newcomer.get("/account")).text
    assert "viewer (viewer)" in page
    assert "never used" not in page
    number = page.partition("/account/passkeys/")[2].partition("/")[0]
    foreign = await site.logged_in(operator, "admin")
    assert (await foreign.submit(f"/account/passkeys/{number}/delete")).status == 404
    assert (await newcomer.submit(f"/account/passkeys/{number}/delete")).status == 303
    refused = await log_in(site.visitor(), device)
    assert (refused.status, "is not known here" in refused.text) == (401, True)


async def test_the_options_ask_for_a_confirmed_passkey_of_the_host(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    visitor = await site.logged_in(operator)
    options = await creation_options(visitor)
    assert options["rp"]["id"] == "server"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    cookie = (await visitor.post("/login/passkey/options")).response.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/console"):
        assert part in cookie
    assert (await login_options(visitor))["challenge"] != (await login_options(visitor))["challenge"]


@pytest.mark.parametrize(
    "device",
    [
        Authenticator(origin="http://elsewhere.example"),
        Authenticator(host="elsewhere.example"),
        Authenticator(verifies=False),
    ],
    ids=["other_origin", "other_host", "not_confirmed"],
)
async def test_a_passkey_of_another_site_or_without_a_person_is_refused(
    site: ConsoleSite, operator: TenantRecord, device: Authenticator
) -> None:
    visitor = await site.logged_in(operator)
    refused = await add(visitor, device)
    assert (refused.status, "is not valid" in refused.text) == (422, True)
    wrong = (device.origin, device.host, device.verifies)
    device.origin, device.host, device.verifies = "http://server", "server", True
    assert (await add(visitor, device)).status == 303
    device.origin, device.host, device.verifies = wrong
    assert (await log_in(site.visitor(), device)).status == 401


async def test_a_challenge_is_of_one_session_and_one_purpose_and_ends(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    visitor, other, device = await site.logged_in(operator), await site.logged_in(operator), Authenticator()
    credential = device.create(await creation_options(visitor))
    other.client.cookies.set("stationmaster_challenge", visitor.client.cookies["stationmaster_challenge"])
    assert (await other.submit("/account/passkeys", credential=credential)).status == 422
    foreign = device.create(await login_options(visitor))
    assert (await visitor.submit("/account/passkeys", credential=foreign)).status == 422
    late = device.create(await creation_options(visitor))
    site.api.clock.advance(CHALLENGE_LIFE.total_seconds())
    assert (await visitor.submit("/account/passkeys", credential=late)).status == 422
    assert (await add(visitor, device)).status == 303
    newcomer = site.visitor()
    answer = device.get(await login_options(newcomer))
    assert (await site.visitor().post("/login/passkey", {"credential": answer})).status == 401
    assert (await newcomer.post("/login/passkey", {"credential": answer})).status == 303


async def test_an_answer_logs_in_once(site: ConsoleSite, operator: TenantRecord) -> None:
    device = Authenticator()
    assert (await add(await site.logged_in(operator), device)).status == 303
    visitor, thief = site.visitor(), site.visitor()
    answer = device.get(await login_options(visitor))
    thief.client.cookies.set("stationmaster_challenge", visitor.client.cookies["stationmaster_challenge"])
    site.api.clock.advance(1)
    assert (await visitor.post("/login/passkey", {"credential": answer})).status == 303
    assert (await thief.post("/login/passkey", {"credential": answer})).status == 401
    assert (await log_in(site.visitor(), device)).status == 303


async def test_a_copied_authenticator_is_noticed_by_its_counter(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    device = Authenticator(sign_count=5)
    assert (await add(await site.logged_in(operator), device)).status == 303
    assert (await log_in(site.visitor(), device)).status == 303
    device.sign_count = 3
    assert (await log_in(site.visitor(), device)).status == 401


@pytest.mark.parametrize("credential", ["", "{}", "[1]", "no json", '{"id":"eA","rawId":"eA"}'])
async def test_what_is_not_a_passkey_is_refused(
    site: ConsoleSite, operator: TenantRecord, credential: str
) -> None:
    visitor = await site.logged_in(operator)
    await creation_options(visitor)
    assert (await visitor.submit("/account/passkeys", credential=credential)).status == 422
    newcomer = site.visitor()
    await login_options(newcomer)
    assert (await newcomer.post("/login/passkey", {"credential": credential})).status == 401


async def test_a_passkey_is_kept_once_and_the_number_is_limited(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    visitor, device = await site.logged_in(operator), Authenticator()
    assert (await add(visitor, device)).status == 303
    again = await add(visitor, device)
    assert (again.status, "known already" in again.text) == (409, True)
    passkeys = site.services.get(PasskeyService)
    limited = replace(passkeys, settings=passkeys.settings.model_copy(update={"passkeys_per_user_limit": 1}))
    person = await site.logins.signed_in(visitor.client.cookies["stationmaster_session"])
    assert person is not None
    before = times_hit("passkeys")
    with pytest.raises(Conflict, match="delete one first"):
        await limited.creation_options(person, "http://server")
    assert times_hit("passkeys") == before + 1
