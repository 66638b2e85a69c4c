"""A bare FastAPI WebSocket route that sends each text back."""

import sys

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

application = FastAPI()


@application.websocket("/echo/{identity}")
async def echo(socket: WebSocket, identity: str) -> None:
    """Send each text back."""
    await socket.accept("ocpp1.6")
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        return


if __name__ == "__main__":
    uvicorn.run(
        application,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        access_log=False,
        log_level="warning",
        backlog=4096,
    )
