"""Values about deviations from the standard: their codes and entries, what was counted, what is listed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple, NewType

DeviationCode = NewType("DeviationCode", str)
"""The code of a deviation, part of the API."""


class Severity(StrEnum):
    """The damage that a deviation may do."""

    COSMETIC = "cosmetic"
    """The meaning is certain, and nothing is lost."""
    INFORMATION = "information"
    """Something that the charge point says is lost, or is not certain."""
    MONEY = "money"
    """A register, a time, a tag or a whole transaction may be lost or wrong."""


class Family(StrEnum):
    """Where a deviation is seen."""

    FRAMES = "frames"
    """In a message or frame as a whole."""
    FIELDS = "fields"
    """In a field of a payload."""
    REFUSALS = "refusals"
    """In a message that could not be repaired."""
    LOGINS = "logins"
    """In a handshake that was accepted."""
    TRANSACTIONS = "transactions"
    """In the record of a transaction, as its flag."""


class UnusableMessage(StrEnum):
    """The codes of messages that could not be repaired."""

    CALL_REFUSED = "call_refused"
    ANSWER_UNUSABLE = "answer_unusable"
    FRAME_UNREADABLE = "frame_unreadable"


class LoginDeviation(StrEnum):
    """The codes of what is tolerated in a handshake."""

    TRAILING_SLASH = "trailing_slash"
    SURPLUS_SLASH = "surplus_slash"
    EXTRA_PATH_SEGMENT = "extra_path_segment"
    USER_NAME_ABSENT = "user_name_absent"
    USER_NAME_CASE = "user_name_case"
    SUBPROTOCOL_ABSENT = "subprotocol_absent"
    SUBPROTOCOL_SPELLING = "subprotocol_spelling"
    ORIGIN = "origin"


@dataclass(frozen=True, slots=True)
class DeviationEntry:
    """The entry of a deviation in the dictionary, as its file has it.

    section: of the standard that is broken; example: what a charge point that has it sends, in order, or
    empty; answers: the CALL of ours that the example answers; also: further codes that the example
    has; sent_as: how the example is put into a WebSocket message.
    """

    code: DeviationCode
    severity: Severity
    seen: str
    handling: str
    section: str
    advice: str
    example: tuple[str, ...]
    answers: str | None = None
    also: tuple[DeviationCode, ...] = ()
    sent_as: Literal["text", "binary", "latin-1"] = "text"


class SeenDeviation(NamedTuple):
    """One deviation in one message. message_id, action: of its CALL; pointer: into its payload.

    Not a frozen dataclass, which takes several times as long to make.
    """

    code: str
    message_id: str | None = None
    action: str | None = None
    pointer: str = ""
    raw: str = ""


@dataclass(slots=True)
class CountedDeviation:
    """In how many messages of a charge point a deviation was seen since the last write.

    first_us, last_us: microseconds since 1970; last: the newest one; connection_id: of the connection that
    brought it.
    """

    count: int
    first_us: int
    last_us: int
    last: SeenDeviation
    connection_id: str


@dataclass(slots=True)
class ChargePointCounts:
    """The counts of one charge point since the last write.

    last_us: when the last of it was counted, in microseconds since 1970.
    """

    tenant_id: int
    charge_point_id: int
    last_us: int
    calls: int = 0
    deviations: dict[str, CountedDeviation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviationFilter:
    """Narrows the list of a charge point's deviations. since: only those seen at that time or later."""

    code: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class SoftwareFilter:
    """Narrows the list of scores."""

    vendor: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Software:
    """Vendor, model and firmware, as a BootNotification names them. Empty: it was not told."""

    vendor: str
    model: str
    firmware_version: str


@dataclass(frozen=True, slots=True)
class SoftwareCounts:
    """The counts of all charge points of a tenant with the same software. deviations: by code."""

    software: Software
    charge_points: int
    calls: int
    deviations: Mapping[str, int]
