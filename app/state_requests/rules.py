"""Decides the questions after a login, and reads the answers. Pure values."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, Literal

from app.commands.records import CommandRecord
from app.quirks.records import StateAfterLogin
from app.state_requests.records import KnownPoint
from app.types import Json

CONFIGURATION_KEYS: Final = (
    "NumberOfConnectors",
    "SupportedFeatureProfiles",
    "HeartbeatInterval",
    "MeterValueSampleInterval",
)
"""The keys that are asked for where triggers are not supported."""
_UNABLE: Final = frozenset({"NotImplemented", "NotSupported"})
_MOST_KEYS: Final = 20

TriggerAnswer = Literal["accepted", "refused", "unsupported", "lost"]
"""refused: not now; unsupported: it has no triggers; lost: no answer, so nothing more is asked."""


def first_question(habit: StateAfterLogin, known: KnownPoint) -> StateAfterLogin:
    """Return what a charge point is asked: its state (`ask`), configuration keys, or nothing.

    One that lists its feature profiles without RemoteTrigger has no TriggerMessage (OCPP 1.6 4, errata 3.35).
    """
    if habit != "ask":
        return habit
    listed = known.feature_profiles
    if known.refuses_triggers or (listed is not None and "remotetrigger" not in _folded(listed)):
        return "configuration"
    return "ask"


def trigger_answer(command: CommandRecord) -> TriggerAnswer:
    """Return what the end of a TriggerMessage means. NotImplemented is a normal answer (OCPP 1.6 5.17)."""
    status = (command.result or {}).get("status")
    code = (command.error or {}).get("code")
    if command.state == "accepted":
        return "accepted"
    if status in _UNABLE or (command.state == "call_error" and code in _UNABLE):
        return "unsupported"
    return "refused" if command.state in ("rejected", "call_error") else "lost"


def unheard(known: Collection[int], heard: Collection[int]) -> list[int]:
    """Return the connectors that have not reported since they were asked, 0 included, by number."""
    return sorted(set(known) - set(heard))


def missing_keys(silent: Iterable[str], answer: Json | None) -> list[str]:
    """Return the silent keys that an answer to GetConfiguration leaves out. None: there was no answer."""
    told = _values(answer)
    return [key for key in silent if key.casefold() not in told]


def key_groups(keys: Sequence[str], answer: Json | None) -> list[list[str]]:
    """Return the keys in groups of at most GetConfigurationMaxKeys, if the answer tells it (9.1)."""
    told = str(_values(answer).get("getconfigurationmaxkeys"))
    most = min(int(told), _MOST_KEYS) if told.isascii() and told.isdecimal() and 0 < len(told) < 10 else 0
    step = most or _MOST_KEYS
    return [list(keys[start : start + step]) for start in range(0, len(keys), step)]


def _values(answer: Json | None) -> dict[str, Any]:
    """Return the values of an answer to GetConfiguration, by folded key."""
    entries = (answer or {}).get("configurationKey") or ()
    return {str(entry.get("key")).casefold(): entry.get("value") for entry in entries}


def _folded(text: str) -> str:
    """Return a list of feature profiles without blanks: some write `Remote Trigger`."""
    return "".join(text.split()).casefold()
