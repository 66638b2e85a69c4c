"""Keys of charge points: their forms on the wire, and what is stored of them."""

import pytest

from app.charge_points.credentials import Credentials, generate_key, key_bytes

KEY = "00112233445566778899aabbccddeeff0011223F"
RAW = bytes.fromhex(KEY)


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("40 hexadecimal characters", KEY, RAW),
        ("lower case", KEY.lower(), RAW),
        ("32 hexadecimal characters", KEY[:32], RAW[:16]),
        ("16 characters of text", "sixteen letters!", b"sixteen letters!"),
        ("20 characters of text", "0123456789abcdefghij", b"0123456789abcdefghij"),
        ("too short", "fifteen letters", None),
        ("21 characters of text", "0123456789abcdefghijk", None),
        ("hexadecimal of odd length", KEY[:33], None),
        ("40 characters, not hexadecimal", "g" * 40, None),
        ("longer than 40", KEY + "00", None),
        ("not ASCII", "\u00fc" * 16, None),
        ("empty", "", None),
    ],
)
def test_the_value_of_a_key_change_stands_for_bytes(name: str, text: str, key: bytes | None) -> None:
    assert key_bytes(text) == key, name


@pytest.mark.parametrize(
    ("name", "password", "fits"),
    [
        ("raw bytes", RAW, True),
        ("hexadecimal, as it was given out", KEY.encode(), True),
        ("hexadecimal in the other case", KEY.swapcase().encode(), True),
        ("another key", b"\x00" * 20, False),
        ("a part of it", RAW[:16], False),
        ("a part of its hexadecimal form", KEY[:32].encode(), False),
        ("with a line feed", KEY.encode() + b"\n", False),
        ("empty", b"", False),
        ("very long", b"\xff" * 100_000, False),
    ],
)
def test_either_form_of_the_key_logs_in(name: str, password: bytes, fits: bool) -> None:
    credentials = Credentials("pepper")
    assert credentials.matches(password, credentials.hash(RAW)) is fits, name


def test_a_key_that_looks_like_hexadecimal_text_logs_in_as_it_is() -> None:
    credentials = Credentials("pepper")
    assert credentials.matches(KEY.encode(), credentials.hash(KEY.encode()))


def test_without_a_credential_nothing_fits() -> None:
    assert not Credentials("pepper").matches(RAW, None)
    assert not Credentials("pepper").matches(b"", None)


def test_what_is_stored_says_nothing_without_the_pepper() -> None:
    stored = Credentials("pepper").hash(RAW)
    assert RAW not in stored
    assert len(stored) == 48
    assert not Credentials("another").matches(RAW, stored)


def test_two_charge_points_with_one_key_are_not_seen_to_have_it() -> None:
    credentials = Credentials("pepper")
    assert credentials.hash(RAW) != credentials.hash(RAW)


def test_generated_keys_are_keys_and_differ() -> None:
    keys = {generate_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == 40 and key_bytes(key) is not None for key in keys)
