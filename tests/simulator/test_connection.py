"""The bad habits of a connection."""

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from app.simulator.connection import SilentConnection


@pytest.mark.parametrize("silent", [True, False])
async def test_a_silent_connection_answers_no_ping(silent: bool) -> None:
    ponged: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def ask(socket: ServerConnection) -> None:
        pong = asyncio.ensure_future(await socket.ping())
        await socket.send("next")
        # The text was sent after the pong, if there is one.
        await socket.recv()
        ponged.set_result(pong.done())

    async with serve(ask, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        kind = SilentConnection if silent else None
        async with connect(f"ws://127.0.0.1:{port}", create_connection=kind) as socket:
            await socket.send(await socket.recv())
            assert await ponged is not silent
