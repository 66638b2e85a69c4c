"""The logs of a virtual charge point: GetDiagnostics (OCPP 1.6 5.9) and GetLog (security whitepaper N01).

A request leads to Uploading, and then to Uploaded or to the status of its failure.
"""

from dataclasses import dataclass
from typing import Any, Final

from app.clock import utc_text
from app.simulator.station import VirtualStation
from app.simulator.work import TransferFailure, Upload

Json = dict[str, Any]
_ATTEMPTS, _INTERVAL_S = 3, 30.0
"""The choice of the charge point if the request does not say it."""
_FAILURES: Final = {
    "unsupported": "NotSupportedOperation",
    "denied": "PermissionDenied",
    "refused": "BadMessage",
    "broken": "UploadFailure",
}
"""The status of a log by the kind of the failure (security whitepaper 6.19)."""


@dataclass(slots=True)
class _LogUpload:
    """One upload. request_id: of GetLog; None: GetDiagnostics. attempts: that are left."""

    location: str
    name: str
    content: bytes
    attempts: int
    interval_s: float
    request_id: int | None = None


class VirtualDiagnostics:
    """The upload under way, if there is one."""

    __slots__ = ("_station", "_upload")

    def __init__(self, station: VirtualStation) -> None:
        self._station = station
        self._upload: _LogUpload | None = None

    def get_diagnostics(self, payload: Json) -> Json:
        """Answer GetDiagnostics. A newer request takes the place of the one before."""
        upload = self._begin(payload, payload["location"], "diagnostics")
        return {"fileName": upload.name}

    def get_log(self, payload: Json) -> Json:
        """Answer GetLog. An upload of a log that is under way is stopped (N01.FR.12)."""
        running = self._upload is not None
        kind = "security" if payload["logType"] == "SecurityLog" else "diagnostics"
        upload = self._begin(payload, payload["log"]["remoteLocation"], kind, payload["requestId"])
        return {"status": "AcceptedCanceled" if running else "Accepted", "filename": upload.name}

    def trigger(self, *, log: bool) -> None:
        """Report the status again: Uploading or Idle (5.17)."""
        upload = self._upload
        is_busy = upload is not None and (upload.request_id is not None) == log
        status = {"status": "Uploading" if is_busy else "Idle"}
        if not log:
            self._station.report("DiagnosticsStatusNotification", status)
            return
        number = {"requestId": upload.request_id} if is_busy and upload is not None else {}
        self._station.report("LogStatusNotification", {**status, **number})

    def _begin(self, payload: Json, location: str, kind: str, request_id: int | None = None) -> _LogUpload:
        station = self._station
        moment = station.agenda.time().strftime("%Y%m%dT%H%M%S")
        text = _security_text(station) if kind == "security" else _diagnostics_text(station)
        upload = _LogUpload(
            location,
            f"{station.persona.identity}-{kind}-{moment}.log",
            text.encode(),
            max(1, payload.get("retries", _ATTEMPTS)),
            float(payload.get("retryInterval", _INTERVAL_S)),
            request_id,
        )
        self._upload = upload
        station.agenda.after(2.0, lambda: self._send(upload))
        return upload

    def _send(self, upload: _LogUpload, *, again: bool = False) -> None:
        if upload is not self._upload:
            return
        if not again:
            self._report(upload, "Uploading")
        upload.attempts -= 1
        station = self._station
        as_form = station.persona.uploads_form
        station.carry_out(
            Upload(upload.location, upload.name, upload.content, as_form, lambda end: self._sent(upload, end))
        )

    def _sent(self, upload: _LogUpload, failure: TransferFailure | None) -> None:
        if upload is not self._upload:
            return
        if failure is not None and upload.attempts > 0 and failure.kind != "unsupported":
            self._station.agenda.after(upload.interval_s, lambda: self._send(upload, again=True))
            return
        if failure is None:
            status = "Uploaded"
        else:
            status = "UploadFailed" if upload.request_id is None else _FAILURES[failure.kind]
        self._report(upload, status)
        self._upload = None

    def _report(self, upload: _LogUpload, status: str) -> None:
        if upload.request_id is None:
            self._station.report("DiagnosticsStatusNotification", {"status": status})
        else:
            number = {"requestId": upload.request_id}
            self._station.report("LogStatusNotification", {"status": status, **number})


def _diagnostics_text(station: VirtualStation) -> str:
    """Return facts about the charge point. Secrets have no value in its configuration report."""
    persona = station.persona
    lines = [
        f"{utc_text(station.agenda.time())} {persona.vendor} {persona.model} {persona.serial_number}",
        *(
            f"connector {row.connector_id} {row.status} register {row.meter.register_wh} Wh"
            for row in station.connectors
        ),
    ]
    known, _ = station.configuration.report([])
    lines += [f"{row['key']} = {row.get('value', '***')}" for row in known]
    return "\n".join([*lines, *station.security_log, ""])


def _security_text(station: VirtualStation) -> str:
    return "\n".join([*station.security_log, ""])
