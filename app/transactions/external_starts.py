"""Starts at tenants with an authorization webhook: the webhook is asked before the ledger gets the start.

No batch of the ledger waits for a webhook. A start is handed on when the answer is here, or the deadline is
over, whatever becomes of its socket meanwhile; when the server stops, at once, with the fallback of the
webhook. A start that is lost with its process was not acknowledged, so its charge point sends it again. Other
records of the charge point, too, are handed on behind it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from app.authorization_webhooks.authorizer import ExternalAuthorizer, Presentation
from app.connection import Connection
from app.errors import AppError
from app.logs import get_logger
from app.transactions.ledger import Ledger
from app.transactions.records import TransactionStart, TransactionStarted
from app.transactions.rules.starts import AUTHORIZATION_FALLBACK

_LONGEST_WAIT_S: Final = 12.0
"""More than any deadline of a webhook: something of ours hangs."""
_LONGEST_CLOSE_S: Final = 2.0
"""How long the server waits at its end for decisions that need no webhook any longer."""

_LOG = get_logger(__name__)
Result = TypeVar("Result")


class ExternalStarts:
    """The starts of one worker that wait for a webhook."""

    def __init__(self, ledger: Ledger, authorizer: ExternalAuthorizer) -> None:
        self._ledger = ledger
        self._authorizer = authorizer
        # Kept: each start of the other tenants looks here, and nowhere else.
        self._asking_tenants = authorizer.asking_tenants
        self._waiting: dict[int, asyncio.Task[None]] = {}
        """The newest one of each charge point."""
        self._asking: set[asyncio.Task[TransactionStart]] = set()
        self._is_closed = False

    async def close(self) -> None:
        """Hand all waiting records on to the ledger now. The fallbacks of their webhooks decide."""
        await self._authorizer.stop()
        if self._asking:
            await asyncio.wait(self._asking, timeout=_LONGEST_CLOSE_S)
        # The rest hangs elsewhere. For their tags what is stored here decides.
        self._is_closed = True
        while self._waiting:
            for asking in self._asking:
                asking.cancel()
            await asyncio.wait(self._waiting.values())

    def start_transaction(
        self, connection: Connection, start: TransactionStart
    ) -> "asyncio.Future[TransactionStarted]":
        """Ask the webhook of the tenant, if it has one, and record the start.

        Raises:
            StoreUnavailable: see `Ledger.start_transaction`.
        """
        is_asked = connection.tenant_id in self._asking_tenants
        if not is_asked and not self._waiting:
            return self._ledger.start_transaction(start)
        if not is_asked or self._is_closed:
            return self.in_order(connection, partial(self._ledger.start_transaction, start))
        asking = asyncio.create_task(self._authorized(connection, start), name="external-start")
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)

        def submit() -> "asyncio.Future[TransactionStarted]":
            return self._ledger.start_transaction(start if asking.cancelled() else asking.result())

        return self._hand_on_later(connection, asking, submit)

    def in_order(
        self, connection: Connection, submit: "Callable[[], asyncio.Future[Result]]"
    ) -> "asyncio.Future[Result]":
        """Record something behind the starts of its charge point that wait. submit: gives it to the ledger.

        Raises:
            StoreUnavailable: what `submit` raises.
        """
        before = self._waiting.get(connection.charge_point_id)
        return submit() if before is None else self._hand_on_later(connection, before, submit)

    def _hand_on_later(
        self,
        connection: Connection,
        first: "asyncio.Task[Any]",
        submit: "Callable[[], asyncio.Future[Result]]",
    ) -> "asyncio.Future[Result]":
        place = connection.charge_point_id
        answered: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        before = self._waiting.get(place)
        awaited = {first} if before is None else {first, before}
        task = asyncio.create_task(_hand_on(awaited, submit, answered), name="hand-on")
        self._waiting[place] = task

        def forget(_: object) -> None:
            if self._waiting.get(place) is task:
                del self._waiting[place]

        task.add_done_callback(forget)
        return answered

    async def _authorized(self, connection: Connection, start: TransactionStart) -> TransactionStart:
        """Return a start with what the webhook decides. No failure loses it."""
        presented = Presentation("StartTransaction", start.id_tag, start.started_at, start.connector_id)
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                decision = await self._authorizer.decide(connection, presented)
        except (AppError, TimeoutError) as error:
            _LOG.warning("start_not_authorized_externally", tenant=connection.tenant_slug, error=repr(error))
            return start
        except Exception:
            # A defect of ours. What is stored here decides.
            _LOG.exception("external_authorization_failed", tenant=connection.tenant_slug)
            return start
        if decision is None:
            return start
        failed = () if decision.decided_by == "webhook" else (AUTHORIZATION_FALLBACK,)
        return replace(start, external_info=decision.info, flags=(*start.flags, *failed))


async def _hand_on(
    awaited: "set[asyncio.Task[Any]]",
    submit: "Callable[[], asyncio.Future[Result]]",
    answered: "asyncio.Future[Result]",
) -> None:
    await asyncio.wait(awaited)
    try:
        stored = submit()
    except Exception as error:
        if not answered.done():
            answered.set_exception(error)
    else:
        stored.add_done_callback(partial(_pass_on, answered))


def _pass_on(answered: "asyncio.Future[Result]", stored: "asyncio.Future[Result]") -> None:
    if answered.done():
        return
    if stored.cancelled():
        answered.cancel()
    elif (error := stored.exception()) is not None:
        answered.set_exception(error)
    else:
        answered.set_result(stored.result())
