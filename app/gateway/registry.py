"""The sessions of this worker, by charge point. The newest authenticated connection wins.

`Registry.admit` does a whole take-over, on this worker and on others. `Registry.leave` is its reverse.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from msgspec.structs import replace

from app.clock import Clock
from app.connection import Connection
from app.errors import Unavailable
from app.live.command_bus import CommandBus
from app.live.envelopes import AnsweredEnvelope, AskEnvelope, EvictEnvelope, RegistrationEnvelope
from app.live.owner import OwnerKey
from app.live.presence import Owner, Presence
from app.live.take_overs import FLAPPING_FROM, Times, pause_s, recent, with_another
from app.logs import get_logger
from app.ocpp.v16 import RegistrationStatus
from app.tasks import BackgroundTasks
from app.types import CommandId, TenantId, WorkerId

SUPERSEDED = "a newer connection of this charge point has taken over"

_EVICTION_LIFE_S = 60.0
"""Seconds that an eviction is worth delivering. After that, the checks of `Presence` find the session."""

ANSWER_S = 2.0
"""Seconds that a connection has to answer when another one wants its place without a credential."""

_TAKE_OVERS_LIMIT = 20_000
"""Charge points whose take-overs are remembered; the one that was taken over longest ago is dropped first."""

_LOG = get_logger(__name__)


class LiveSession(Protocol):
    """A session, as this worker knows it. No method waits, so a slow socket delays no other one."""

    @property
    def connection(self) -> Connection:
        """The connection that this session serves."""

    def issue(self, command_id: CommandId, action: str, payload_text: str, timeout_s: float) -> None:
        """Send a CALL, or queue it in the link. `CommandOwner.sent` and `resolved` are called later.

        Raises:
            ValueError: the payload breaks the definition, or the socket is being closed. Nothing was queued.
        """

    def change_registration(self, status: RegistrationStatus) -> None:
        """Let a change of the registration take effect at once."""

    def withdraw(self, command_id: CommandId) -> bool:
        """Remove a CALL from the queue of the link. Return False if it was sent, or is not known."""

    def ask(self, answered: Callable[[], None]) -> None:
        """Ping the charge point, and call `answered` when it answers."""

    def evict(self, reason: str) -> None:
        """Close the socket, because a newer session of the charge point has taken over."""


class Registry:
    """The sessions of this worker. It implements `OwnershipListener` for this worker's `Presence`."""

    def __init__(self, presence: Presence, bus: CommandBus, clock: Clock) -> None:
        self._presence = presence
        self._bus = bus
        self._clock = clock
        self._background = BackgroundTasks()
        self._sessions: dict[OwnerKey, LiveSession] = {}
        self._take_overs: dict[OwnerKey, Times] = {}
        self._asked: dict[tuple[OwnerKey, int], set[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def sessions(self) -> list[LiveSession]:
        """Return the present sessions."""
        return list(self._sessions.values())

    def get(self, tenant_id: TenantId, identity: str) -> LiveSession | None:
        """Return the session of a charge point, or None if this worker does not hold its newest one."""
        return self._sessions.get((tenant_id, identity))

    def receivers(self) -> dict[type, Callable[[Any], None]]:
        """Return what takes the envelopes about sessions from the bus, by their type."""
        return {
            EvictEnvelope: self.evict_older,
            RegistrationEnvelope: self.change_registration,
            AskEnvelope: self.ask,
            AnsweredEnvelope: self.answered,
        }

    async def admit(self, session: LiveSession) -> bool:
        """Make an authenticated session the owner of its charge point, and close older ones on all workers.

        Return False if a newer session was faster: then this one is evicted already. An outage of Redis is
        not an error.
        """
        owner = self._owner(session.connection)
        current = self._sessions.get(owner.key)
        if current is not None and current is not session:
            if _rank(current.connection) > owner.rank:
                session.evict(SUPERSEDED)
                return False
            current.evict(SUPERSEDED)
        self._sessions[owner.key] = session
        other = await self._presence.take_over(owner)
        if other is not None and other.rank > owner.rank:
            self._forget(session)
            session.evict(SUPERSEDED)
            return False
        if other is not None and other.rank < owner.rank:
            self._took_over(owner, other.take_overs)
        if other is not None and other.worker != owner.worker:
            await self._send_eviction(other, owner)
        return self._sessions.get(owner.key) is session

    async def pause_s(self, tenant_id: TenantId, identity: str) -> float:
        """Return how long a new connection of a charge point has to wait.

        Other workers are asked through the owner only if this worker has seen a take-over lately, so that an
        ordinary login does not need Redis.
        """
        now = self._clock.now().timestamp()
        known = recent(self._take_overs.get((tenant_id, identity), ()), now)
        if not known:
            return 0.0
        owner = await self._presence.find(tenant_id, identity)
        return max(pause_s(known, now), 0.0 if owner is None else pause_s(owner.take_overs, now))

    async def is_held(self, tenant_id: TenantId, identity: str) -> bool:
        """Tell whether the present connection of a charge point lives: it answers a ping within `ANSWER_S`.

        It may be on any worker. If Redis is out of reach, only one on this worker is asked.
        """
        owner = await self._presence.find(tenant_id, identity)
        if owner is None:
            return False
        place = (owner.key, owner.epoch)
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._asked.setdefault(place, set())
        waiting.add(answer)
        envelope = AskEnvelope(
            tenant_id=tenant_id,
            identity=identity,
            epoch=owner.epoch,
            life_s=ANSWER_S,
            issuer=self._presence.worker_id,
        )
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._bus.deliver(owner.worker, envelope)
                await answer
        except (TimeoutError, Unavailable):
            return False
        finally:
            waiting.discard(answer)
            if not waiting:
                self._asked.pop(place, None)
        return True

    async def leave(self, session: LiveSession) -> None:
        """Forget a session whose socket is closed. A newer session of the charge point stays."""
        self._forget(session)
        await self._presence.release(self._owner(session.connection))

    def evict_older(self, envelope: EvictEnvelope) -> None:
        """Close the session of a charge point if it is older than the one that the envelope names."""
        session = self.get(envelope.tenant_id, envelope.identity)
        newer = (envelope.charge_point_id, envelope.epoch)
        if session is not None and _rank(session.connection) < newer:
            self._know((envelope.tenant_id, envelope.identity), ())
            session.evict(SUPERSEDED)

    def change_registration(self, envelope: RegistrationEnvelope) -> None:
        """Let the change of a registration take effect on the session of the charge point."""
        session = self.get(envelope.tenant_id, envelope.identity)
        if session is not None and session.connection.charge_point_id == envelope.charge_point_id:
            session.change_registration(envelope.registration_status)

    def ask(self, envelope: AskEnvelope) -> None:
        """Ping the session of a charge point, and tell the issuer when it answers."""
        session = self.get(envelope.tenant_id, envelope.identity)
        if session is None or session.connection.epoch != envelope.epoch or envelope.life_s <= 0:
            return
        answer = AnsweredEnvelope(
            tenant_id=envelope.tenant_id,
            identity=envelope.identity,
            epoch=envelope.epoch,
            life_s=ANSWER_S,
            issuer=self._presence.worker_id,
        )
        session.ask(lambda: self._background.spawn(self._tell(envelope.issuer, answer), "answer"))

    def answered(self, envelope: AnsweredEnvelope) -> None:
        """Take the answer of a charge point to our question."""
        place = ((envelope.tenant_id, envelope.identity), envelope.epoch)
        for answer in self._asked.get(place, ()):
            if not answer.done():
                answer.set_result(None)

    def stale(self, owner: Owner) -> None:
        """Close a session of this worker that a newer one on another worker has replaced."""
        session = self._sessions.get(owner.key)
        if session is not None and _rank(session.connection) <= owner.rank:
            _LOG.info("stale_session_evicted", charge_point=owner.identity, epoch=owner.epoch)
            session.evict(SUPERSEDED)

    def displaced(self, previous: Owner, by: Owner) -> None:
        """Tell another worker that a session of this worker has replaced one of its own."""
        self._background.spawn(self._send_eviction(previous, by), "eviction")

    async def close(self) -> None:
        """Stop the background tasks. The gateway closes the sessions."""
        await self._background.close()

    def _forget(self, session: LiveSession) -> None:
        connection = session.connection
        key = (connection.tenant_id, connection.identity)
        if self._sessions.get(key) is session:
            del self._sessions[key]

    async def _send_eviction(self, previous: Owner, by: Owner) -> None:
        envelope = EvictEnvelope(
            tenant_id=by.tenant_id,
            identity=by.identity,
            epoch=by.epoch,
            life_s=_EVICTION_LIFE_S,
            issuer=by.worker,
            charge_point_id=by.charge_point_id,
        )
        try:
            await self._bus.deliver(previous.worker, envelope)
        except Unavailable:
            # The other worker notices it by itself when it next compares its owners with Redis.
            _LOG.info("eviction_undelivered", charge_point=by.identity, worker=previous.worker)

    async def _tell(self, worker: WorkerId, answer: AnsweredEnvelope) -> None:
        try:
            await self._bus.deliver(worker, answer)
        except Unavailable:
            _LOG.info("answer_undelivered", charge_point=answer.identity, worker=worker)

    def _took_over(self, owner: Owner, told: Times) -> None:
        """Let the next owners know that this one has replaced another."""
        times = self._know(owner.key, told)
        self._presence.amend(replace(owner, take_overs=times))
        if len(times) == FLAPPING_FROM:
            _LOG.warning("charge_point_flapping", tenant_id=owner.tenant_id, charge_point=owner.identity)

    def _know(self, key: OwnerKey, told: Times) -> Times:
        """Remember that a connection takes over now, and return all of them. told: by another worker."""
        times = with_another(self._take_overs.pop(key, ()), told, self._clock.now().timestamp())
        self._take_overs[key] = times
        if len(self._take_overs) > _TAKE_OVERS_LIMIT:
            del self._take_overs[next(iter(self._take_overs))]
        return times

    def _owner(self, connection: Connection) -> Owner:
        return Owner(
            tenant_id=connection.tenant_id,
            charge_point_id=connection.charge_point_id,
            identity=connection.identity,
            worker=self._presence.worker_id,
            epoch=connection.epoch,
            connection_id=connection.connection_id,
            connected_at=connection.connected_at,
            remote=connection.remote,
            subprotocol=connection.subprotocol,
        )


def _rank(connection: Connection) -> tuple[int, int]:
    return (connection.charge_point_id, connection.epoch)
