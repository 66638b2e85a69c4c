"""A bare FastAPI route with the least work of a command: it reads Redis, commits a row, and commits a change.

It has no authentication, validation or socket.

`DATABASE_URL` and `REDIS_URL` name the engines. The argument is the port.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import uvicorn
from fastapi import FastAPI, Request
from redis.asyncio import Redis

_INSERT = "insert into bare_commands (state, payload) values ('queued', $1) returning id"
_UPDATE = "update bare_commands set state = 'accepted', result = $2 where id = $1 returning state"


@asynccontextmanager
async def _engines(application: FastAPI) -> AsyncIterator[None]:
    database = await asyncpg.connect(os.environ["DATABASE_URL"], server_settings={"jit": "off"})
    await database.execute(
        "create table if not exists bare_commands ("
        "id bigint generated always as identity primary key, state text, payload text, result text)"
    )
    redis = Redis.from_url(os.environ["REDIS_URL"])
    application.state.database, application.state.redis = database, redis
    yield
    await redis.aclose()
    await database.close()


application = FastAPI(lifespan=_engines)


@application.post("/commands")
async def command(request: Request) -> dict[str, Any]:
    """Store a row, change it, and answer."""
    payload = (await request.body()).decode()
    database, redis = request.app.state.database, request.app.state.redis
    await redis.get("owner")
    number = await database.fetchval(_INSERT, payload)
    return {"id": number, "state": await database.fetchval(_UPDATE, number, payload)}


if __name__ == "__main__":
    uvicorn.run(
        application,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
