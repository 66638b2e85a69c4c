"""Which files under `app/` run functions for one StartTransaction and for one RemoteStartTransaction.

    python benchmarks/files_crossed.py [--markdown]

It starts `stationmaster serve` of the tree that the interpreter imports as `app`, records inside its worker,
and drives it from outside. So one copy of this file counts any version of the tree: call it with the
interpreter of that tree's environment.

A file counts if it runs in every one of several rounds: what the clock starts now and then does not. Left
out are `web/` (what all routes share), `ocpp/` (the typed face of the core) and generated code.
"""

import argparse
import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

_ROUNDS = 15
_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 40.0
_ANSWER_LIMIT_S = 10.0
_LOOK_S = 0.01
_BACKGROUND_S = 0.01
"""The time in which the background work of a command ends."""

_TENANT, _IDENTITY, _ID_TAG = "crossed", "CROSSED-1", "CROSSED"
_LEFT_OUT = (
    "web/",
    "ocpp/",
    # Where an older tree, without `web/`, had the same.
    "api/computation.py",
    "api/conditional.py",
    "api/deps.py",
    "api/exact_json.py",
    "api/inputs.py",
    "api/json_body.py",
    "api/locations.py",
    "api/openapi.py",
    "api/pagination.py",
    "api/paths.py",
    "api/problems.py",
    "api/routers.py",
)

# Loaded by every process of the server at its start; only a worker is ever sent the signals.
_RECORDER = """
import json, os, signal, sys

_seen = set()


def _profile(frame, event, _):
    if event == "call":
        _seen.add(frame.f_code.co_filename)


def _start(*_):
    _seen.clear()
    open(os.environ["FILES_CROSSED"] + ".started", "w").close()
    sys.setprofile(_profile)


def _stop(*_):
    sys.setprofile(None)
    with open(os.environ["FILES_CROSSED"] + ".part", "w") as out:
        json.dump(sorted(_seen), out)
    os.replace(out.name, os.environ["FILES_CROSSED"])


signal.signal(signal.SIGUSR1, _start)
signal.signal(signal.SIGUSR2, _stop)
"""


def main() -> None:
    """Count, and print both lists."""
    parser = argparse.ArgumentParser(description="Count the files that two messages run through.")
    parser.add_argument("--markdown", action="store_true", help="print lists for a page of documentation")
    is_markdown = parser.parse_args().markdown
    spec = find_spec("app")
    if spec is None or spec.origin is None:
        sys.exit("the package `app` is not installed here: use the interpreter of its environment")
    root = Path(spec.origin).parent
    for name, files in asyncio.run(_count(root)).items():
        if is_markdown:
            print(f"- {name}, {len(files)} files: {', '.join(f'`{file}`' for file in files)}")
        else:
            print(f"{name}: {len(files)} files", *files, "", sep="\n    ")


async def _count(root: Path) -> dict[str, list[str]]:
    with _directory() as directory:
        recorder = _Recorder(root, directory)
        with _serving(root, directory, recorder) as url:
            headers = {"Authorization": f"Bearer {_account(root, directory)}"}
            async with httpx.AsyncClient(base_url=url, headers=headers) as client:
                return await _both(recorder, client, url)


async def _both(recorder: "_Recorder", client: httpx.AsyncClient, url: str) -> dict[str, list[str]]:
    async with await _charge_point(client, url) as socket:
        point = _ChargePoint(socket)
        starts = await _rounds(recorder, point.start_transaction, point.stop_transaction)
        listening = asyncio.create_task(point.accept_all())
        commands = await _rounds(recorder, lambda: _remote_start(client), _nothing)
        listening.cancel()
    return {"StartTransaction": starts, "RemoteStartTransaction": commands}


async def _rounds(
    recorder: "_Recorder", act: Callable[[], Awaitable[None]], undo: Callable[[], Awaitable[None]]
) -> list[str]:
    """Return the files that run in each round. The first one, which loads and connects, does not count."""
    await act()
    await undo()
    crossed: set[str] | None = None
    for _ in range(_ROUNDS):
        with recorder.recording() as found:
            await act()
            await asyncio.sleep(_BACKGROUND_S)
        crossed = found if crossed is None else crossed & found
        await undo()
    return sorted(file for file in crossed or () if not file.startswith(_LEFT_OUT))


class _Recorder:
    """Tells the worker of a server when to record, and reads what it has recorded."""

    def __init__(self, root: Path, directory: Path) -> None:
        self.server = 0
        self.loaded_from = directory / "recorder"
        self.loaded_from.mkdir()
        (self.loaded_from / "sitecustomize.py").write_text(_RECORDER)
        self.out = directory / "crossed.json"
        self._root = root

    @contextmanager
    def recording(self) -> Iterator[set[str]]:
        """Record inside the block; the set is filled at its end."""
        (worker,) = _workers(self.server)
        started = Path(f"{self.out}.started")
        os.kill(worker, signal.SIGUSR1)
        _wait_for(started)
        found: set[str] = set()
        yield found
        os.kill(worker, signal.SIGUSR2)
        _wait_for(self.out)
        files = [Path(file) for file in json.loads(self.out.read_text())]
        found.update(str(file.relative_to(self._root)) for file in files if file.is_relative_to(self._root))
        started.unlink()
        self.out.unlink()


@dataclass
class _ChargePoint:
    """The charge point's end of a socket. Nothing else reads from it while a method runs."""

    socket: ClientConnection
    transaction_id: int = 0
    meter_wh: int = 0

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a CALL and return the payload of its result."""
        await self.socket.send(json.dumps([2, f"{time.monotonic_ns()}", action, payload]))
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            answer = json.loads(await self.socket.recv())
        if answer[0] != 3:
            raise RuntimeError(f"{action} was answered with {answer}")
        result: dict[str, Any] = answer[2]
        return result

    async def start_transaction(self) -> None:
        """Start a transaction on connector 1. Another register makes each one new, not a repetition."""
        self.meter_wh += 1
        payload = {"connectorId": 1, "idTag": _ID_TAG, "meterStart": self.meter_wh, "timestamp": _now()}
        self.transaction_id = (await self.call("StartTransaction", payload))["transactionId"]

    async def stop_transaction(self) -> None:
        """Stop it."""
        payload = {"transactionId": self.transaction_id, "meterStop": self.meter_wh, "timestamp": _now()}
        await self.call("StopTransaction", payload)

    async def accept_all(self) -> None:
        """Answer every CALL of the central system with Accepted."""
        async for text in self.socket:
            message = json.loads(text)
            await self.socket.send(json.dumps([3, message[1], {"status": "Accepted"}]))


async def _remote_start(client: httpx.AsyncClient) -> None:
    path = f"/v1/charge-points/{_IDENTITY}/commands/RemoteStartTransaction?wait=10"
    command = (await client.post(path, json={"connectorId": 1, "idTag": _ID_TAG})).raise_for_status().json()
    if command["state"] != "accepted":
        raise RuntimeError(f"the command ended as {command}")


async def _nothing() -> None:
    """Leave things as they are."""


async def _charge_point(client: httpx.AsyncClient, url: str) -> connect:
    """Register a charge point and its tag, and let it connect and boot."""
    made = (await client.post("/v1/charge-points", json={"identity": _IDENTITY})).raise_for_status().json()
    (await client.post("/v1/id-tags", json={"id_tag": _ID_TAG, "status": "Accepted"})).raise_for_status()
    key = bytes.fromhex(made["credential"]["password"])
    secret = base64.b64encode(_IDENTITY.encode() + b":" + key).decode()
    return connect(
        f"ws{url.removeprefix('http')}/ocpp/{_TENANT}/{_IDENTITY}",
        subprotocols=["ocpp1.6"],  # type: ignore[list-item]  # the library's NewType of str
        additional_headers={"Authorization": f"Basic {secret}"},
        compression=None,
    )


@contextmanager
def _directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="stationmaster-files-"))
    # As root the engines run as another user, who must get through.
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _serving(root: Path, directory: Path, recorder: _Recorder) -> Iterator[str]:
    environment = _environment(directory)
    environment |= {"PYTHONPATH": str(recorder.loaded_from), "FILES_CROSSED": str(recorder.out)}
    command = [sys.executable, "-m", "app.cli", "serve", "--workers", "1", "--port", "0"]
    process = subprocess.Popen(command, cwd=root.parent, env=environment, stdout=subprocess.PIPE, text=True)
    recorder.server = process.pid
    try:
        if process.stdout is None:
            raise AssertionError("the server was started with a pipe")
        line = process.stdout.readline()
        if "listens on " not in line:
            raise RuntimeError(f"the server did not start: {line!r}")
        yield line.split("listens on ", 1)[1].split()[0]
    finally:
        process.terminate()
        process.wait(_STOP_LIMIT_S)


def _account(root: Path, directory: Path) -> str:
    """Make a tenant and return a key with every scope that it needs."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "app.cli", *arguments]
        environment = _environment(directory)
        done = subprocess.run(
            command, cwd=root.parent, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    run("tenant", "create", _TENANT)
    made = run("key", "create", "--tenant", _TENANT)
    return next(word for word in made.split() if word.startswith("sm_"))


def _environment(directory: Path) -> dict[str, str]:
    given = {
        name: value for name, value in os.environ.items() if not name.endswith(("DATABASE_URL", "REDIS_URL"))
    }
    return {
        **given,
        "STATIONMASTER_DATA_DIRECTORY": str(directory / "data"),
        "STATIONMASTER_LOG_LEVEL": "warning",
    }


def _workers(server: int) -> list[int]:
    """Process ids of the workers: the children of the process that they are forked from."""
    forking = [child for child in _children(server) if "fork_server" in _command_line(child)]
    return [worker for process in forking for worker in _children(process)]


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _command_line(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text()


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + _ANSWER_LIMIT_S
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the worker did not write {path}")
        time.sleep(_LOOK_S)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


if __name__ == "__main__":
    main()
