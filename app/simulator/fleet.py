"""Many sessions at once: start, ramp, end."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from app.clock import Clock
from app.simulator.charge_point import ChargePoint
from app.simulator.client import Session, Surroundings
from app.simulator.credentials import CredentialFile
from app.simulator.errors import SimulatorError
from app.simulator.message_log import Ledger
from app.simulator.persona import Pace, Persona, fleet_tags, make_fleet
from app.simulator.provisioning import provision
from app.simulator.rest import RestClient
from app.simulator.statistics import Statistics
from app.simulator.timeline import Timeline

_STARTS_PER_S = 50.0
_GRACE_S = 15.0


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """What the command line gives.

    url: ws:// or wss:// base without the tenant. speed: virtual seconds for each real one. duration_s: real
    seconds, None: until stopped. steady: nobody goes offline of itself. api_key: None: known passwords only.
    """

    url: str
    tenant: str
    count: int
    credentials: Path
    seed: str = "1"
    speed: float = 1.0
    duration_s: float | None = None
    pace: Pace = "normal"
    steady: bool = False
    prefix: str = "SIM"
    api_key: str | None = field(default=None, repr=False)
    api_url: str | None = None
    ledger: Path | None = None


class Display(Protocol):
    """Shows the progress of a run."""

    async def show(self, fleet: "Fleet") -> None:
        """Show until cancelled."""


class Fleet:
    """The virtual charge points of one run and their books."""

    def __init__(self, options: FleetOptions, clock: Clock) -> None:
        self.options = options
        self.statistics = Statistics()
        self.charge_points: list[ChargePoint] = []
        self._clock = clock
        self._url = websocket_url(options.url)

    async def run(self, stop: asyncio.Event, display: Display) -> None:
        """Register the fleet, drive it until `stop` is set or the duration is over, and let it finish.

        Raises:
            SimulatorError: it cannot start.
        """
        options = self.options
        personas = make_fleet(options.count, options.seed, pace=options.pace, prefix=options.prefix)
        file = CredentialFile(options.credentials)
        await asyncio.to_thread(self._provision, personas, file)
        with _open_ledger(options.ledger) as ledger:
            sessions = self._sessions(personas, file, ledger)
            shown = asyncio.create_task(display.show(self))
            try:
                await self._drive(sessions, stop)
            finally:
                shown.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await shown

    @property
    def succeeded(self) -> bool:
        """Something was answered, and no charge point broke down."""
        faults = [reason for reason in self.statistics.errors if reason.startswith("simulator fault")]
        return bool(self.statistics.answered) and not faults

    def _provision(self, personas: Sequence[Persona], file: CredentialFile) -> None:
        options = self.options
        if options.api_key is not None:
            with RestClient(options.api_url or rest_url(self._url), options.api_key) as api:
                provision(api, options.tenant, personas, fleet_tags(options.count), file)
        elif missing := [row.identity for row in personas if file.password(row.identity) is None]:
            raise SimulatorError(
                f"STATIONMASTER_API_KEY (or --api-key) is needed: {options.credentials} has no password for "
                f"{missing[0]}; `stationmaster key create --tenant {options.tenant}` makes a key"
            )

    def _sessions(self, personas: Sequence[Persona], file: CredentialFile, ledger: Ledger) -> list[Session]:
        options, clock = self.options, self._clock
        timeline = Timeline.begin(clock.now(), clock.monotonic(), options.speed, options.duration_s)
        surroundings = Surroundings(
            url=f"{self._url}/{quote(options.tenant, safe='')}",
            clock=clock,
            timeline=timeline,
            statistics=self.statistics,
            ledger=ledger,
            credential_changed=lambda identity, key: file.remember({identity: key}),
        )
        self.charge_points = [
            ChargePoint(persona, timeline.origin, goes_offline=not options.steady) for persona in personas
        ]
        return [
            Session(charge_point, file.password(charge_point.persona.identity), surroundings)
            for charge_point in self.charge_points
        ]

    async def _drive(self, sessions: list[Session], stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._later(number, session)) for number, session in enumerate(sessions)
            ]
            waiter = group.create_task(self._until_stopped(stop))
            await waiter
            for session in sessions:
                session.finish()
            _, late = await asyncio.wait(tasks, timeout=_GRACE_S)
            for task in late:
                task.cancel()
            if late:
                self.statistics.errors["cut off at the end of the run"] += len(late)

    async def _later(self, number: int, session: Session) -> None:
        # A thousand logins in one moment are a storm test, not a simulation.
        await asyncio.sleep(number / _STARTS_PER_S)
        await session.run()

    async def _until_stopped(self, stop: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self.options.duration_s):
                await stop.wait()
        except TimeoutError:
            return


def websocket_url(url: str) -> str:
    """The base of charge-point URLs: `/ocpp` is added to a bare host.

    Raises:
        SimulatorError: it is no ws:// or wss:// URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise SimulatorError(f"--url: {url!r} is no ws:// or wss:// URL")
    return url.rstrip("/") if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/ocpp"


def rest_url(url: str) -> str:
    """Where the REST API of the same server listens."""
    parts = urlsplit(url)
    return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"


def _open_ledger(path: Path | None) -> Ledger:
    try:
        return Ledger(path)
    except OSError as error:
        raise SimulatorError(f"--ledger: {path}: {error.strerror}") from None
