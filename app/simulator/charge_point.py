"""One virtual charge point without a socket: the requests that it sends, and how it reacts to answers.

The `client` tells it the virtual time, that the connection opened or closed, and how each request ended.
Everything is deterministic: the same persona, origin and answers give the same requests.
"""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from app.clock import utc_text
from app.simulator.agenda import Agenda
from app.simulator.certificates import VirtualCertificates
from app.simulator.charging_profiles import VirtualProfiles
from app.simulator.configuration import VirtualConfiguration
from app.simulator.connector import CHARGING, VirtualConnector
from app.simulator.diagnostics import VirtualDiagnostics
from app.simulator.firmware import VirtualFirmware
from app.simulator.local_list import VirtualLocalList
from app.simulator.outbox import Outbox, Request, VirtualTransaction
from app.simulator.persona import Persona
from app.simulator.security import VirtualSecurity
from app.simulator.work import Work

Json = dict[str, Any]
Registration = Literal["Unknown", "Accepted", "Pending", "Rejected"]

_BOOT_RETRY_S = 10.0
_REBOOT_S = 15.0
_EPOCH = "1970-01-01T00:00:00.740Z"
_SECURITY_LOG_LIMIT, _POSTPONED_LIMIT = 50, 50


class VirtualChargePoint:
    """The state of one virtual charge point. All times are virtual seconds since `origin`."""

    def __init__(
        self,
        persona: Persona,
        origin: datetime,
        *,
        goes_offline: bool = True,
        seconds_until: Callable[[datetime], float] | None = None,
    ) -> None:
        """Make a charge point that is off. seconds_until: see `VirtualStation`; None: the virtual clock."""
        self.persona = persona
        self.agenda = Agenda(origin)
        self.seconds_until = seconds_until or self.agenda.seconds_until
        self.configuration = VirtualConfiguration(persona)
        self.profiles = VirtualProfiles(persona.phases)
        self.outbox = Outbox()
        self.online = False
        self.wants_connection = True
        self.drops_connection = False  # Also if it wants another one before the client has looked.
        self.registration: Registration = "Unknown"
        self.local_list = VirtualLocalList(self.configuration, self.seconds_until)
        self.security_log: list[str] = []
        self.firmware = VirtualFirmware(self)
        self.diagnostics = VirtualDiagnostics(self)
        self.certificates = VirtualCertificates(self)
        self.security = VirtualSecurity(self, lambda: self.certificates.chain is not None)
        self.new_credential: str | None = None
        """A hexadecimal AuthorizationKey that the central system has just set; the client takes it over."""
        self.transactions_started = 0
        self.transactions_stopped = 0
        self._ended_wh = 0
        self._goes_offline = goes_offline
        self._booted = False
        self._outages_planned = False
        self._boot_planned: int | None = None
        self._heartbeat: int | None = None
        self._order = 0
        self._records = 0
        self._message_ids = persona.random("messages")
        self._network = persona.random("network")
        self._work: list[Work] = []
        self._postponed: list[tuple[str, Json]] = []
        self._asking: dict[str, tuple[str, Callable[[bool], None]]] = {}
        self._reported: dict[int, str] = {}
        self.connectors = [VirtualConnector(number, self) for number in range(1, persona.connectors + 1)]

    # -- what the client tells ------------------------------------------------------------------

    def advance(self, now_s: float) -> None:
        """Let virtual time pass up to `now_s`."""
        self.agenda.run_until(now_s)

    @property
    def next_s(self) -> float | None:
        """Return the next time at which something happens by itself."""
        moments = [row for row in (self.agenda.next_s, self.outbox.next_s()) if row is not None]
        return min(moments, default=None)

    def connected(self) -> None:
        """Handle an open connection. BootNotification follows a power-up, not a mere reconnect (J5.4)."""
        self.online, self.drops_connection = True, False
        self.security.connected()
        if not self._booted:
            self._boot()
        elif self.registration == "Accepted":
            self._report_changes()
            self._send_postponed()

    def disconnected(self) -> None:
        """Handle a lost connection: transaction messages stay queued, the rest is dropped."""
        self.online = False
        self.outbox.disconnected()
        asking, self._asking = self._asking, {}
        for id_tag, done in asking.values():
            done(self._permits_offline(id_tag))

    def take_request(self) -> Request | None:
        """Return the next CALL to send; None if there is none, or one is in flight."""
        if not self.online:
            return None
        request = self.outbox.take(self.agenda.now_s, accepted=self.registration == "Accepted")
        if request is not None and request.record is not None:
            request.message_id = self._message_id_of(request)
        return request

    def answered(self, request: Request, payload: Json) -> None:
        """Handle the answer of the central system."""
        self.outbox.answered(request)
        match request.action:
            case "BootNotification":
                self._boot_answered(payload)
            case "Authorize":
                self._authorized(request, payload)
            case "StartTransaction":
                self._started(request, payload)
            case "StopTransaction":
                self.transactions_stopped += 1
            case _:
                pass

    def failed(self, request: Request) -> bool:
        """Handle a CALLERROR or a time-out; return whether the message was given up."""
        given_up = self.outbox.failed(
            request,
            self.agenda.now_s,
            attempts=self.configuration.integer("TransactionMessageAttempts"),
            interval_s=float(self.configuration.integer("TransactionMessageRetryInterval")),
        )
        if request.action == "BootNotification":
            self._boot_later(_BOOT_RETRY_S)
        elif request.action == "Authorize" and request.message_id in self._asking:
            id_tag, done = self._asking.pop(request.message_id)
            done(self._permits_offline(id_tag))
        elif given_up and request.action == "StartTransaction" and request.transaction is not None:
            request.transaction.transaction_id = -1
        return given_up

    def take_work(self) -> list[Work]:
        """Return the downloads and uploads that were not begun yet."""
        taken, self._work = self._work, []
        return taken

    def finish(self) -> None:
        """End the run: every driver leaves now, so that no transaction stays open."""
        self._goes_offline = False
        self.wants_connection = True
        for connector in self.connectors:
            connector.leave()

    @property
    def idle(self) -> bool:
        """Say whether no message waits and none is in flight."""
        outbox = self.outbox
        return not (outbox.in_flight or outbox.transactional or outbox.ordinary)

    @property
    def charging(self) -> int:
        """Return the number of connectors with a transaction."""
        return sum(row.status in CHARGING for row in self.connectors)

    @property
    def energy_wh(self) -> int:
        """Return the energy of all transactions, in watt hours: of a running one up to its last reading."""
        return self._ended_wh + sum(row.energy_wh for row in self.connectors)

    @property
    def power_w(self) -> float:
        """Return what all connectors deliver now, in watts."""
        return sum(row.meter.power_w for row in self.connectors)

    # -- what connectors and commands ask for ---------------------------------------------------

    def connector(self, connector_id: int) -> VirtualConnector | None:
        """Return the connector with a number, counted from 1."""
        return self.connectors[connector_id - 1] if 1 <= connector_id <= len(self.connectors) else None

    def report_status(self, connector: VirtualConnector) -> None:
        """Send StatusNotification, or keep the change for the next connection (4.9)."""
        if self.online and self.registration == "Accepted":
            self._status(connector.connector_id, connector.status, connector.status_since_s)

    def send_status(self, connector_id: int, *, at_epoch: bool = False) -> None:
        """Report one connector, changed or not; 0 is the main controller. at_epoch: with a time of 1970."""
        connector = self.connector(connector_id)
        if connector is None:
            self._status(0, "Available", self.agenda.now_s, at_epoch=at_epoch)
        else:
            self._status(connector_id, connector.status, connector.status_since_s, at_epoch=at_epoch)

    def authorize(self, id_tag: str, done: Callable[[bool], None]) -> None:
        """Ask the central system whether an id tag may charge, or decide locally when offline (3.5)."""
        if not self.online or self.registration != "Accepted":
            done(self._permits_offline(id_tag))
            return
        is_listed = self.local_list.status(id_tag) == "Accepted"
        if is_listed and self.configuration.flag("LocalPreAuthorize"):
            # Such a tag needs no Authorize (3.5.2).
            done(True)
            return
        request = self.send("Authorize", {"idTag": id_tag})
        self._asking[request.message_id] = (id_tag, done)

    def transaction_message(self, action: str, payload: Json, transaction: VirtualTransaction) -> None:
        """Queue a message of a transaction, which must arrive in order."""
        self._records += 1
        self._queue(action, payload, self._records, transaction)

    def transaction_ended(
        self, connector: VirtualConnector, transaction: VirtualTransaction, energy_wh: int
    ) -> None:
        """Count a finished transaction."""
        self._ended_wh += energy_wh

    def send(self, action: str, payload: Json) -> Request:
        """Queue an ordinary message, which is dropped if the connection is lost."""
        return self._queue(action, payload, None, None)

    def report(self, action: str, payload: Json) -> None:
        """Send an ordinary message, or keep it until the charge point is accepted again."""
        if self.online and self.registration == "Accepted":
            self.send(action, payload)
        else:
            del self._postponed[: -_POSTPONED_LIMIT + 1]
            self._postponed.append((action, payload))

    def security_event(self, kind: str, detail: str = "") -> None:
        """Report a security event, and write it to the security log (security whitepaper A04)."""
        moment = utc_text(self.agenda.time())
        del self.security_log[: -_SECURITY_LOG_LIMIT + 1]
        self.security_log.append(f"{moment} {kind} {detail}".rstrip())
        further = {"techInfo": detail[:255]} if detail else {}
        self.report("SecurityEventNotification", {"type": kind, "timestamp": moment, **further})

    def carry_out(self, work: Work) -> None:
        """Hand work over to the client."""
        self._work.append(work)

    def boot(self) -> None:
        """Send BootNotification again (TriggerMessage while Pending)."""
        self._boot()

    def reboot(self, reason: str) -> None:
        """Power down and come back with a BootNotification."""
        for connector in self.connectors:
            connector.power_down(reason)
        self._booted = False
        self.registration = "Unknown"
        self._reported.clear()
        self._leave(_REBOOT_S)

    def reconnect(self) -> None:
        """Close the connection and open a new one at once, as after a change of AuthorizationKey."""
        self._leave(2.0)

    # -- internals ------------------------------------------------------------------------------

    def _queue(
        self, action: str, payload: Json, record: int | None, transaction: VirtualTransaction | None
    ) -> Request:
        self._order += 1
        request = Request(self._new_message_id(), action, payload, self._order, record, transaction)
        self.outbox.add(request)
        return request

    def _new_message_id(self) -> str:
        return str(uuid.UUID(int=self._message_ids.getrandbits(128), version=4))

    def _message_id_of(self, request: Request) -> str:
        keeps = self.persona.repeats_message_id or not request.sent
        request.sent = True
        return request.message_id if keeps else self._new_message_id()

    def _boot(self) -> None:
        self._boot_planned = None
        if not self.online:
            return
        self.send(
            "BootNotification",
            {
                **self.persona.boot_facts(),
                "firmwareVersion": self.firmware.version,
                "meterType": "Virtual register",
            },
        )

    def _boot_later(self, delay_s: float) -> None:
        if self._boot_planned is not None:
            self.agenda.cancel(self._boot_planned)
        self._boot_planned = self.agenda.after(delay_s, self._boot)

    def _boot_answered(self, payload: Json) -> None:
        self.registration = payload["status"]
        if payload["status"] != "Accepted":
            self._boot_later(payload["interval"] or _BOOT_RETRY_S)
            return
        self._booted = True
        if payload["interval"] > 0:
            self.configuration.change("HeartbeatInterval", str(payload["interval"]))
        self._beat_later()
        at_epoch = self.persona.bad_habits.first_statuses_at_epoch
        for number in range(len(self.connectors) + 1):
            self.send_status(number, at_epoch=at_epoch)
        self.security_event("StartupOfTheDevice")
        self.firmware.booted()
        self._send_postponed()
        for connector in self.connectors:
            connector.power_up()
        if not self._outages_planned:
            self._outages_planned = True
            self._plan_outage()

    def _authorized(self, request: Request, payload: Json) -> None:
        asked = self._asking.pop(request.message_id, None)
        if asked is not None:
            asked[1](payload["idTagInfo"]["status"] == "Accepted")

    def _started(self, request: Request, payload: Json) -> None:
        transaction = request.transaction
        if transaction is None:
            return
        self.transactions_started += 1
        transaction.transaction_id = payload["transactionId"]
        refused = payload["idTagInfo"]["status"] != "Accepted"
        if refused and self.configuration.flag("StopTransactionOnInvalidId"):
            connector = self.connector(transaction.connector_id)
            if connector is not None and connector.transaction is transaction:
                connector.stop("DeAuthorized")

    def _permits_offline(self, id_tag: str) -> bool:
        listed = self.local_list.status(id_tag)
        if listed is not None and self.configuration.flag("LocalAuthorizeOffline"):
            return listed == "Accepted"
        return id_tag in self.persona.id_tags or self.configuration.flag("AllowOfflineTxForUnknownId")

    def _status(self, connector_id: int, status: str, at_s: float, *, at_epoch: bool = False) -> None:
        self._reported[connector_id] = status
        self.send(
            "StatusNotification",
            {
                "connectorId": connector_id,
                "status": status,
                "errorCode": "NoError",
                "timestamp": _EPOCH if at_epoch else utc_text(self.agenda.time(at_s)),
            },
        )

    def _send_postponed(self) -> None:
        postponed, self._postponed = self._postponed, []
        for action, payload in postponed:
            self.send(action, payload)

    def _report_changes(self) -> None:
        for connector in self.connectors:
            if self._reported.get(connector.connector_id) != connector.status:
                self.report_status(connector)

    def _beat_later(self) -> None:
        if self._heartbeat is not None:
            self.agenda.cancel(self._heartbeat)
        interval_s = self.configuration.integer("HeartbeatInterval") or 300
        self._heartbeat = self.agenda.after(interval_s, self._beat)

    def _beat(self) -> None:
        self._heartbeat = None
        if self.online and self.registration == "Accepted":
            self.send("Heartbeat", {})
        self._beat_later()

    def _plan_outage(self) -> None:
        self.agenda.after(self._network.uniform(*self.persona.habits.online_s), self._go_offline)

    def _go_offline(self) -> None:
        outage_s = self._network.uniform(*self.persona.habits.offline_s)
        if self._goes_offline:
            self._leave(outage_s)
        self._plan_outage()

    def _leave(self, seconds: float) -> None:
        self.wants_connection, self.drops_connection = False, True
        self.agenda.after(seconds, self._come_back)

    def _come_back(self) -> None:
        self.wants_connection = True
