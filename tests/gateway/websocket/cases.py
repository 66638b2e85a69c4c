"""The cases of `tests/vectors/websocket`, made into bytes. Their README says what each field means."""

import tomllib
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any, Final

DIRECTORY: Final = Path(__file__).parents[2] / "vectors" / "websocket"
OPCODES: Final = {"continuation": 0x0, "text": 0x1, "binary": 0x2, "close": 0x8, "ping": 0x9, "pong": 0xA}
CLOSE: Final = OPCODES["close"]
EMPTY_CLOSE: Final = 1005
KEY: Final = "12a400ff"


@dataclass(frozen=True)
class Frame:
    """A frame that the server owes. payload: of a close frame only its code, or nothing."""

    opcode: int
    payload: bytes

    @property
    def is_message(self) -> bool:
        """Whether an application sent it, not the protocol."""
        return self.opcode < CLOSE

    def __repr__(self) -> str:
        if self.opcode == CLOSE:
            return f"close {int.from_bytes(self.payload, 'big') if self.payload else EMPTY_CLOSE}"
        return f"{self.opcode:x}:{self.payload[:40]!r}, {len(self.payload)} bytes"


@dataclass(frozen=True)
class Case:
    """Bytes that a client sends, and the expected answer. rest: sent before the answer has arrived."""

    name: str
    send: bytes
    rest: bytes
    expect: tuple[Frame, ...]

    @property
    def ends(self) -> bool:
        """Whether the case itself ends the connection."""
        return bool(self.expect) and self.expect[-1].opcode == CLOSE


@dataclass(frozen=True)
class Limits:
    """The limits that a server must be configured with."""

    message_bytes: int
    fragments: int


def frame_of(opcode: str, payload: bytes = b"", *, code: int = 0) -> Frame:
    """Return a frame that a server owes; a close has a code instead of a payload."""
    return Frame(OPCODES[opcode], code.to_bytes(2, "big") if code else payload)


def close_frame(code: int) -> bytes:
    """Return what a client sends that closes."""
    return frame_bytes({"opcode": "close", "payload_hex": code.to_bytes(2, "big").hex()})


def read_cases() -> list[Case]:
    """Return the cases of all files."""
    cases = []
    for path in sorted(DIRECTORY.glob("*.toml")):
        document = tomllib.loads(path.read_text())
        cases += [_case(row) for row in document.get("case", [])]
        for row in document.get("sequences", []):
            cases += _sequence(row)
    return cases


def read_limits() -> Limits:
    """Return the limits that the cases suppose."""
    document = tomllib.loads((DIRECTORY / "limits.toml").read_text())
    return Limits(document["message_bytes"], document["fragments"])


def _case(row: dict[str, Any]) -> Case:
    return Case(
        name=row["name"],
        send=b"".join(map(frame_bytes, row["send"])),
        rest=b"".join(map(frame_bytes, row.get("rest", []))),
        expect=tuple(_answer(frame) for frame in row["expect"] for _ in range(frame.get("times", 1))),
    )


def _sequence(row: dict[str, Any]) -> list[Case]:
    digits, valid = row["bytes"], row["valid"]
    whole = {"opcode": "text", "payload_hex": digits}
    expect = (_answer(whole if valid else {"opcode": "close", "code": 1007}),)
    fragments = [
        {
            "opcode": "continuation" if place else "text",
            "payload_hex": digits[place : place + 2],
            "fin": place + 2 == len(digits),
        }
        for place in range(0, len(digits), 2)
    ]
    case = Case(row["name"], frame_bytes(whole), b"", expect)
    return [
        case,
        replace(case, name=f"{case.name}, in fragments", send=b"".join(map(frame_bytes, fragments))),
    ]


def _payload(row: dict[str, Any]) -> bytes:
    once = row["payload"].encode() if "payload" in row else bytes.fromhex(row.get("payload_hex", ""))
    payload: bytes = once * row.get("repeat", 1)
    return payload


def frame_bytes(row: dict[str, Any]) -> bytes:
    """Return what a row says on the wire."""
    if "hex" in row:
        raw: bytes = bytes.fromhex(row["hex"]) * row.get("repeat", 1)
        return raw
    opcode = row["opcode"]
    first = (row.get("fin", True) << 7) | (row.get("reserved", 0) << 4) | OPCODES.get(opcode, opcode)
    payload = _payload(row)
    length = row.get("length", len(payload))
    extra = row.get("length_in", 0 if length < 126 else 2 if length < 65536 else 8)
    masked = row.get("masked", True)
    short = {0: length, 2: 126, 8: 127}[extra]
    frame = bytes([first, (masked << 7) | short])
    if extra:
        frame += length.to_bytes(extra, "big")
    if masked:
        key = bytes.fromhex(row.get("key", KEY))
        frame += key
        payload = bytes(byte ^ key_byte for byte, key_byte in zip(payload, cycle(key), strict=False))
    frames: bytes = (frame + payload) * row.get("times", 1)
    return frames


def _answer(row: dict[str, Any]) -> Frame:
    code = row.get("code", 0)
    return frame_of(row["opcode"], _payload(row), code=0 if code == EMPTY_CLOSE else code)
