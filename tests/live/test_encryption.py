"""The seal of envelopes: what was touched anywhere does not open."""

import pytest

from app.live.encryption import Seal

_INBOX = "sm:inbox:{b}"
_BODY = b'{"key":"AuthorizationKey"}'


def test_what_is_sealed_opens_at_its_own_inbox_only() -> None:
    sealed = Seal("secret").close(_BODY, _INBOX)
    assert Seal("secret").open(sealed, _INBOX) == _BODY
    assert Seal("secret").open(sealed, "sm:inbox:{c}") is None
    assert Seal("Secret").open(sealed, _INBOX) is None


@pytest.mark.parametrize("body", [b"", b"x", bytes(100_000)])
def test_any_length_is_sealed(body: bytes) -> None:
    assert Seal("secret").open(Seal("secret").close(body, _INBOX), _INBOX) == body


def test_a_change_of_any_byte_is_noticed() -> None:
    sealed = Seal("secret").close(_BODY, _INBOX)
    for position in range(len(sealed)):
        changed = sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]
        assert Seal("secret").open(changed, _INBOX) is None, position


def test_every_cut_is_noticed() -> None:
    sealed = Seal("secret").close(_BODY, _INBOX)
    for length in range(len(sealed)):
        assert Seal("secret").open(sealed[:length], _INBOX) is None, length


def test_the_same_body_is_never_sealed_the_same() -> None:
    seal = Seal("secret")
    assert len({seal.close(_BODY, _INBOX) for _ in range(1000)}) == 1000
