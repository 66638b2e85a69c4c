"""Requests to the API are limited by key and by address, and each answer tells what is left."""

from collections.abc import AsyncIterator

import pytest

from app.live.shared_buckets import SharedBuckets
from app.settings import Settings
from app.storage import Storage
from tests.support.api import Api, open_api
from tests.support.limits import times_hit

PATH = "/v1/id-tags"
_KEY, _ADDRESS = 3, 5


@pytest.fixture
async def limited(storage: Storage, redis_url: str, settings: Settings) -> AsyncIterator[Api]:
    """The API with few requests for each key and each address, on an empty Redis."""
    changes = {
        "requests_of_key_per_minute": _KEY,
        "requests_of_address_per_minute": _ADDRESS,
        "trusted_proxies": ["127.0.0.0/8"],
    }
    async with open_api(storage, redis_url, settings.model_copy(update=changes)) as api:
        yield api


def of(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def test_each_answer_tells_the_state_of_both_limits(limited: Api) -> None:
    token = await limited.key(await limited.tenant())
    answer = await limited.call("GET", PATH, token, headers=of("192.0.2.10"))
    assert answer.status_code == 200
    assert answer.headers["ratelimit-policy"] == '"key";q=3;w=60, "address";q=5;w=60'
    assert answer.headers["ratelimit"] == '"key";r=2;t=20, "address";r=4;t=12'


async def test_a_key_that_asks_too_often_is_told_when_to_go_on(limited: Api) -> None:
    token = await limited.key(await limited.tenant())
    before = times_hit("requests_of_key")
    answers = [
        await limited.call("GET", PATH, token, headers=of(f"192.0.2.{number}")) for number in range(20, 24)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert refused.json()["code"] == "too_many_requests"
    assert int(refused.headers["retry-after"]) in range(1, 21)
    assert refused.headers.get_list("ratelimit")[0].startswith('"key";r=0;')
    assert len(refused.headers.get_list("ratelimit")) == 1
    assert times_hit("requests_of_key") == before + 1
    other = await limited.key(await limited.tenant())
    assert (await limited.call("GET", PATH, other, headers=of("192.0.2.24"))).status_code == 200


async def test_the_keys_of_an_address_share_its_limit(limited: Api) -> None:
    tenant = await limited.tenant()
    tokens = [await limited.key(tenant) for _ in range(_ADDRESS + 1)]
    answers = [await limited.call("GET", PATH, token, headers=of("192.0.2.30")) for token in tokens]
    assert [answer.status_code for answer in answers] == [200] * _ADDRESS + [429]
    assert "address" in answers[-1].json()["detail"]
    # The network of a subscriber counts as one address.
    one, other = "2001:db8:0:1::1", "2001:db8:0:1:ffff::2"
    statuses = [
        (await limited.call("GET", PATH, token, headers=of(address))).status_code
        for token, address in zip(tokens, [one, other] * 3, strict=True)
    ]
    assert statuses == [200] * _ADDRESS + [429]


async def test_refusals_for_other_reasons_count_too(limited: Api) -> None:
    token = await limited.key(await limited.tenant(), "write")
    statuses = [
        (await limited.call("GET", PATH, token, headers=of("192.0.2.40"))).status_code for _ in range(4)
    ]
    assert statuses == [403, 403, 403, 429]


async def test_each_worker_limits_by_itself_while_redis_is_away(
    limited: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(SharedBuckets, "_ask", away)
    token = await limited.key(await limited.tenant())
    answers = [await limited.call("GET", PATH, token, headers=of("192.0.2.50")) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    limited.clock.advance(21)
    assert (await limited.call("GET", PATH, token, headers=of("192.0.2.50"))).status_code == 200


async def test_public_documents_have_no_such_limit(limited: Api) -> None:
    answer = await limited.call("GET", "/openapi.json")
    assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)
