"""Finds the phrases by which stored frames and samples are shortened: `python -m tools.phrases FILE`.

The file has one phrase in each line, between `<` and `>`; its code is its place. It was made once: rows that
are stored refer to it, so it never changes. A better list is another file with another number of format, see
`core_rs/postgres_rows/src/packed_text.rs`.
"""

import json
import random
import re
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from app.ocpp import Protocol

PHRASES: Final = 2048
FRAMES: Final = 12_000
_LONGEST: Final = 160
_SHORTEST: Final = 3
_SEED: Final = 16

# What differs from frame to frame is written by other means: UUIDs, hexadecimal and decimal numbers, times.
_CONSTANT: Final = re.compile(
    r'(?P<varies>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=")[0-9A-F]{8,}(?="))'
    r"|\[[234], ?\"|L[123](?:-L[123]|-N)?|connectorId\": ?[0-4],|[A-Za-z_][A-Za-z_.]*"
    r"|(?P<number>[0-9][0-9.:TZ+-]*)|[^A-Za-z0-9_\[]+|\["
)
_MEASURED: Final = (
    ("Energy.Active.Import.Register", "Wh"),
    ("Energy.Active.Import.Register", "kWh"),
    ("Power.Active.Import", "W"),
    ("Power.Active.Import", "kW"),
    ("Current.Import", "A"),
    ("Voltage", "V"),
    ("SoC", "Percent"),
    ("Current.Offered", "A"),
    ("Power.Offered", "W"),
    ("Temperature", "Celsius"),
    ("Frequency", None),
    ("Energy.Active.Export.Register", "Wh"),
    ("Energy.Active.Import.Interval", "Wh"),
    ("Power.Factor", None),
)
_PHASED: Final = ("Current.Import", "Voltage", "Power.Active.Import")
# The orders of fields in which makers write a sample.
_ORDERS: Final = (
    ("value", "context", "measurand", "location", "unit"),
    ("value", "context", "measurand", "phase", "location", "unit"),
    ("value", "context", "measurand", "unit", "location"),
    ("value", "context", "format", "measurand", "phase", "location", "unit"),
    ("context", "format", "location", "measurand", "phase", "unit", "value"),
    ("value", "context", "format", "measurand", "location", "unit"),
    ("measurand", "phase", "unit", "value"),
    ("value", "measurand", "unit"),
)
_OFTEN: Final = (
    *["MeterValues"] * 45,
    *["Heartbeat"] * 12,
    *["StatusNotification"] * 12,
    *["StartTransaction"] * 3,
    *["StopTransaction"] * 3,
    *["Authorize"] * 3,
    *["BootNotification"] * 2,
)


def main(arguments: Sequence[str]) -> int:
    """Write the phrases to a file."""
    protocol = json.loads(Protocol.v16().describe())
    segments: Counter[tuple[str, ...]] = Counter()
    # The same frames each time.
    chance = random.Random(_SEED)  # noqa: S311
    for text in frames(chance, protocol):
        segments.update(constant_segments(text))
    words = set(words_of(protocol))
    # A code takes up to two bytes, and has to save one.
    phrases = {
        phrase for phrase in joined(segments, PHRASES - len(words)) | words if len(phrase) >= _SHORTEST
    }
    lines = "".join(f"<{phrase}>\n" for phrase in by_use(phrases, segments))
    Path(arguments[0]).write_text(lines)
    print(f"{len(phrases)} phrases, {len(lines)} bytes")
    return 0


def frames(chance: random.Random, protocol: dict[str, Any]) -> Iterator[str]:
    """Yield frames as charge points and central systems write them, each CALL with its answer."""
    known = {value["value"] for one in protocol["types"].values() for value in one.get("values", ())}
    known |= {message["action"] for message in protocol["messages"]}
    known |= {key["name"] for key in protocol["configurationKeys"]}
    examples = {
        message["action"]: _without_own_words(message["examples"], known) for message in protocol["messages"]
    }
    states, faults = (
        [value["value"] for value in protocol["types"][name]["values"]]
        for name in ("ChargePointStatus", "ChargePointErrorCode")
    )
    for _ in range(FRAMES):
        action = chance.choice((*_OFTEN, *examples))
        request, answer = examples[action]["request"], examples[action]["response"]
        if action == "MeterValues":
            value = {"timestamp": _time(chance), "sampledValue": _samples(chance)}
            request = {"connectorId": 1, "transactionId": chance.randrange(10**6), "meterValue": [value]}
        elif action == "StatusNotification":
            fault = chance.choice(["NoError", "NoError", "NoError", *faults])
            request = {"connectorId": 1, "errorCode": fault, "status": chance.choice(states)}
            request |= {"timestamp": _time(chance)} if chance.random() < 0.7 else {}
        unique_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        # Some encoders put a space behind commas and colons.
        separators = chance.choice((*[(",", ":")] * 7, (", ", ": ")))
        yield json.dumps([2, unique_id, action, request], separators=separators)
        yield json.dumps([3, unique_id, answer], separators=separators)


def constant_segments(text: str) -> Iterator[tuple[str, ...]]:
    """Yield what is between two texts that vary, each as words and punctuation."""
    segment: list[str] = []
    for found in _CONSTANT.finditer(text):
        if found["varies"] or found["number"]:
            if segment:
                yield tuple(segment)
            segment = []
        else:
            segment.append(found[0])
    if segment:
        yield tuple(segment)


def joined(segments: Counter[tuple[str, ...]], limit: int) -> set[str]:
    """Join the pair that occurs most often, again and again. Return all that came about, single parts too."""
    parts = {segment: list(segment) for segment in segments}
    found = {part for segment in segments for part in segment}
    while len(found) < limit:
        pairs: Counter[tuple[str, str]] = Counter()
        for segment, now in parts.items():
            for pair in pairwise(now):
                if len(pair[0]) + len(pair[1]) <= _LONGEST:
                    pairs[pair] += segments[segment]
        if not pairs:
            break
        # Several at once: they rarely touch each other.
        for (first, second), _ in pairs.most_common(8):
            found.add(first + second)
            for now in parts.values():
                _join(now, first, second)
    return found


def _join(parts: list[str], first: str, second: str) -> None:
    place = 0
    while place + 1 < len(parts):
        if (parts[place], parts[place + 1]) == (first, second):
            parts[place : place + 2] = [first + second]
        place += 1


def by_use(phrases: set[str], segments: Counter[tuple[str, ...]]) -> list[str]:
    """Return phrases in the order of their use: the codes of the first ones are a byte shorter."""
    longest_first = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    starts: dict[str, list[str]] = {}
    for phrase in longest_first:
        starts.setdefault(phrase[0], []).append(phrase)
    used: Counter[str] = Counter()
    for segment, count in segments.items():
        text, place = "".join(segment), 0
        while place < len(text):
            fits = (one for one in starts.get(text[place], ()) if text.startswith(one, place))
            phrase = next(fits, text[place])
            used[phrase] += count
            place += len(phrase)
    return sorted(phrases, key=lambda phrase: (-used[phrase], phrase))


def words_of(protocol: dict[str, Any]) -> Iterator[str]:
    """Yield the names and values of the standard, also of messages that are rare."""
    types = protocol["types"].values()
    payloads = [message[side] for message in protocol["messages"] for side in ("request", "response")]
    for described in (*types, *payloads):
        for field in described.get("fields", ()):
            yield f'"{field["name"]}":'
            yield f'","{field["name"]}":"'
        for value in described.get("values", ()):
            yield value["value"]
    yield from (message["action"] for message in protocol["messages"])
    yield from (key["name"] for key in protocol["configurationKeys"])
    yield from (error["code"] for error in protocol["errorCodes"])


def _without_own_words(value: Any, known: set[str]) -> Any:
    """Return an example with a number for each text that its maker has invented."""
    if isinstance(value, dict):
        return {name: _without_own_words(member, known) for name, member in value.items()}
    if isinstance(value, list):
        return [_without_own_words(item, known) for item in value]
    return "0" if isinstance(value, str) and value not in known else value


def _time(chance: random.Random) -> str:
    return f"2026-01-{chance.randrange(10, 29)}T10:00:{chance.randrange(10, 60)}Z"


def _samples(chance: random.Random) -> list[dict[str, str]]:
    order = chance.choice(_ORDERS)
    context = chance.choice(
        [*["Sample.Periodic"] * 9, "Sample.Clock", "Transaction.Begin", "Transaction.End"]
    )
    first = chance.choice(_MEASURED[:2])
    samples = []
    for measurand, unit in (first, *chance.sample(_MEASURED[2:], chance.randrange(5))):
        is_phased = "phase" in order and measurand in _PHASED and chance.random() < 0.6
        for phase in ("L1", "L2", "L3") if is_phased else (None,):
            fields = {
                "value": "1.0",
                "context": context,
                "format": "Raw",
                "measurand": measurand,
                "phase": phase,
                "location": "EV" if measurand == "SoC" else "Outlet",
                "unit": unit,
            }
            samples.append({name: text for name in order if (text := fields[name]) is not None})
    return samples


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
