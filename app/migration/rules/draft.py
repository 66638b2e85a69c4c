"""A translation while it is written: messages, what was lost, made up or needed, and the shared parts."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.catalog.definition import Way
from app.migration.records import Mapping16To201

Payload = dict[str, Any]

TOPOLOGY = (
    "topology",
    "Which EVSE a connector belongs to: without a map, evseId is the connectorId and connectorId is 1.",
)
TRANSACTION_IDS = (
    "transaction ids",
    "The lasting map between the integer id of 1.6 and the text id that a charging station of 2.0.1 chooses.",
)
SEQUENCE = ("sequence number", "How many events of the transaction went before (seqNo).")

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_EXACT_INTEGER = 2**53


@dataclass(frozen=True, slots=True)
class Loss:
    """Something of the frame that has no place in the translation. pointer: into the payload of 1.6."""

    pointer: str
    why: str


@dataclass(frozen=True, slots=True)
class Invention:
    """A value that the translation makes up. pointer: into the payload of the message of 2.0.1."""

    message: int
    pointer: str
    value: Any
    why: str


@dataclass(frozen=True, slots=True)
class Need:
    """State that one frame does not have."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class TranslatedMessage:
    """One message of 2.0.1."""

    action: str
    way: Way
    payload: Payload


@dataclass(slots=True)
class Draft:
    """A translation while it is written.

    Args:
        mapping: from 1.6 to 2.0.1.
        now: the time for fields that need one and have none; aware.
    """

    mapping: Mapping16To201
    now: datetime
    messages: list[TranslatedMessage] = field(default_factory=list)
    lost: list[Loss] = field(default_factory=list)
    invented: list[Invention] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    impossible: list[str] = field(default_factory=list)

    def add(self, action: str, way: Way, payload: Payload) -> None:
        """Add a message. Fields whose value is None are left out."""
        self.messages.append(TranslatedMessage(action, way, given(payload)))

    def lose(self, pointer: str, why: str) -> None:
        """Note what the translation cannot say."""
        self.lost.append(Loss(pointer, why))

    def invent(self, pointer: str, value: Any, why: str) -> Any:
        """Note a value that is made up for the next message that is added, and return it."""
        self.invented.append(Invention(len(self.messages), pointer, value, why))
        return value

    def need(self, what: tuple[str, str]) -> None:
        """Note state that one frame does not have."""
        need = Need(*what)
        if need not in self.needs:
            self.needs.append(need)

    def refuse(self, why: str) -> None:
        """Note why a message cannot be made."""
        self.impossible.append(why)

    def value(self, enumeration: str, value: str, pointer: str = "") -> str | None:
        """Return the counterpart of a value; None if it has none, which counts as lost."""
        row = self.mapping.enumerations[enumeration].values.get(value)
        if row is None:
            return value
        if not row.to:
            self.lose(pointer, row.note or f"{value} has no counterpart.")
            return None
        return row.to[0]

    def second_value(self, enumeration: str, value: str) -> str | None:
        """Return the counterpart of a value in the other enumeration that its row names."""
        row = self.mapping.enumerations[enumeration].values.get(value)
        return row.to[1].partition("/")[2] if row and len(row.to) > 1 else None

    def moment(self, pointer: str) -> str:
        """Make up a time: now."""
        text = self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        made_up: str = self.invent(pointer, text, "The time of the translation: the frame has none.")
        return made_up

    def evse(self, connector_id: int | None, pointer: str = "/evse") -> Payload | None:
        """Return the EVSE of a connector; None for 0, the whole charging station."""
        if not connector_id:
            return None
        self.need(TOPOLOGY)
        self.invent(
            f"{pointer}/connectorId", 1, "Without a topology map each connector is an EVSE of its own."
        )
        return {"id": connector_id, "connectorId": 1}

    def evse_id(self, connector_id: int | None) -> int | None:
        """Return the id of the EVSE of a connector. 0 stays 0."""
        if connector_id:
            self.need(TOPOLOGY)
        return connector_id

    def transaction_id(self, number: int, pointer: str) -> str:
        """Return a text id for the integer of 1.6."""
        self.need(TRANSACTION_IDS)
        text: str = self.invent(
            pointer, str(number), "The digits of the integer, until a map says which text belongs to it."
        )
        return text

    def id_token(self, id_tag: str, pointer: str, kind: str = "ISO14443") -> Payload:
        """Return the identifier with a type."""
        why = (
            "1.6 has no type of identifier. The central system issued this one."
            if kind == "Central"
            else "1.6 has no type of identifier. Most are RFID cards."
        )
        return {"idToken": id_tag, "type": self.invent(f"{pointer}/type", kind, why)}

    def id_token_info(self, info: Payload, pointer: str) -> Payload:
        """Return the status of an identifier."""
        parent = info.get("parentIdTag")
        return given(
            {
                "status": self.value("AuthorizationStatus", info["status"]),
                "cacheExpiryDateTime": info.get("expiryDate"),
                "groupIdToken": None if parent is None else self.id_token(parent, f"{pointer}/groupIdToken"),
            }
        )


Translator = Callable[[Draft, Payload], None]
"""Adds the counterpart of a valid payload of 1.6 to a draft."""


def as_it_is(action: str, way: Way) -> Translator:
    """Return the translator of a payload whose fields both versions have. action: of 2.0.1."""

    def translate(draft: Draft, payload: Payload) -> None:
        draft.add(action, way, payload)

    return translate


def given(payload: Payload) -> Payload:
    """Return a payload without the fields that are None."""
    return {name: value for name, value in payload.items() if value is not None}


def copied(payload: Payload, *names: str) -> Payload:
    """Return these fields of a payload, as far as it has them."""
    return {name: payload[name] for name in names if name in payload}


def number_of(text: str) -> float | int | None:
    """Return the number that a text holds, by JSON; None if it holds none, or one that is too large."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < _EXACT_INTEGER else number
