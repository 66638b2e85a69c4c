"""The firmware of a virtual charge point: UpdateFirmware and SignedUpdateFirmware.

    Downloading -> Downloaded -> (SignatureVerified) -> Installing -> (InstallRebooting) -> boot -> Installed

A failure ends it with DownloadFailed, InvalidSignature or InstallationFailed. States in brackets are those of
signed firmware.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.clock import parse_time
from app.simulator.station import VirtualStation, free_connectors
from app.simulator.work import Download, DownloadedFile, TransferFailure

Json = dict[str, Any]
_ATTEMPTS, _INTERVAL_S = 3, 30.0
"""The choice of the charge point if the request does not say it."""
_INSTALL_S: Final = 20.0
_CHECK_S: Final = 10.0


@dataclass(slots=True)
class _UpdateRun:
    """One update. request_id: of signed firmware; None: unsigned. attempts: that are left."""

    location: str
    attempts: int
    interval_s: float
    install_at: datetime | None = None
    request_id: int | None = None
    certificate: str = ""
    signature: str = ""
    installing: bool = False


class VirtualFirmware:
    """The firmware version of a charge point, and the update under way."""

    __slots__ = ("_closed", "_station", "_update", "status", "version")

    def __init__(self, station: VirtualStation) -> None:
        self.version = station.persona.firmware_version
        self.status = "Idle"
        self._station = station
        self._update: _UpdateRun | None = None
        self._closed: list[int] = []

    def update(self, payload: Json) -> Json:
        """Answer UpdateFirmware. A newer request takes the place of an update that is not being installed."""
        if self._update is None or not self._update.installing:
            update = _UpdateRun(payload["location"], *_attempts(payload))
            self._schedule(update, payload["retrieveDate"])
        return {}

    def signed_update(self, payload: Json) -> Json:
        """Answer SignedUpdateFirmware (security whitepaper 5.21)."""
        from app.simulator import signatures

        image = payload["firmware"]
        problem = signatures.certificate_problem(image["signingCertificate"], self._station.agenda.time())
        if problem is not None:
            self._station.security_event("InvalidFirmwareSigningCertificate", problem)
            return {"status": "InvalidCertificate"}
        running = self._update
        if running is not None and running.installing:
            return {"status": "Rejected"}
        update = _UpdateRun(
            image["location"],
            *_attempts(payload),
            install_at=parse_time(image.get("installDateTime") or ""),
            request_id=payload["requestId"],
            certificate=image["signingCertificate"],
            signature=image["signature"],
        )
        self._schedule(update, image["retrieveDateTime"])
        return {"status": "Accepted" if running is None else "AcceptedCanceled"}

    def trigger(self, *, signed: bool) -> None:
        """Report the status again. If no update is under way, it is Idle (5.17)."""
        is_idle = self._update is None or signed != (self._update.request_id is not None)
        status = "Idle" if is_idle else self.status
        if not signed:
            self._station.report("FirmwareStatusNotification", {"status": status})
            return
        number = {} if is_idle or self._update is None else {"requestId": self._update.request_id}
        self._station.report("SignedFirmwareStatusNotification", {"status": status, **number})

    def booted(self) -> None:
        """Report the end of an installation after its reboot."""
        update = self._update
        if update is None or not update.installing:
            return
        self._reopen()
        self._report(update, "Installed")
        self._station.security_event("FirmwareUpdated", self.version)
        self._update = None

    # -- step by step ---------------------------------------------------------------------------

    def _schedule(self, update: _UpdateRun, retrieve_at: str) -> None:
        agenda = self._station.agenda
        self._reopen()
        self._update = update
        moment = parse_time(retrieve_at)
        delay_s = self._station.seconds_until(moment) if moment is not None else 0.0
        if update.request_id is not None and delay_s > _CHECK_S:
            agenda.after(1.0, lambda: self._enter(update, "DownloadScheduled"))
        # The answer goes first.
        agenda.after(max(2.0, delay_s), lambda: self._download(update))

    def _download(self, update: _UpdateRun, *, again: bool = False) -> None:
        if update is not self._update:
            return
        if not again:
            self._report(update, "Downloading")
        update.attempts -= 1
        self._station.carry_out(Download(update.location, lambda result: self._downloaded(update, result)))

    def _downloaded(self, update: _UpdateRun, result: DownloadedFile | TransferFailure) -> None:
        if update is not self._update:
            return
        if isinstance(result, TransferFailure):
            if update.attempts > 0 and result.kind != "unsupported":
                self._station.agenda.after(update.interval_s, lambda: self._download(update, again=True))
            else:
                self._fail(update, "DownloadFailed")
            return
        self._report(update, "Downloaded")
        if update.request_id is not None and not self._is_signed(update, result):
            self._station.security_event("InvalidFirmwareSignature")
            self._fail(update, "InvalidSignature")
            return
        if update.request_id is not None:
            self._report(update, "SignatureVerified")
        delay_s = 0.0
        if update.install_at is not None:
            delay_s = self._station.seconds_until(update.install_at)
        if delay_s > _CHECK_S:
            self._report(update, "InstallScheduled")
        self._station.agenda.after(max(1.0, delay_s), lambda: self._install(update, result))

    def _is_signed(self, update: _UpdateRun, result: DownloadedFile) -> bool:
        from app.simulator import signatures

        return signatures.is_signature(update.certificate, update.signature, result.digest)

    def _install(self, update: _UpdateRun, result: DownloadedFile) -> None:
        """Wait for the ends of transactions, with no new ones in the meantime (L01.FR.06, L01.FR.07)."""
        if update is not self._update:
            return
        connectors = self._station.connectors
        for connector in free_connectors(connectors):
            if connector.available and connector.connector_id not in self._closed:
                self._closed.append(connector.connector_id)
                connector.change_availability(False)
        if len(free_connectors(connectors)) < len(connectors):
            self._station.agenda.after(_CHECK_S, lambda: self._install(update, result))
            return
        update.installing = True
        self._report(update, "Installing")
        self._station.agenda.after(_INSTALL_S, lambda: self._restart(update, result))

    def _restart(self, update: _UpdateRun, result: DownloadedFile) -> None:
        if result.size == 0:
            self._fail(update, "InstallationFailed")
            return
        self.version = result.version
        if update.request_id is not None:
            self._report(update, "InstallRebooting")
        self._station.agenda.after(2.0, lambda: self._station.reboot("Reboot"))

    # -- internals ------------------------------------------------------------------------------

    def _enter(self, update: _UpdateRun, status: str) -> None:
        if update is self._update:
            self._report(update, status)

    def _fail(self, update: _UpdateRun, status: str) -> None:
        self._report(update, status)
        self._update = None
        self._reopen()

    def _reopen(self) -> None:
        for connector in self._station.connectors:
            if connector.connector_id in self._closed:
                connector.change_availability(True)
        self._closed.clear()

    def _report(self, update: _UpdateRun, status: str) -> None:
        self.status = status
        if update.request_id is None:
            self._station.report("FirmwareStatusNotification", {"status": status})
        else:
            number = {"requestId": update.request_id}
            self._station.report("SignedFirmwareStatusNotification", {"status": status, **number})


def _attempts(payload: Json) -> tuple[int, float]:
    """Return how often to try, and the seconds between two tries."""
    return max(1, payload.get("retries", _ATTEMPTS)), float(payload.get("retryInterval", _INTERVAL_S))
