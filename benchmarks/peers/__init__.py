"""The servers to compare with. Each is a module: `python -m benchmarks.peers.<name> PORT`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from benchmarks.peers import node


@dataclass(frozen=True, slots=True)
class Peer:
    """One server.

    does: its work for a frame; does_not: work of ours that it leaves out; prepare: fetches what it needs.
    """

    name: str
    module: str
    expect: Literal["result", "echo"]
    does: str
    does_not: str
    prepare: Callable[[], object] | None = None


PEERS = (
    Peer(
        "ocpp",
        "benchmarks.peers.ocpp_server",
        "result",
        "the package ocpp on websockets, uvloop: JSON, JSON Schema validation, handler, CALLRESULT",
        "authentication, storage, frame log, duplicate check, tolerance",
    ),
    Peer(
        "ocpp_rpc",
        "benchmarks.peers.ocpp_rpc",
        "result",
        "the npm package ocpp-rpc in strict mode: JSON, JSON Schemas of CALL and answer, handler, CALLRESULT",
        "authentication, storage, frame log, duplicate check, tolerance",
        node.packages,
    ),
    Peer(
        "fastapi_echo",
        "benchmarks.peers.fastapi_echo",
        "echo",
        "a FastAPI WebSocket route under uvicorn (websockets-sansio, uvloop, httptools) sends the text back",
        "JSON, OCPP, authentication, storage",
    ),
    Peer(
        "picows_echo",
        "benchmarks.peers.picows_echo",
        "echo",
        "picows (WebSocket in Cython) on uvloop sends the payload back",
        "UTF-8 check, JSON, OCPP, HTTP routes, authentication, storage",
    ),
    Peer(
        "tungstenite_echo",
        "benchmarks.peers.tungstenite_echo",
        "echo",
        "tokio-tungstenite (WebSocket in Rust) on one thread of tokio sends the text back",
        "interpreter, JSON, OCPP, HTTP routes, authentication, storage",
    ),
    Peer(
        "epoll_echo",
        "benchmarks.peers.epoll_echo",
        "echo",
        "one epoll in Rust, one recv and one send for each text: the limit of what a server can save",
        "interpreter, event loop, control frames, UTF-8 check, JSON, OCPP, authentication, storage",
    ),
)
"""The servers that are compared with Stationmaster in the part `wire`."""
