"""The record of an ended command on its way to the worker where somebody waits for it, which saves that one a
look into the database.
"""

from dataclasses import replace
from typing import Final

import msgspec

from app.commands.records import CommandRecord
from app.live.envelopes import DoneEnvelope

_LIMIT_BYTES: Final = 16_384
"""A whole configuration may be longer: that is read where it is needed."""

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(CommandRecord)


def packed(ended: CommandRecord) -> bytes | None:
    """Return a record for an envelope, without the hash of a credential; None: it is too long for one."""
    body = _ENCODER.encode(replace(ended, credential_hash=None))
    return body if len(body) <= _LIMIT_BYTES else None


def unpacked(envelope: DoneEnvelope) -> CommandRecord | None:
    """Return the record in an envelope; None: it brings none, or one of another version of the server."""
    if envelope.ended is None:
        return None
    try:
        ended = _DECODER.decode(envelope.ended)
    except msgspec.MsgspecError:
        return None
    is_meant = (str(ended.id), ended.tenant_id) == (envelope.command_id, envelope.tenant_id)
    return ended if is_meant else None
