"""Reads the dense form of a batch of meter values.

The core packs the batches that it encodes (`MeterBatch.events`): the byte 1, then numbers. Other batches are
the JSON text of an array of [charge point, connector, transaction, milliseconds], one for each reading.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

_OF_CORE: Final = 1


class PackedReadings(NamedTuple):
    """Readings of one charge point. sampled_at_ms: since 1970, in the order in which they came."""

    charge_point_id: int
    connector_id: int
    transaction_id: int | None
    sampled_at_ms: tuple[int, ...]


_ROWS: Final = msgspec.json.Decoder(list[tuple[int, int, int | None, int]])


def unpacked(packed: bytes) -> list[PackedReadings]:
    """Return the readings of a batch.

    Raises:
        ValueError: the bytes are not such a batch.
    """
    try:
        if packed[:1] == b"[":
            return [
                PackedReadings(point, connector, transaction, (at_ms,))
                for point, connector, transaction, at_ms in _ROWS.decode(packed)
            ]
        if packed[:1] == bytes([_OF_CORE]):
            return _of_core(packed)
    except (msgspec.DecodeError, StopIteration) as error:
        raise ValueError("a batch of meter values that is cut off or damaged") from error
    raise ValueError("not a batch of meter values")


def _of_core(packed: bytes) -> list[PackedReadings]:
    found, numbers = [], _numbers(packed)
    point = transaction = at_ms = 0
    for first in numbers:
        point += _signed(first)
        transaction += _signed(next(numbers))
        connector, count = _signed(next(numbers)), next(numbers)
        times = []
        for _ in range(count):
            at_ms += _signed(next(numbers))
            times.append(at_ms)
        found.append(PackedReadings(point, connector, transaction, tuple(times)))
    return found


def _numbers(packed: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in packed[1:]:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0


def _signed(number: int) -> int:
    return (number >> 1) ^ -(number & 1)
