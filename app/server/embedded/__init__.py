"""A private PostgreSQL and Redis, run when DATABASE_URL or REDIS_URL is not set. The schema is elsewhere.

They keep their data in the data directory, listen on Unix sockets only, and end with the process that started
them. The process that holds the directory's lock owns them. A second process, such as a command next to a
running server, only connects. After a SIGKILL the engines outlive their owner until the next one takes over.
"""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.server.embedded.account import EmbeddedError, account_for, open_directory, ownership
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
    """Start the engines that have no URL; stop them at exit, and wait until they are down.

    Raises:
        EmbeddedError: a binary is missing, the directory cannot be used, or an engine does not come up.
    """
    async with contextlib.AsyncExitStack() as stack:
        database_url, redis_url = settings.database_url, settings.redis_url
        if database_url is None or redis_url is None:
            directory = open_directory(settings.data_directory)
            owner = stack.enter_context(ownership(directory))
            account = account_for(directory)
            # Imported only when needed, because they load the clients of both engines.
            if database_url is None:
                from app.server.embedded.postgres import Postgres

                postgres = Postgres(directory / "postgres", account)
                database_url = await stack.enter_async_context(running(postgres, owner))
            if redis_url is None:
                from app.server.embedded.redis_server import RedisServer

                redis = RedisServer(directory / "redis", account)
                redis_url = await stack.enter_async_context(running(redis, owner))
        yield Engines(database_url, redis_url)
