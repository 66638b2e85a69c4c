"""Bearer keys: who gets in, for how long, and what a check costs."""

from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.errors import TooManyRequests, Unauthorized
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.tenants.service import ApiKeyLookup
from app.tenants.store import ApiKeyStore
from app.types import Scope
from app.web import tokens
from app.web.minted_keys import mint_key, secret_hash
from app.web.tokens import CACHE_LIFETIME_S, TokenVerifier
from tests.support.api import NOW, Api, SetClock, open_api
from tests.support.scripted_commands import ScriptedCommands

PATH = "/v1/id-tags"


def broken_tokens(token: str) -> list[tuple[str, str]]:
    sm, prefix, secret = token.split("_")
    return [
        ("another secret", f"{sm}_{prefix}_{'0' * len(secret)}"),
        ("a longer secret", f"{token}0"),
        ("no secret", f"{sm}_{prefix}_"),
        ("an unknown prefix", f"{sm}_{'0' * 12}_{secret}"),
        ("another scheme of tokens", f"xx_{prefix}_{secret}"),
        ("nothing like a token", "hello"),
        ("line of many", token * 20),
    ]


async def test_a_request_without_key_is_told_how(api: Api) -> None:
    response = await api.call("GET", PATH)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "unauthorized"


async def test_broken_tokens_are_refused_alike(api: Api, token: str) -> None:
    bodies = set()
    for name, broken in broken_tokens(token):
        response = await api.call("GET", PATH, broken)
        assert response.status_code == 401, name
        bodies.add(response.content)
    assert len(bodies) == 1


@pytest.mark.parametrize("header", ["Basic dTpw", "Bearer", "Bearer ", "bearer\tx", "Token x"])
async def test_another_scheme_is_refused(api: Api, header: str) -> None:
    response = await api.call("GET", PATH, headers={"Authorization": header})
    assert response.status_code == 401


async def test_a_key_expires_though_it_is_remembered(api: Api, operator: TenantRecord) -> None:
    token = await api.key(operator, "read", expires_at=NOW + timedelta(seconds=2))
    assert (await api.call("GET", PATH, token)).status_code == 200
    api.clock.advance(2)
    assert (await api.call("GET", PATH, token)).status_code == 401


async def test_a_revoked_key_ends_at_once_on_this_worker(
    api: Api, operator: TenantRecord, token: str
) -> None:
    made = await api.call("POST", "/v1/api-keys", token, json={"name": "k", "scopes": ["read"]})
    other = made.json()["token"]
    assert (await api.call("GET", PATH, other)).status_code == 200
    revoked = await api.call("DELETE", made.headers["location"], token)
    assert revoked.status_code == 204
    assert (await api.call("GET", PATH, other)).status_code == 401


async def test_a_key_revoked_elsewhere_ends_within_the_life_of_the_cache(
    api: Api, operator: TenantRecord, token: str
) -> None:
    assert (await api.call("GET", PATH, token)).status_code == 200
    async with api.services.storage.database.platform() as work:
        (record,) = await ApiKeyStore(work).list(operator.id)
        await ApiKeyStore(work).revoke(record.id, NOW)
    api.clock.advance(CACHE_LIFETIME_S + 0.1)
    assert (await api.call("GET", PATH, token)).status_code == 401


def test_the_cache_lives_five_seconds_at_most() -> None:
    assert CACHE_LIFETIME_S <= 5


async def test_hot_reads_do_not_ask_the_database_each_time(
    api: Api, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    find = ApiKeyStore.find_by_prefix

    async def counted(store: ApiKeyStore, prefix: str) -> Any:
        asked.append(prefix)
        return await find(store, prefix)

    monkeypatch.setattr(ApiKeyStore, "find_by_prefix", counted)
    for _ in range(10):
        assert (await api.call("GET", PATH, token)).status_code == 200
    assert len(asked) == 1


async def test_known_and_unknown_keys_cost_the_same(
    api: Api, operator: TenantRecord, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: Counter[str] = Counter()
    find = ApiKeyStore.find_by_prefix

    async def counted_find(store: ApiKeyStore, prefix: str) -> Any:
        work["questions"] += 1
        return await find(store, prefix)

    def counted_hash(pepper: str, secret: str) -> bytes:
        work["hashes"] += 1
        return secret_hash(pepper, secret)

    expired = await api.key(operator, "read", expires_at=NOW)
    sm, prefix, secret = token.split("_")
    monkeypatch.setattr(ApiKeyStore, "find_by_prefix", counted_find)
    monkeypatch.setattr(tokens, "secret_hash", counted_hash)
    for refused in (f"{sm}_{prefix}_{'0' * len(secret)}", f"{sm}_{'0' * 12}_{secret}", expired):
        work.clear()
        assert (await api.call("GET", PATH, refused)).status_code == 401
        assert work == {"questions": 1, "hashes": 1}, refused


async def test_a_remembered_key_still_needs_its_secret(api: Api, token: str) -> None:
    assert (await api.call("GET", PATH, token)).status_code == 200
    wrong = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert (await api.call("GET", PATH, wrong)).status_code == 401


async def test_the_use_of_a_key_is_noted_once_a_minute(api: Api, operator: TenantRecord, token: str) -> None:
    async def last_used() -> Any:
        async with api.services.storage.database.platform() as work:
            return (await ApiKeyStore(work).list(operator.id))[0].last_used_at

    await api.call("GET", PATH, token)
    first = await last_used()
    api.clock.advance(30)
    await api.call("GET", PATH, token)
    assert (first, await last_used()) == (NOW, NOW)
    api.clock.advance(31)
    await api.call("GET", PATH, token)
    assert await last_used() == NOW + timedelta(seconds=61)


async def test_the_store_holds_no_secret(api: Api, operator: TenantRecord, token: str) -> None:
    async with api.services.storage.database.platform() as work:
        (record,) = await ApiKeyStore(work).list(operator.id)
    secret = token.split("_")[2]
    assert record.secret_hash == secret_hash(api.services.settings.credential_pepper, secret)
    assert secret not in repr(record)


async def test_an_address_that_keeps_failing_has_to_wait_but_keys_in_use_go_on(
    storage: Storage, redis_url: str, settings: Settings, scripted: ScriptedCommands
) -> None:
    few = settings.model_copy(update={"login_failures_per_minute": 3})
    async with open_api(storage, redis_url, few, scripted) as api:
        token = await api.key(await api.tenant())
        assert (await api.call("GET", PATH, token)).status_code == 200
        unknown = mint_key("x").token
        statuses = [(await api.call("GET", PATH, unknown)).status_code for _ in range(4)]
        assert statuses == [401, 401, 401, 429]
        refused = await api.call("GET", PATH, unknown)
        assert int(refused.headers["retry-after"]) in range(1, 62)
        assert (await api.call("GET", PATH, token)).status_code == 200
        api.clock.advance(61)
        assert (await api.call("GET", PATH, unknown)).status_code == 401


async def test_behind_a_trusted_proxy_each_client_answers_for_itself(
    storage: Storage, redis_url: str, settings: Settings
) -> None:
    few = settings.model_copy(update={"login_failures_per_minute": 1, "trusted_proxies": ["127.0.0.0/8"]})
    guesser, other = ({"X-Forwarded-For": address} for address in ("203.0.113.66", "198.51.100.1"))
    async with open_api(storage, redis_url, few) as api:
        token, unknown = await api.key(await api.tenant()), mint_key("x").token
        guesses = [await api.call("GET", PATH, unknown, headers=guesser) for _ in range(2)]
        assert [guess.status_code for guess in guesses] == [401, 429]
        assert (await api.call("GET", PATH, token, headers=other)).status_code == 200


async def test_a_key_in_use_outlasts_the_failures_of_its_neighbours(
    api: Api, operator: TenantRecord, token: str
) -> None:
    clock = SetClock()
    verifier = TokenVerifier(
        ApiKeyLookup(api.services.storage.database), clock, api.services.settings.credential_pepper, 1
    )
    await verifier.authenticate(token, "192.0.2.1")
    with pytest.raises(Unauthorized):
        await verifier.authenticate(mint_key("x").token, "192.0.2.1")
    clock.advance(CACHE_LIFETIME_S + 1)
    assert (await verifier.authenticate(token, "192.0.2.1")).tenant_id == operator.id
    verifier.forget()
    assert (await verifier.authenticate(token, "192.0.2.1")).tenant_id == operator.id
    guess = token[:-1] + ("0" if token[-1] != "0" else "1")
    with pytest.raises(TooManyRequests):
        await verifier.authenticate(guess, "192.0.2.1")


async def test_the_memory_of_the_verifier_is_bounded(api: Api, operator: TenantRecord) -> None:
    verifier = TokenVerifier(
        ApiKeyLookup(api.services.storage.database), SetClock(), api.services.settings.credential_pepper, 1
    )
    with pytest.raises(Unauthorized):
        await verifier.authenticate(mint_key("x").token, "192.0.2.1")
    with pytest.raises(TooManyRequests):
        await verifier.authenticate(mint_key("x").token, "192.0.2.1")
    for number in range(5000):
        verifier._limit.take((f"address-{number}",), 0.0)
    assert len(verifier._limit) <= 4096


@pytest.mark.parametrize("scopes", [("admin",), ("read", "admin")])
async def test_a_platform_key_has_no_charge_points(api: Api, scopes: tuple[Scope, ...]) -> None:
    token = await api.key(None, *scopes)
    response = await api.call("GET", PATH, token)
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert response.json()["detail"] == "This needs the key of a tenant; yours belongs to the platform."


async def test_a_missing_scope_is_named(api: Api, operator: TenantRecord) -> None:
    token = await api.key(operator, "read")
    response: httpx.Response = await api.call("POST", PATH, token, json={"id_tag": "A"})
    assert (response.status_code, response.json()["detail"]) == (403, "The API key lacks the scope 'write'.")
