"""An ended command in an envelope: what is read is what was put in, and nothing else is believed."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import pytest

from app.commands.records import CommandRecord
from app.commands.transport import packed, unpacked
from app.live.envelopes import DoneEnvelope
from app.types import CommandId, TenantId, WorkerId

AT = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)
ENDED = CommandRecord(
    id=UUID("6fa459ea-ee8a-3ca4-894e-db77e160355e"),
    tenant_id=7,
    charge_point_id=8,
    identity="CP-1",
    action="GetConfiguration",
    payload={"key": ["A"]},
    state="accepted",
    created_at=AT,
    deadline_at=AT,
    timeout_s=30.5,
    issued_by="key:ab",
    sent_at=AT,
    finished_at=AT,
    worker="w",
    epoch=3,
    result={"configurationKey": [{"key": "A", "readonly": False, "value": "1"}], "n": [1, 2.5, None]},
    idempotency_key="k",
    request_digest=b"digest",
    credential_hash=b"hash",
)


def envelope(ended: bytes | None, command_id: str = str(ENDED.id), tenant_id: int = 7) -> DoneEnvelope:
    return DoneEnvelope(
        tenant_id=TenantId(tenant_id),
        identity="CP-1",
        epoch=0,
        deadline=0.0,
        issuer=WorkerId("w"),
        command_id=CommandId(command_id),
        ended=ended,
    )


def test_what_comes_out_is_what_went_in_but_for_the_secrets() -> None:
    assert unpacked(envelope(packed(ENDED))) == replace(ENDED, credential_hash=None)


def test_what_is_too_long_does_not_travel() -> None:
    assert packed(replace(ENDED, result={"x": "y" * 20_000})) is None


@pytest.mark.parametrize(
    "other",
    [
        envelope(None),
        envelope(b"\xc1"),
        envelope(msgspec.msgpack.encode({"id": str(ENDED.id)})),
        envelope(packed(ENDED), command_id=str(uuid4())),
        envelope(packed(ENDED), tenant_id=8),
    ],
    ids=["nothing", "no msgpack", "another version", "another command", "another tenant"],
)
def test_anything_else_is_looked_up(other: DoneEnvelope) -> None:
    assert unpacked(other) is None
