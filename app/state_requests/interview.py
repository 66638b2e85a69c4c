"""Asks one charge point after its login: first for its state by triggers, or else for configuration keys."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from app.charge_points.store import ConnectorStore
from app.clock import Clock
from app.commands.owner import CommandOwner, CommandSessions
from app.commands.records import CommandRecord, CommandRequest
from app.commands.service import CommandService
from app.configuration.store import ConfigurationStore
from app.connection import Connection
from app.database.database import Database
from app.errors import AppError, ChargePointBusy
from app.logs import get_logger
from app.settings import Settings
from app.state_requests.records import STATE_ISSUER, KnownPoint
from app.state_requests.rules import (
    CONFIGURATION_KEYS,
    TriggerAnswer,
    first_question,
    trigger_answer,
    unheard,
)
from app.state_requests.store import TriggerRefusalStore
from app.token_buckets import TokenBuckets
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import TransactionFilter
from app.types import TenantId

_TIMEOUT_S: Final = 10.0
"""Seconds to wait for an answer: shorter than for an operator's command, which may wait behind ours."""
_SHORTEST_TIMEOUT_S: Final = 1.0
_RECORDING_S: Final = 5.0
_BUSY_S: Final = 60.0
"""Seconds to wait until no other command is under way. After that the rest is not asked."""
_LOOK_AGAIN_S: Final = 0.05
_BUCKET: Final = ("state requests",)

_LOG = get_logger(__name__)


class RequestBudget:
    """The token bucket that all interviews of a worker share. They get their tokens in turn."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._buckets = TokenBuckets(per_minute, most_keys=1)
        self._clock = clock
        self._turn = asyncio.Lock()

    async def take(self) -> None:
        """Wait for a token, and take it."""
        async with self._turn:
            # No event tells when the next token comes, but the bucket knows it.
            await asyncio.sleep(self._buckets.retry_after_s(_BUCKET, self._clock.monotonic()))
            self._buckets.take(_BUCKET, self._clock.monotonic())


@dataclass(frozen=True, slots=True)
class InterviewServices:
    """The services that all interviews of a worker share.

    asking: the charge points that have a command of ours.
    """

    database: Database
    commands: CommandService
    owner: CommandOwner
    sessions: CommandSessions
    budget: RequestBudget
    clock: Clock
    settings: Settings
    asking: set[tuple[TenantId, str]] = field(default_factory=set)


class _Over(Exception):
    """The charge point has left, is busy, or does not answer: it is asked nothing more."""


class Interview:
    """The questions to one session, one after the other: commands of an operator come in between."""

    def __init__(self, services: InterviewServices, connection: Connection) -> None:
        self._services = services
        self._connection = connection
        self._asked_at = services.clock.now()

    async def state(self) -> bool:
        """Ask for the state after a login.

        Returns:
            Whether to call `rest`, after a time in which the charge point may report.
        """
        has_rest = False
        with self._failures():
            has_rest = await self._ask_state()
        return has_rest

    async def rest(self) -> None:
        """Ask for what the charge point has not reported since `state`."""
        with self._failures():
            await self._ask_rest()

    async def configuration(self, keys: list[str], issued_by: str) -> None:
        """Ask for configuration keys by name. What is answered is stored like any other configuration."""
        with self._failures():
            await self._ask("GetConfiguration", {"key": keys}, issued_by)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Log why questions end, because no caller waits for the answers."""
        try:
            yield
        except _Over as over:
            self._log(str(over))
        except AppError as error:
            self._log(error.detail)

    async def _ask_state(self) -> bool:
        known = await self._known()
        question = first_question(self._connection.habits.state_after_login, known)
        if question == "configuration":
            await self.configuration(list(CONFIGURATION_KEYS), STATE_ISSUER)
        if question != "ask":
            return False
        if not self._connection.is_identified:
            await self._trigger_boot()
        self._asked_at = self._services.clock.now()
        # Without a number all connectors are meant, 0 included (OCPP 1.6 5.17).
        if await self._trigger("StatusNotification") == "unsupported":
            await self._remember_refusal()
            await self.configuration(list(CONFIGURATION_KEYS), STATE_ISSUER)
            return False
        return True

    async def _ask_rest(self) -> None:
        # Some report one connector only, whatever they were asked.
        for connector_id in await self._unheard():
            answer = await self._trigger("StatusNotification", connector_id)
            if answer != "accepted" and connector_id > 0:
                # One that refuses this connector refuses the next one, too.
                break
        for connector_id in await self._charging():
            await self._trigger("MeterValues", connector_id)

    async def _trigger_boot(self) -> None:
        """Ask for vendor and model. The BootNotification that follows does not mean a restart."""
        self._connection.booted = True
        answer: TriggerAnswer | None = None
        try:
            answer = await self._trigger("BootNotification")
        finally:
            self._connection.booted = answer == "accepted"

    async def _trigger(
        self,
        message: Literal["BootNotification", "StatusNotification", "MeterValues"],
        connector_id: int | None = None,
    ) -> TriggerAnswer:
        """Ask for a message.

        Raises:
            _Over: there is no answer.
        """
        place = {} if connector_id is None else {"connectorId": connector_id}
        payload = {"requestedMessage": message, **place}
        answer = trigger_answer(await self._ask("TriggerMessage", payload, STATE_ISSUER))
        if answer == "lost":
            raise _Over("It does not answer TriggerMessage.")
        return answer

    async def _ask(self, action: str, payload: dict[str, Any], issued_by: str) -> CommandRecord:
        """Send a command and wait for its end.

        Raises:
            _Over: the session has ended, or other commands are under way all the time.
        """
        services, connection = self._services, self._connection
        await services.budget.take()
        timeout_s = max(_SHORTEST_TIMEOUT_S, min(_TIMEOUT_S, services.settings.call_timeout_s))
        text = orjson.dumps(payload).decode()
        request = CommandRequest(connection.identity, action, text, issued_by, timeout_s, gives_way=True)
        place = (connection.tenant_id, connection.identity)
        deadline = services.clock.monotonic() + _BUSY_S
        while True:
            await self._until_idle(deadline)
            services.asking.add(place)
            try:
                return await services.commands.issue(
                    connection.tenant_id, request, wait_s=timeout_s + _RECORDING_S
                )
            except ChargePointBusy:
                # This worker knows nothing of it yet.
                await asyncio.sleep(_LOOK_AGAIN_S)
            finally:
                services.asking.discard(place)

    async def _until_idle(self, deadline: float) -> None:
        """Wait until no command is under way, so that none of an operator waits behind ours in the queue."""
        connection = self._connection
        while True:
            session = self._services.sessions.get(connection.tenant_id, connection.identity)
            if session is None or session.connection is not connection:
                raise _Over("The connection has ended.")
            if connection.registration_status != "Accepted":
                raise _Over(f"Its registration is {connection.registration_status}.")
            place = (connection.tenant_id, connection.identity)
            if place not in self._services.asking and not self._services.owner.is_busy(*place):
                return
            if self._services.clock.monotonic() >= deadline:
                raise _Over("Other commands are under way.")
            await asyncio.sleep(_LOOK_AGAIN_S)

    # What is known

    async def _known(self) -> KnownPoint:
        connection = self._connection
        point = connection.charge_point_id
        async with self._services.database.tenant(connection.tenant_id) as work:
            keys = await ConfigurationStore(work).for_charge_point(point)
            refuses = await TriggerRefusalStore(work).is_refused(point, connection.firmware_version)
        profiles = [key.value for key in keys if key.key.casefold() == "supportedfeatureprofiles"]
        return KnownPoint(refuses, profiles[0] if profiles else None)

    async def _remember_refusal(self) -> None:
        connection = self._connection
        async with self._services.database.tenant(connection.tenant_id) as work:
            await TriggerRefusalStore(work).put(
                connection.charge_point_id, connection.firmware_version, self._services.clock.now()
            )

    async def _unheard(self) -> list[int]:
        """Return the known connectors that have not reported since they were asked."""
        async with self._services.database.tenant(self._connection.tenant_id) as work:
            connectors = await ConnectorStore(work).for_charge_point(self._connection.charge_point_id)
        known = [connector.connector_id for connector in connectors]
        heard = [row.connector_id for row in connectors if row.received_at >= self._asked_at]
        return unheard(known, heard)

    async def _charging(self) -> list[int]:
        """Return the connectors with an open transaction."""
        filters = TransactionFilter(identity=self._connection.identity, open=True)
        limit = self._services.settings.connectors_per_charge_point
        async with self._services.database.tenant(self._connection.tenant_id) as work:
            running = await TransactionStore(work).page(limit, filters=filters)
        return sorted({row.connector_id for row in running if row.presumed_ended_at is None})

    def _log(self, reason: str) -> None:
        connection = self._connection
        _LOG.info(
            "state_not_asked",
            tenant=connection.tenant_slug,
            charge_point=connection.identity,
            connection=connection.connection_id,
            reason=reason,
        )
