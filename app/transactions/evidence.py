"""The frames behind a transaction, packed: they are kept as long as the transaction is."""

import zlib
from typing import Final, NamedTuple

import orjson

from app.ocpp import Dispatch
from app.types import Json

_FIRST_DICTIONARY: Final = (
    b'{"deviations":[{"kind":"missing_field","pointer":"/timestamp","raw":""}],"frame":"[2,\\"'
    b'\\",\\"StartTransaction\\",{\\"connectorId\\":1,\\"idTag\\":\\"\\",\\"meterStart\\":0,\\"reservationId\\":'
    b'\\"StopTransaction\\",{\\"transactionId\\":1,\\"idTag\\":\\"\\",\\"meterStop\\":0,\\"reason\\":\\"Local\\",'
    b'\\"EVDisconnected\\",\\"Remote\\",\\"transactionData\\":[{\\"sampledValue\\":[{\\"value\\":\\"'
    b'\\",\\"context\\":\\"Transaction.Begin\\",\\"Transaction.End\\",\\"Sample.Periodic\\",\\"format\\":\\"Raw\\",'
    b'\\"measurand\\":\\"Energy.Active.Import.Register\\",\\"location\\":\\"Outlet\\",\\"unit\\":\\"Wh\\"}]'
    b',\\"timestamp\\":\\"2026-01-01T00:00:00.000Z\\"}]"}'
)
"""Text that many frames share. It is part of the format: it must never change."""

_FORMAT: Final = b"\x01"


class ReceivedFrame(NamedTuple):
    """A frame as it was received, and its deviations from the standard."""

    frame: str
    deviations: list[Json]


def evidence_of(call: Dispatch) -> bytes:
    """Return a received billing message, packed."""
    deviations = [
        {"kind": deviation.kind, "pointer": deviation.pointer, "raw": deviation.raw}
        for deviation in call.deviations
    ]
    return pack(ReceivedFrame(call.text or "", deviations))


def pack(evidence: ReceivedFrame) -> bytes:
    """Return evidence in a few bytes."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS, zdict=_FIRST_DICTIONARY)
    text = orjson.dumps({"deviations": evidence.deviations, "frame": evidence.frame})
    return _FORMAT + packer.compress(text) + packer.flush()


def unpack(packed: bytes) -> ReceivedFrame:
    """Return evidence that `pack` has packed."""
    unpacker = zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=_FIRST_DICTIONARY)
    found = orjson.loads(unpacker.decompress(packed[1:]) + unpacker.flush())
    return ReceivedFrame(found["frame"], found["deviations"])
