"""Replacements for tests of the live state: a Redis to kill, a clock to set, owners and sessions."""

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from redis import Redis as BlockingRedis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from app.clock import microseconds_of
from app.connection import Connection
from app.live.presence import Owner
from app.ocpp.v16 import RegistrationStatus
from app.server.embedded.redis_binary import find_redis
from app.types import ChargePointId, CommandId, TenantId, WorkerId
from tests.support.protocol import OCPP16

TENANT = TenantId(1)
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


class SetClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.set_s = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.passed_s += seconds

    def set_by(self, seconds: float) -> None:
        """Set the time of day forward, or back. Monotonic seconds do not change."""
        self.set_s += seconds

    def now(self) -> datetime:
        """Return the current time of this clock."""
        return NOON + timedelta(seconds=self.passed_s + self.set_s)

    def now_us(self) -> int:
        return microseconds_of(self.now())

    def monotonic(self) -> float:
        """Return monotonic seconds."""
        return 1000.0 + self.passed_s


class RedisServer:
    """A Redis without persistence, so that it is empty after a kill."""

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        arguments = ["--port", "0", "--unixsocket", str(self._socket), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen([str(find_redis().path), *arguments], stdout=subprocess.DEVNULL)
        retry = Retry(ConstantBackoff(0.02), 500)
        with BlockingRedis(unix_socket_path=str(self._socket), retry=retry) as client:
            client.ping()

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._socket.unlink(missing_ok=True)

    def hang(self) -> None:
        """Stop the process: connections stay open, but nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the process."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


def owner(worker: str, epoch: int, identity: str = "RDAM-1", charge_point_id: int = 7) -> Owner:
    """Make an owner. Fields that do not matter are filled in."""
    return Owner(
        tenant_id=TENANT,
        charge_point_id=ChargePointId(charge_point_id),
        identity=identity,
        worker=WorkerId(worker),
        epoch=epoch,
        connection_id=f"{worker}-{identity}-{epoch}",
        connected_at=NOON,
        remote="192.0.2.1",
        subprotocol="ocpp1.6",
    )


def connection(epoch: int, identity: str = "RDAM-1", charge_point_id: int = 7) -> Connection:
    """Make a connection. Fields that do not matter are filled in."""
    return Connection(
        tenant_id=TENANT,
        tenant_slug="tenant",
        protocol=OCPP16,
        charge_point_id=ChargePointId(charge_point_id),
        identity=identity,
        connection_id=f"connection-{identity}-{epoch}",
        epoch=epoch,
        strict=False,
        registration_status="Accepted",
        heartbeat_interval_s=300,
        remote="192.0.2.1",
        subprotocol="ocpp1.6",
        connected_at=NOON,
    )


@dataclass(eq=False)
class RecordingSession:
    """A session without a socket, which records its calls. on_evict: is called at an eviction."""

    connection: Connection
    on_evict: Callable[["RecordingSession"], None] = lambda session: None
    issued: list[tuple[CommandId, str, str]] = field(default_factory=list)
    evicted: bool = False
    is_alive: bool = True

    def issue(self, command_id: CommandId, action: str, payload_text: str, timeout_s: float) -> None:
        """Record a CALL."""
        self.issued.append((command_id, action, payload_text))

    def ask(self, answered: Callable[[], None]) -> None:
        """Answer at once, unless its peer is dead."""
        if self.is_alive:
            answered()

    def change_registration(self, status: RegistrationStatus) -> None:
        self.connection.registration_status = status

    def withdraw(self, command_id: CommandId) -> bool:
        """Cancel a CALL."""
        before = len(self.issued)
        self.issued = [call for call in self.issued if call[0] != command_id]
        return len(self.issued) < before

    def evict(self, reason: str) -> None:
        """Record the eviction."""
        if not self.evicted:
            self.evicted = True
            self.on_evict(self)


@dataclass
class RecordingListener:
    """Records the take-overs that presence reports."""

    stale_owners: list[Owner] = field(default_factory=list)
    displaced_owners: list[tuple[Owner, Owner]] = field(default_factory=list)

    def stale(self, owner: Owner) -> None:
        """Record a session of this worker that was replaced."""
        self.stale_owners.append(owner)

    def displaced(self, previous: Owner, by: Owner) -> None:
        """Record a session of another worker that was replaced."""
        self.displaced_owners.append((previous, by))
