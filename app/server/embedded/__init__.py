"""A private PostgreSQL and Redis, run when DATABASE_URL or REDIS_URL is not set. The schema is elsewhere.

They keep their data in the data directory and listen on Unix sockets only. Several processes may use them,
such as two servers, or a command next to a server. The first one starts them, and the last one stops them;
each one starts an engine that has died. If the last one is killed, they run until the next one finds them.
"""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.server.embedded.account import EmbeddedError, account_for, open_directory
from app.server.embedded.process import running
from app.settings import Settings

__all__ = ["EmbeddedError", "Engines", "start_embedded"]


@dataclass(frozen=True, slots=True)
class Engines:
    """Where the engines listen, embedded or not."""

    database_url: str
    redis_url: str


@asynccontextmanager
async def start_embedded(settings: Settings) -> AsyncIterator[Engines]:
    """Run the engines that have no URL. At exit stop those that no other process uses, until they are down.

    Raises:
        EmbeddedError: a binary is missing, the directory cannot be used, or an engine does not come up.
    """
    async with contextlib.AsyncExitStack() as stack:
        database_url, redis_url = settings.database_url, settings.redis_url
        if database_url is None or redis_url is None:
            directory = open_directory(settings.data_directory)
            account = account_for(directory)
            # Imported only when needed, because they load the clients of both engines.
            if database_url is None:
                from app.server.embedded.postgres import Postgres

                postgres = Postgres(directory / "postgres", account)
                database_url = await stack.enter_async_context(running(postgres))
            if redis_url is None:
                from app.server.embedded.redis_server import RedisServer

                redis = RedisServer(directory / "redis", account)
                redis_url = await stack.enter_async_context(running(redis))
        yield Engines(database_url, redis_url)
