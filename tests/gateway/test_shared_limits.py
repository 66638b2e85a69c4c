"""Wrong logins count on all workers: two applications on one Redis."""

import pytest
from redis.asyncio import Redis

from app.live import shared_buckets
from app.main import create_app
from tests.support.gateway import KEY, GatewayServer, serve
from tests.support.raw_client import RawClient

FAILURES = 2


async def guess(port: int, path: str, password: bytes = b"guess") -> int:
    """Log in, and return the status of the answer."""
    return (await RawClient.open(port, path, user="CP1", password=password)).response.status


async def away(*_: object) -> list[int]:
    """Fail as a Redis that does not answer."""
    raise ConnectionError


@pytest.mark.parametrize("has_redis", [True, False])
async def test_a_wrong_password_counts_on_all_workers(
    own_gateway_server: GatewayServer, monkeypatch: pytest.MonkeyPatch, has_redis: bool
) -> None:
    server = own_gateway_server
    await server.register("CP1")
    path = f"/ocpp/{server.tenant.slug}/CP1"
    settings = server.settings.model_copy(update={"login_failures_per_minute": FAILURES})
    if not has_redis:
        monkeypatch.setattr(shared_buckets.SharedBuckets, "_ask", away)
    async with (
        serve(create_app(settings), settings) as first,
        serve(create_app(settings), settings) as second,
    ):
        assert [await guess(first, path) for _ in range(FAILURES + 1)] == [401, 401, 429]
        # The other worker learns it from its own first failure. Without Redis it has the limit for itself.
        statuses = [await guess(second, path) for _ in range(FAILURES + 1)]
        assert statuses == ([401, 429, 429] if has_redis else [401, 401, 429])
        for port in (first, second):
            assert await guess(port, path, KEY) == 101


async def test_a_login_that_is_right_asks_no_bucket(
    own_gateway_server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    take = shared_buckets.SharedBuckets.take

    async def noted(buckets: shared_buckets.SharedBuckets, takes: object) -> object:
        asked.append(takes)
        return await take(buckets, takes)  # type: ignore[arg-type]

    monkeypatch.setattr(shared_buckets.SharedBuckets, "take", noted)
    for identity in ("CP1", "CP2"):
        await own_gateway_server.register(identity)
    for _ in range(3):
        await own_gateway_server.connect("CP1")
    assert asked == []
    # Both fail alike: a bucket of the address, and one of the identity.
    for identity in ("CP2", "UNKNOWN"):
        assert (await own_gateway_server.attempt(identity, password=b"x")).response.status == 401
    assert [len(takes) for takes in asked] == [2, 2]  # type: ignore[arg-type]


async def test_what_is_kept_of_wrong_logins_goes_by_itself(
    own_gateway_server: GatewayServer, redis: Redis
) -> None:
    await own_gateway_server.attempt("UNKNOWN", password=b"x")
    lives = [await redis.pttl(key) for key in await redis.keys("sm:{bucket}:logins:*")]
    assert len(lives) == 2
    assert all(0 < life <= 6_001 for life in lives)
