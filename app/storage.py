"""The database and the writers of one worker. They are opened and closed together."""

from dataclasses import dataclass
from typing import Self

from app.charge_points.login_batcher import LoginBatcher
from app.clock import Clock
from app.database.database import Database, PoolSizes
from app.database.prepared import Prepared
from app.events.sequencer import Sequencer
from app.frame_log.recorder import FrameLog
from app.quirks.service import QuirkReader
from app.settings import Settings
from app.transactions.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Storage:
    """The database of a worker, and the writers that have connections of their own."""

    database: Database
    ledger: Ledger
    frame_log: FrameLog
    login_batcher: LoginBatcher
    command_steps: Prepared
    message_steps: Prepared
    """For messages of charge points that need one statement."""
    quirks: QuirkReader
    sequencer: Sequencer

    @classmethod
    async def open(cls, url: str, settings: Settings, clock: Clock) -> Self:
        """Connect, and start the background writers. The schema must be migrated already (`migrate`).

        Raises:
            StoreUnavailable: the database cannot be reached.
            UnfitServerError: fsync or synchronous_commit is off, so an acknowledged record could be lost.
            RoleError: a role of PostgreSQL exists, and cannot be used.
        """
        sizes = PoolSizes(settings.database_work_connections, settings.database_statement_connections)
        database = await Database.open(url, sizes)
        sequencer = Sequencer(database.url, settings, clock)
        roles = database.roles
        ledger = Ledger(
            database.url, settings=settings, clock=clock, events_committed=sequencer.wake, roles=roles
        )
        frame_log = FrameLog(database.url, settings=settings, clock=clock, roles=roles)
        database.event_listeners.append(sequencer.wake)
        sequencer.start()
        ledger.start()
        frame_log.start()
        batcher = await LoginBatcher.open(database.url, sequencer.wake, sizes.statements)
        steps = (database.steps("commands"), database.steps("messages"))
        return cls(database, ledger, frame_log, batcher, *steps, QuirkReader(database.reads), sequencer)

    async def close(self) -> None:
        """Commit all waiting records, flush the frame log, and close the connections."""
        await self.ledger.close()
        await self.frame_log.close()
        await self.command_steps.close()
        await self.message_steps.close()
        await self.login_batcher.close()
        await self.sequencer.close()
        await self.database.close()
