"""The servers to compare with. Each is a module: `python -m benchmarks.peers.<name> PORT`."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Peer:
    """One server. does: its work for a frame; does_not: work of ours that it leaves out."""

    name: str
    module: str
    expect: Literal["result", "echo"]
    does: str
    does_not: str


PEERS = (
    Peer(
        "ocpp",
        "benchmarks.peers.ocpp_server",
        "result",
        "the package ocpp on websockets, uvloop: JSON, JSON Schema validation, handler, CALLRESULT",
        "authentication, storage, frame log, duplicate check, tolerance",
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
        "epoll_echo",
        "benchmarks.peers.epoll_echo",
        "echo",
        "one epoll in Rust, one recv and one send for each text: the limit of what a server can save",
        "interpreter, event loop, control frames, UTF-8 check, JSON, OCPP, authentication, storage",
    ),
)
"""The servers that are compared with Stationmaster in the part `wire`."""
