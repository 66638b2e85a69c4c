"""Fixtures of the live state: clients, and a Redis that may be killed."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis.asyncio import Redis

from app.live.connect import open_redis
from tests.live.support import RedisServer


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of the run's Redis, which is empty."""
    async with open_redis(redis_url) as client:
        await client.flushall()
        yield client


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A running Redis of the test's own."""
    # Not tmp_path: the name of a socket must be short.
    with TemporaryDirectory(prefix="sm-") as directory:
        started = RedisServer(Path(directory))
        started.start()
        yield started
        started.kill()


@pytest.fixture
async def fragile(server: RedisServer) -> AsyncIterator[Redis]:
    """A client of the Redis that may be killed."""
    async with open_redis(server.url) as client:
        yield client
