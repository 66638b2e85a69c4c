"""The cipher of envelopes: what was touched anywhere does not open."""

import pytest

from app.live.encryption import EnvelopeCipher

_INBOX = "sm:inbox:{b}"
_BODY = b'{"key":"AuthorizationKey"}'


def test_what_is_sealed_opens_at_its_own_inbox_only() -> None:
    encrypted = EnvelopeCipher("secret").encrypt(_BODY, _INBOX)
    assert EnvelopeCipher("secret").decrypt(encrypted, _INBOX) == _BODY
    assert EnvelopeCipher("secret").decrypt(encrypted, "sm:inbox:{c}") is None
    assert EnvelopeCipher("Secret").decrypt(encrypted, _INBOX) is None


@pytest.mark.parametrize("body", [b"", b"x", bytes(100_000)])
def test_any_length_is_sealed(body: bytes) -> None:
    assert EnvelopeCipher("secret").decrypt(EnvelopeCipher("secret").encrypt(body, _INBOX), _INBOX) == body


def test_a_change_of_any_byte_is_noticed() -> None:
    encrypted = EnvelopeCipher("secret").encrypt(_BODY, _INBOX)
    for position in range(len(encrypted)):
        changed = encrypted[:position] + bytes([encrypted[position] ^ 1]) + encrypted[position + 1 :]
        assert EnvelopeCipher("secret").decrypt(changed, _INBOX) is None, position


def test_every_cut_is_noticed() -> None:
    encrypted = EnvelopeCipher("secret").encrypt(_BODY, _INBOX)
    for length in range(len(encrypted)):
        assert EnvelopeCipher("secret").decrypt(encrypted[:length], _INBOX) is None, length


def test_the_same_body_is_never_sealed_the_same() -> None:
    cipher = EnvelopeCipher("secret")
    assert len({cipher.encrypt(_BODY, _INBOX) for _ in range(1000)}) == 1000
