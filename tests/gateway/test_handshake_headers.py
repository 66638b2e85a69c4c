"""Basic credentials and subprotocols, as they come on the wire. OCPP-J 3.1.2, 6.2.2"""

from base64 import b64encode

import pytest

from app.deviations.records import LoginDeviation
from app.gateway.handshake import BasicCredential, Negotiation, judge_user, negotiate, read_basic


def basic(decoded: bytes) -> bytes:
    return b"Basic " + b64encode(decoded)


CREDENTIALS = [
    ("plain", [basic(b"CP1:secret")], BasicCredential(b"CP1", b"secret")),
    (
        "bytes that are not text",
        [basic(b"AL1000:\x00\x01\x02\xff")],
        BasicCredential(b"AL1000", b"\x00\x01\x02\xff"),
    ),
    ("password with colons", [basic(b"CP1:a:b:c")], BasicCredential(b"CP1", b"a:b:c")),
    ("no user name", [basic(b":secret")], BasicCredential(b"", b"secret")),
    ("empty password", [basic(b"CP1:")], BasicCredential(b"CP1", b"")),
    ("scheme in other case", [b"bAsIc " + b64encode(b"CP1:x")], BasicCredential(b"CP1", b"x")),
    ("missing padding", [basic(b"CP1:secret12").rstrip(b"=")], BasicCredential(b"CP1", b"secret12")),
    ("more blanks", [b"Basic   " + b64encode(b"CP1:x") + b" "], BasicCredential(b"CP1", b"x")),
    ("absent", [], None),
    ("repeated", [basic(b"CP1:a"), basic(b"CP1:b")], None),
    ("no colon", [basic(b"CP1")], None),
    ("no base64", [b"Basic !!!!"], None),
    ("impossible length", [b"Basic A"], None),
    ("other scheme", [b"Bearer abc"], None),
]


@pytest.mark.parametrize(
    ("values", "expected"), [row[1:] for row in CREDENTIALS], ids=[row[0] for row in CREDENTIALS]
)
def test_credential_is_read(values: list[bytes], expected: BasicCredential | None) -> None:
    assert read_basic(values) == expected


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (b"CP1", (True, None)),
        (b"", (True, "user_name_absent")),
        (b"cp1", (True, "user_name_case")),
        (b"CP2", (False, None)),
        (b"CP1 ", (False, None)),
        (b"\xff", (False, None)),
    ],
)
def test_user_name_is_judged(user: bytes, expected: tuple[bool, str | None]) -> None:
    assert judge_user(user, "CP1") == expected


EXACT = Negotiation(True, "ocpp1.6")
NONE = Negotiation(False)

# name, offered, answer when tolerant, answer when strict
SUBPROTOCOLS = [
    ("exact", [b"ocpp1.6"], EXACT, EXACT),
    ("in a list", [b"ocpp2.0, ocpp1.6"], EXACT, EXACT),
    ("after an older one", [b"ocpp1.5,ocpp1.6"], EXACT, EXACT),
    ("in a repeated field", [b"ocpp2.0.1", b"ocpp1.6"], EXACT, EXACT),
    ("TC_088 accepts", [b"ocpp0.1,ocpp1.6"], EXACT, EXACT),
    ("TC_088 refuses", [b"ocpp0.1"], NONE, NONE),
    ("upper case", [b"OCPP1.6"], Negotiation(True, "OCPP1.6", LoginDeviation.SUBPROTOCOL_SPELLING), NONE),
    ("with J", [b"ocpp1.6j"], Negotiation(True, "ocpp1.6j", LoginDeviation.SUBPROTOCOL_SPELLING), NONE),
    ("exact one wins over a misspelt one", [b"OCPP1.6, ocpp1.6"], EXACT, EXACT),
    ("absent", [], Negotiation(True, None, LoginDeviation.SUBPROTOCOL_ABSENT), NONE),
    ("empty", [b" , "], Negotiation(True, None, LoginDeviation.SUBPROTOCOL_ABSENT), NONE),
    ("another version", [b"ocpp2.0.1"], NONE, NONE),
]


@pytest.mark.parametrize(
    ("offered", "tolerant", "strict"),
    [row[1:] for row in SUBPROTOCOLS],
    ids=[row[0] for row in SUBPROTOCOLS],
)
def test_subprotocol_is_chosen(offered: list[bytes], tolerant: Negotiation, strict: Negotiation) -> None:
    assert negotiate(offered, strict=False) == tolerant
    assert negotiate(offered, strict=True) == strict
