"""Logins by an identity provider: who is let in, as whom, and what is checked on the way."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from joserfc.jwk import ECKey

from app.settings import Settings, SettingsError
from app.tenants.records import TenantRecord
from app.types import TenantId
from app.users.challenges import CHALLENGE_LIFE
from app.users.identity_provider import IdentityProvider, Provider
from app.users.provider_logins import ProviderLogins
from app.users.records import UserUpdate
from app.users.rules import claimed_role
from app.users.service import UserService
from tests.support.api import NOW
from tests.support.console import ConsoleSite, Page, Visitor
from tests.support.identity_provider import CLIENT_ID, CLIENT_SECRET, FakeProvider, providing

START, RETURN = "/login/provider", "/login/provider/return"


@pytest.fixture
async def provider(site: ConsoleSite, operator: TenantRecord) -> AsyncIterator[FakeProvider]:
    """Run the provider of the server. It knows Ann, an operator of the tenant."""
    async with providing(int(NOW.timestamp())) as running:
        running.claims = {
            "email": "Ann@example.com",
            "email_verified": True,
            "stationmaster_tenant": operator.slug,
            "stationmaster_role": "operator",
        }
        without = site.services.get(ProviderLogins)
        known = Provider(running.issuer, CLIENT_ID, CLIENT_SECRET)
        site.services.add(replace(without, provider=IdentityProvider(known, site.api.clock)))
        yield running
        site.services.add(without)


async def come_back(provider: FakeProvider, visitor: Visitor) -> Page:
    """Log in at the provider, and come back."""
    sent = await visitor.get(START)
    assert sent.status == 303, sent.text
    return await visitor.get(f"{RETURN}?{urlencode(provider.person_logs_in(sent.location))}")


async def test_a_person_logs_in_by_the_provider_and_is_made_a_user(
    site: ConsoleSite, operator: TenantRecord, provider: FakeProvider
) -> None:
    visitor = site.visitor()
    assert "identity provider" in (await visitor.get("/login")).text
    done = await come_back(provider, visitor)
    assert (done.status, done.location) == (303, "/console/fleet")
    assert "ann@example.com (operator)" in (await visitor.get("/account")).text
    # The provider decides about the role at each login.
    provider.claims["stationmaster_role"] = ["offline_access", "viewer"]
    assert (await come_back(provider, site.visitor())).status == 303
    assert "ann@example.com (viewer)" in (await visitor.get("/account")).text
    [user] = await site.services.get(UserService).list(TenantId(operator.id))
    assert (user.name, user.role, user.password_hash) == ("ann@example.com", "viewer", None)


async def test_the_browser_is_sent_with_everything_that_binds_the_login(
    site: ConsoleSite, provider: FakeProvider
) -> None:
    visitor = site.visitor()
    sent = await visitor.get(START)
    asked = dict(parse_qsl(urlsplit(sent.location).query))
    assert sent.location.startswith(f"{provider.issuer}/login?")
    assert asked["redirect_uri"] == "http://server/console/login/provider/return"
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    cookie = sent.response.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=lax", "Path=/console/login/provider"):
        assert part in cookie
    assert not any(asked[name] in cookie for name in ("state", "nonce", "code_challenge"))


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": False},
        {"email": None},
        {"email": "Ann Smith"},
        {"stationmaster_tenant": "nowhere"},
        {"stationmaster_tenant": None},
        {"stationmaster_role": "owner"},
        {"stationmaster_role": None},
        {"nonce": "of another login"},
        {"iss": "https://elsewhere.example"},
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another client"], "azp": "another client"},
        {"exp": int(NOW.timestamp()) - 3600},
        {"sub": None},
    ],
    ids=lambda claims: ",".join(claims),
)
async def test_a_token_with_a_wrong_claim_is_refused(
    site: ConsoleSite, operator: TenantRecord, provider: FakeProvider, claims: dict[str, Any]
) -> None:
    provider.claims.update(claims)
    refused = await come_back(provider, site.visitor())
    assert (refused.status, "The identity provider" in refused.text) == (401, True)
    assert "has refused this login" not in refused.text
    assert await site.services.get(UserService).list(TenantId(operator.id)) == []


async def test_a_token_that_another_key_has_signed_is_refused(
    site: ConsoleSite, provider: FakeProvider
) -> None:
    provider.published = ECKey.generate_key("P-256", {"kid": "1"})
    assert (await come_back(provider, site.visitor())).status == 401


async def test_a_login_ends_in_the_browser_in_which_it_began(
    site: ConsoleSite, provider: FakeProvider
) -> None:
    attacker, victim = site.visitor(), site.visitor()
    back = provider.person_logs_in((await attacker.get(START)).location)
    for query in ({}, {"error": "access_denied"}, back, {**back, "state": "é"}):
        assert (await victim.get(f"{RETURN}?{urlencode(query)}")).status == 401
    await victim.get(START)
    assert (await victim.get(f"{RETURN}?{urlencode(back)}")).status == 401
    assert (await attacker.get(f"{RETURN}?{urlencode(back)}")).status == 303
    assert (await attacker.get(f"{RETURN}?{urlencode(back)}")).status == 401
    late = site.visitor()
    back = provider.person_logs_in((await late.get(START)).location)
    site.api.clock.advance(CHALLENGE_LIFE.total_seconds())
    assert (await late.get(f"{RETURN}?{urlencode(back)}")).status == 401


async def test_a_provider_that_does_not_answer_is_told(site: ConsoleSite, provider: FakeProvider) -> None:
    provider.status = 500
    failed = await site.visitor().get(START)
    assert (failed.status, "does not answer as expected" in failed.text) == (503, True)


async def test_without_a_provider_there_is_no_such_login(site: ConsoleSite) -> None:
    visitor = site.visitor()
    assert "identity provider" not in (await visitor.get("/login")).text
    assert (await visitor.get(START)).status == 401
    assert (await visitor.get(f"{RETURN}?state=a&code=b")).status == 401


@pytest.mark.parametrize(
    ("claim", "role"),
    [
        ("admin", "admin"),
        (["viewer", "admin", "operator"], "admin"),
        (["other"], None),
        (None, None),
        ({"admin": 1}, None),
    ],
)
def test_the_highest_role_counts(claim: object, role: str | None) -> None:
    assert claimed_role(claim) == role


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"oidc_issuer": "https://login.example.com"}, "OIDC_CLIENT_SECRET"),
        (
            {"oidc_issuer": "http://a.example", "oidc_client_id": "a", "oidc_client_secret": "b"},
            "must begin with https://",
        ),
    ],
)
def test_half_a_provider_is_refused(given: dict[str, str], told: str) -> None:
    with pytest.raises((SettingsError, ValueError), match=told):
        Settings.model_validate(given)


async def test_the_provider_does_not_take_the_role_of_the_last_admin(
    site: ConsoleSite, operator: TenantRecord, provider: FakeProvider
) -> None:
    users = site.services.get(UserService)
    provider.claims["stationmaster_role"] = "admin"
    assert (await come_back(provider, site.visitor())).status == 303
    provider.claims["stationmaster_role"] = "viewer"
    refused = await come_back(provider, site.visitor())
    assert (refused.status, "you are the last admin here" in refused.text) == (409, True)
    [ann] = await users.list(TenantId(operator.id))
    assert ann.role == "admin"
    provider.claims |= {"email": "bob@example.com", "stationmaster_role": "admin"}
    assert (await come_back(provider, site.visitor())).status == 303
    provider.claims |= {"email": "ann@example.com", "stationmaster_role": "viewer"}
    assert (await come_back(provider, site.visitor())).status == 303
    assert (await users.get(TenantId(operator.id), "ann@example.com")).role == "viewer"


async def test_the_role_of_a_locked_user_stays(
    site: ConsoleSite, operator: TenantRecord, provider: FakeProvider
) -> None:
    users, tenant_id = site.services.get(UserService), TenantId(operator.id)
    assert (await come_back(provider, site.visitor())).status == 303
    await users.change(tenant_id, "user:test", "ann@example.com", UserUpdate(locked=True))
    provider.claims["stationmaster_role"] = "admin"
    assert (await come_back(provider, site.visitor())).status == 401
    assert (await users.get(tenant_id, "ann@example.com")).role == "operator"
