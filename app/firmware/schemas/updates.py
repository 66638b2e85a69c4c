"""Shapes of REST requests and answers about firmware updates."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from app.commands.locations import SCHEMES
from app.errors import FieldViolation, InvalidInput
from app.firmware.records import FirmwareJobState, FirmwareSource, SigningFacts, StatusNote
from app.firmware.rules.locations import LOCATION_LIMIT
from app.firmware.rules.signing import CERTIFICATE_LIMIT, SIGNATURE_LIMIT
from app.web.inputs import INTEGER_MAXIMUM, Input, Line, Time
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.wording import FILE_ID_PATTERN, NOTE_PATTERN

_URL = "https://files.example.com/firmware/vw22-3.2.0.bin"
_JOB = "0b9c6c0e-1d2f-4a57-9c43-0d9c4f2b7c11"
_FETCHED = f"Where the charge point fetches the firmware: {', '.join(SCHEMES)}."
_TARGET_VERSION = "The firmware version that the charge point reports afterwards. It helps to judge the boot."
_REASONS = (
    "Why it ended, or waits. Of `refused`: rejected, invalid_certificate, revoked_certificate, "
    "unsigned_not_supported, not_supported, call_error. Of `timed_out`: not_sent, no_answer, silent. "
    "Of `failed`: reported, or old_version: it has reported Installed, and runs its old firmware."
)


class SignedFirmwareInput(Input):
    """The signature of firmware. The manufacturer delivers it with the firmware."""

    signing_certificate: Annotated[
        str,
        Field(
            min_length=1,
            max_length=CERTIFICATE_LIMIT,
            pattern=NOTE_PATTERN,
            description="PEM of the firmware signing certificate, without intermediate certificates.",
        ),
    ]
    signature: Annotated[
        Line,
        Field(
            min_length=1,
            max_length=SIGNATURE_LIMIT,
            description="Base64 of the signature over the SHA-256 of the file: RSA-PSS or ECDSA.",
        ),
    ]
    install_date: Annotated[Time | None, Field(description="When to install it. null: at once.")] = None


class FirmwareInput(Input):
    """Firmware, and how charge points fetch it."""

    location: Annotated[
        Line | None,
        Field(
            min_length=1,
            max_length=LOCATION_LIMIT,
            description=f"{_FETCHED} Up to 512 characters if it is signed. A password is not shown again.",
        ),
    ] = None
    file_id: Annotated[
        str | None, Field(pattern=FILE_ID_PATTERN, description="A stored file, instead of a `location`.")
    ] = None
    retries: Annotated[
        int | None,
        Field(ge=0, le=INTEGER_MAXIMUM, description="How often to try. null: the charge point decides."),
    ] = None
    retry_interval_s: Annotated[
        int | None,
        Field(ge=0, le=INTEGER_MAXIMUM, description="Seconds between tries. null: the charge point decides."),
    ] = None
    signed: Annotated[
        SignedFirmwareInput | None,
        Field(description="null: UpdateFirmware is sent; otherwise SignedUpdateFirmware."),
    ] = None
    target_version: Annotated[
        Line | None, Field(min_length=1, max_length=50, description=_TARGET_VERSION)
    ] = None

    def source(self) -> FirmwareSource:
        """Return the firmware.

        Raises:
            InvalidInput: not exactly one of location and file_id is given.
        """
        if (self.location is None) == (self.file_id is None):
            detail = "give either location or file_id"
            raise InvalidInput([FieldViolation("/location", "one_of_two", detail)])
        signed = self.signed
        signing = None
        if signed is not None:
            signing = SigningFacts(signed.signing_certificate, signed.signature, signed.install_date)
        return FirmwareSource(
            location=self.location,
            file_id=self.file_id,
            retries=self.retries,
            retry_interval_s=self.retry_interval_s,
            signing=signing,
            target_version=self.target_version,
        )


class FirmwareUpdateCreate(FirmwareInput):
    """An update of the firmware of one charge point."""

    retrieve_date: Annotated[
        Time | None, Field(description="When the charge point may fetch it. null: now.")
    ] = None
    timeout_s: Annotated[
        int | None,
        Field(
            ge=60,
            le=2_592_000,
            description="Seconds without a new status after which it times out. null: that of the server.",
        ),
    ] = None

    example: ClassVar[Json] = {
        "location": _URL,
        "retries": 3,
        "retry_interval_s": 300,
        "target_version": "3.2.0",
    }


class FirmwareStatusEntry(Resource):
    """A status that the charge point has reported."""

    status: str
    at: Instant
    repeats: int = Field(description="How often it was repeated.")
    last_at: Instant
    note: StatusNote | None = Field(
        description="late: after the end, which it corrects; after_end: after the end, which stays."
    )

    example: ClassVar[Json] = {
        "status": "Downloading",
        "at": EXAMPLE_TIME,
        "repeats": 0,
        "last_at": EXAMPLE_TIME,
        "note": None,
    }


class FirmwareUpdate(Resource):
    """An update of the firmware of one charge point, from its request to its end."""

    id: UUID
    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    state: FirmwareJobState = Field(
        description="pending: it is sent when the charge point is connected. installed_seen_by_boot: the "
        "charge point did not report Installed, but has booted with another firmware version."
    )
    reason: str | None = Field(description=_REASONS)
    detail: str | None = Field(description="The same in words.")
    location: str | None = Field(description="Without a password. null: a stored file.")
    file_id: str | None
    is_signed: bool
    request_id: int | None = Field(description="requestId of SignedUpdateFirmware.")
    signature_note: str | None = Field(description="What you should know of the signature.")
    retrieve_date: Instant
    install_date: Instant | None
    retries: int | None
    retry_interval_s: int | None
    target_version: str | None
    status: str | None = Field(description="The status that was reported last.")
    status_at: Instant | None
    statuses: list[FirmwareStatusEntry] = Field(description="All statuses in the order of their arrival.")
    command_id: UUID | None = Field(description="The command that has handed it out.")
    command_state: str | None = Field(description="Its state.")
    command_status: str | None = Field(description="The status of its answer. UpdateFirmware has none.")
    firmware_version_before: str | None
    firmware_version_after: str | None = Field(description="As the charge point booted after the command.")
    retry_of: UUID | None = Field(description="The update that it repeats.")
    campaign_id: UUID | None
    timeout_s: int
    created_at: Instant
    created_by: str
    issued_at: Instant | None
    answered_at: Instant | None
    ended_at: Instant | None
    deadline_at: Instant = Field(description="If nothing happens it times out then.")

    example: ClassVar[Json] = {
        "id": _JOB,
        "charge_point": "RDAM-0123",
        "state": "in_progress",
        "reason": None,
        "detail": None,
        "location": _URL,
        "file_id": None,
        "is_signed": False,
        "request_id": None,
        "signature_note": None,
        "retrieve_date": EXAMPLE_TIME,
        "install_date": None,
        "retries": 3,
        "retry_interval_s": 300,
        "target_version": "3.2.0",
        "status": "Downloading",
        "status_at": EXAMPLE_TIME,
        "statuses": [FirmwareStatusEntry.example],
        "command_id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "command_state": "accepted",
        "command_status": None,
        "firmware_version_before": "3.1.4",
        "firmware_version_after": None,
        "retry_of": None,
        "campaign_id": None,
        "timeout_s": 21600,
        "created_at": EXAMPLE_TIME,
        "created_by": "key:3f9c2a7d41be",
        "issued_at": EXAMPLE_TIME,
        "answered_at": EXAMPLE_TIME,
        "ended_at": None,
        "deadline_at": "2026-05-04T14:15:30.000Z",
    }


class ReportedFirmwareStatus(Resource):
    """The firmware status that a charge point has last reported, whether or not an update asked for it."""

    status: str
    is_signed: bool = Field(description="Whether it came as SignedFirmwareStatusNotification.")
    request_id: int | None
    received_at: Instant
    firmware_update: UUID | None = Field(
        validation_alias="job_id", description="null: no update is known that it belongs to."
    )

    example: ClassVar[Json] = {
        "status": "Installed",
        "is_signed": False,
        "request_id": None,
        "received_at": EXAMPLE_TIME,
        "firmware_update": _JOB,
    }
