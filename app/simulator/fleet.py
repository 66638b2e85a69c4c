"""Runs many virtual charge points at once: registers them, starts them one by one, ends them."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from app import ocpp
from app.clock import Clock
from app.simulator.charge_point import VirtualChargePoint
from app.simulator.client import ChargePointClient, FleetContext
from app.simulator.connection import CentralEndpoint
from app.simulator.credentials import CredentialFile
from app.simulator.errors import SimulatorError
from app.simulator.line_up import line_up
from app.simulator.message_log import MessageLog
from app.simulator.persona import Pace, Persona, fleet_tags
from app.simulator.provisioning import provision
from app.simulator.rest import RestClient, split_url
from app.simulator.statistics import Statistics
from app.simulator.timeline import Timeline
from app.simulator.tls import TlsContexts, TlsFiles

_STARTS_PER_S = 50.0
_GRACE_S = 15.0


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """The options of the command line.

    url: ws:// or wss:// base without the tenant. speed: virtual seconds for each real one. duration_s: real
    seconds; None: until stopped. steady: no charge point goes offline by itself. api_key: None: use only the
    known passwords. persona, fleet: names in `personas/`; None: charge points that are drawn by chance.
    secure_url: wss:// base that is used from security profile 2 on, if `url` is ws://.
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
    persona: str | None = None
    fleet: str | None = None
    secure_url: str | None = None
    tls: TlsFiles = field(default_factory=TlsFiles)


class Display(Protocol):
    """A way to show the progress of a run."""

    async def show(self, fleet: "Fleet") -> None:
        """Show until cancelled."""


class Fleet:
    """The virtual charge points of one run and their statistics."""

    def __init__(self, options: FleetOptions, clock: Clock) -> None:
        self.options = options
        self.statistics = Statistics()
        self.charge_points: list[VirtualChargePoint] = []
        self._clock = clock
        self._url = websocket_url(options.url)
        self._secure_url = (
            None if options.secure_url is None else websocket_url(options.secure_url, secure=True)
        )
        self._tls = TlsContexts(options.tls)

    async def run(self, stop: asyncio.Event, display: Display) -> None:
        """Register the fleet, drive it until `stop` is set or the duration is over, and let it finish.

        Raises:
            SimulatorError: it cannot start.
        """
        options = self.options
        personas = line_up(
            options.count,
            options.seed,
            options.pace,
            options.prefix,
            persona=options.persona,
            fleet=options.fleet,
        )
        if self._url.startswith("wss:") or self._secure_url is not None:
            # A wrong file ends the run before it begins.
            self._tls.shared()
        file = CredentialFile(options.credentials)
        await asyncio.to_thread(self._provision, personas, file)
        with _open_message_log(options.ledger) as message_log:
            clients = self._clients(personas, file, message_log)
            shown = asyncio.create_task(display.show(self))
            try:
                await self._drive(clients, stop)
            finally:
                shown.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await shown

    @property
    def succeeded(self) -> bool:
        """Say whether something was answered, and no charge point failed by a fault of the simulator."""
        faults = [reason for reason in self.statistics.errors if reason.startswith("simulator fault")]
        return bool(self.statistics.answered) and not faults

    def _provision(self, personas: Sequence[Persona], file: CredentialFile) -> None:
        options = self.options
        if options.api_key is not None:
            url, option = rest_url(self._url), "--url"
            if options.api_url is not None:
                url, option = options.api_url, "--api-url"
            trust = self._tls.shared() if url.startswith("https:") else None
            with RestClient(url, options.api_key, option, trust) as api:
                provision(api, options.tenant, personas, fleet_tags(options.count), file)
        elif missing := [row.identity for row in personas if not self._can_log_in(row.identity, file)]:
            raise SimulatorError(
                f"STATIONMASTER_API_KEY (or --api-key) is needed: {options.credentials} has no password for "
                f"{missing[0]}; `stationmaster key create --tenant {options.tenant}` makes a key"
            )

    def _can_log_in(self, identity: str, file: CredentialFile) -> bool:
        return file.password(identity) is not None or self.options.tls.certificate is not None

    def _clients(
        self, personas: Sequence[Persona], file: CredentialFile, message_log: MessageLog
    ) -> list[ChargePointClient]:
        options, clock = self.options, self._clock
        timeline = Timeline.begin(clock.now(), clock.monotonic(), options.speed, options.duration_s)

        def seconds_until(moment: datetime) -> float:
            return (moment - clock.now()).total_seconds() * options.speed

        context = FleetContext(
            protocol=ocpp.Protocol.v16(),
            endpoint=CentralEndpoint(
                _with_tenant(self._url, options.tenant),
                None if self._secure_url is None else _with_tenant(self._secure_url, options.tenant),
                self._tls,
            ),
            clock=clock,
            timeline=timeline,
            statistics=self.statistics,
            message_log=message_log,
            credential_changed=lambda identity, key: file.remember({identity: key}),
            certificate_changed=file.remember_certificate,
        )
        self.charge_points = [
            VirtualChargePoint(
                persona, timeline.origin, goes_offline=not options.steady, seconds_until=seconds_until
            )
            for persona in personas
        ]
        for charge_point in self.charge_points:
            self._equip(charge_point, context.endpoint, file)
        return [
            ChargePointClient(charge_point, file.password(charge_point.persona.identity), context)
            for charge_point in self.charge_points
        ]

    def _equip(
        self, charge_point: VirtualChargePoint, endpoint: CentralEndpoint, file: CredentialFile
    ) -> None:
        """Give a charge point its certificate, and the security profile of its first connection."""
        identity, tls = charge_point.persona.identity, self.options.tls
        given = tls.own(identity)
        own = given or file.certificate(identity)
        if own is not None:
            charge_point.certificates.adopt(*own)
        has_password = file.password(identity) is not None
        if endpoint.is_secure:
            profile = 3 if given is not None or not has_password else 2
        else:
            profile = 1 if has_password else 0
        can_use_tls = endpoint.is_secure or endpoint.secure_url is not None
        charge_point.security.begin(profile, has_password=has_password, can_use_tls=can_use_tls)

    async def _drive(self, clients: list[ChargePointClient], stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._later(number, client)) for number, client in enumerate(clients)]
            waiter = group.create_task(self._until_stopped(stop))
            await waiter
            for client in clients:
                client.finish()
            _, late = await asyncio.wait(tasks, timeout=_GRACE_S)
            for task in late:
                task.cancel()
            if late:
                self.statistics.errors["cut off at the end of the run"] += len(late)

    async def _later(self, number: int, client: ChargePointClient) -> None:
        # A thousand logins at once are a test of storms, not a simulation.
        await asyncio.sleep(number / _STARTS_PER_S)
        await client.run()

    async def _until_stopped(self, stop: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self.options.duration_s):
                await stop.wait()
        except TimeoutError:
            return


def websocket_url(url: str, *, secure: bool = False) -> str:
    """Return the base of charge-point URLs: `/ocpp` is added to a URL without a path.

    secure: it must be a wss:// URL.

    Raises:
        SimulatorError: it is not a ws:// or wss:// URL.
    """
    parts = split_url(url, ("wss",) if secure else ("ws", "wss"), "--secure-url" if secure else "--url")
    return url.rstrip("/") if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/ocpp"


def _with_tenant(url: str, tenant: str) -> str:
    return f"{url}/{quote(tenant, safe='')}"


def rest_url(url: str) -> str:
    """Return the base URL of the REST API of the same server."""
    parts = urlsplit(url)
    return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"


def _open_message_log(path: Path | None) -> MessageLog:
    try:
        return MessageLog(path)
    except OSError as error:
        raise SimulatorError(f"--ledger: {path}: {error.strerror}") from None
