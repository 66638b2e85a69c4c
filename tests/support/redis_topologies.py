"""Redis behind Sentinel, and a Redis Cluster, of processes that a test may kill."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from app.server.embedded.redis_binary import find_redis

SERVICE = "stationmaster"
_WAIT_S = 60.0
_SLOTS = 16384
_NODES = 3
_PLAIN = ("--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0")


class Node:
    """One process of Redis, on a port of the loopback."""

    def __init__(self, directory: Path, *options: str, sentinel_of: int | None = None) -> None:
        self.port = _free_port()
        self._directory = directory / str(self.port)
        self._directory.mkdir()
        self._log = (self._directory / "log").open("wb")
        common = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._directory)]
        if sentinel_of is None:
            arguments = [*common, *_PLAIN, *options]
        else:
            file = self._directory / "sentinel.conf"
            file.write_text(
                f"sentinel monitor {SERVICE} 127.0.0.1 {sentinel_of} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} 1000\n"
                f"sentinel failover-timeout {SERVICE} 5000\n"
            )
            arguments = [str(file), "--sentinel", *common]
        self.process = subprocess.Popen([str(find_redis().path), *arguments], stdout=self._log)

    def ask(self, *command: Any) -> Any:
        """Run one command, and return its answer as it is."""
        with Redis(port=self.port, socket_timeout=5, decode_responses=True) as client:
            return client.execute_command(*command)

    def is_synchronized(self) -> bool:
        """Tell whether this replica has what its primary has."""
        return bool(self.ask("INFO", "replication")["master_link_status"] == "up")

    def is_primary(self) -> bool:
        """Tell whether it accepts writes."""
        return bool(self.ask("ROLE")[0] == "master")

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self._log.close()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + _WAIT_S
    while True:
        with contextlib.suppress(RedisError, OSError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise AssertionError(f"in vain: {what}")
        time.sleep(0.05)


def _free_port() -> int:
    # The bus of a cluster has a port of its own, 10 000 above.
    while True:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = int(found.getsockname()[1])
        if port < 55_000:
            return port


@contextlib.contextmanager
def watched_by_sentinel(directory: Path) -> Iterator[tuple[str, list[Node]]]:
    """Run a primary, a replica and three Sentinels; yield REDIS_URL, and primary and replica."""
    with contextlib.ExitStack() as stack:

        def node(*options: str, sentinel_of: int | None = None) -> Node:
            made = Node(directory, *options, sentinel_of=sentinel_of)
            stack.callback(made.kill)
            return made

        primary = node()
        replica = node("--replicaof", f"127.0.0.1 {primary.port}")
        wait_until(replica.is_synchronized, "a replica")
        sentinels = [node(sentinel_of=primary.port) for _ in range(3)]
        for one in sentinels:
            wait_until(lambda one=one: _others(one) == (2, 1), "Sentinels that know each other")  # type: ignore[misc]
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in sentinels)
        yield f"redis-sentinel://{hosts}/{SERVICE}", [primary, replica]


def _others(sentinel: Node) -> tuple[int, int]:
    flat = sentinel.ask("SENTINEL", "MASTER", SERVICE)
    found = flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
    return int(found["num-other-sentinels"]), int(found["num-slaves"])


@contextlib.contextmanager
def cluster(directory: Path) -> Iterator[tuple[str, list[Node], list[Node]]]:
    """Run three primaries, each with a replica; yield REDIS_URL, the primaries and their replicas."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1500")
    with contextlib.ExitStack() as stack:
        nodes = []
        for _ in range(2 * _NODES):
            nodes.append(Node(directory, *options))
            stack.callback(nodes[-1].kill)
        for one in nodes:
            wait_until(lambda one=one: bool(one.ask("PING")), "a node")  # type: ignore[misc]
        primaries, replicas = nodes[:_NODES], nodes[_NODES:]
        for number, one in enumerate(primaries):
            first, end = _SLOTS * number // _NODES, _SLOTS * (number + 1) // _NODES
            one.ask("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            one.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for one in nodes[1:]:
            one.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
        for one in nodes:
            wait_until(
                lambda one=one: len(one.ask("CLUSTER", "SHARDS")) >= _NODES and _is_whole(one, len(nodes)),  # type: ignore[misc]
                "a cluster",
            )
        for primary, replica in zip(primaries, replicas, strict=True):
            replica.ask("CLUSTER", "REPLICATE", primary.ask("CLUSTER", "MYID"))
        for replica in replicas:
            wait_until(replica.is_synchronized, "a replica of a node")
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in primaries)
        yield f"redis-cluster://{hosts}", primaries, replicas


def _is_whole(node: Node, count: int) -> bool:
    info = node.ask("CLUSTER", "INFO")
    found = info if isinstance(info, dict) else dict(line.split(":") for line in info.split())
    return found["cluster_state"] == "ok" and int(found["cluster_known_nodes"]) == count
