"""Which request targets name which charge point. OCPP-J 3.1.1"""

import pytest

from app.deviations.records import LoginDeviation
from app.gateway.path import Address, PathRefused, belongs_here, parse_path
from app.login_attempts.records import RefusalReason as Reason

TRAILING, SURPLUS = LoginDeviation.TRAILING_SLASH, LoginDeviation.SURPLUS_SLASH
EXTRA = LoginDeviation.EXTRA_PATH_SEGMENT

GOOD = [
    ("plain", b"/ocpp/demo/CP1", Address("demo", "CP1")),
    ("encoded space", b"/ocpp/demo/RDAM%20123", Address("demo", "RDAM 123")),
    ("plus is a plus", b"/ocpp/demo/A+B", Address("demo", "A+B")),
    ("needless encoding", b"/ocpp/demo/%43P1", Address("demo", "CP1")),
    ("every allowed mark", b"/ocpp/demo/a*+=|@._-Z", Address("demo", "a*+=|@._-Z")),
    ("48 characters", b"/ocpp/demo/" + b"x" * 48, Address("demo", "x" * 48)),
    ("trailing slash", b"/ocpp/demo/CP1/", Address("demo", "CP1", (TRAILING,))),
    ("identity appended twice", b"/ocpp/demo/CP1/CP1", Address("demo", "CP1", (EXTRA,))),
    ("several times", b"/ocpp/demo/CP1/CP%31/CP1", Address("demo", "CP1", (EXTRA,))),
    ("slash within", b"/ocpp/demo//CP1", Address("demo", "CP1", (SURPLUS,))),
    ("slashes before the tenant", b"/ocpp///demo/CP1", Address("demo", "CP1", (SURPLUS,))),
    ("slashes at the front", b"//ocpp/demo/CP1", Address("demo", "CP1", (SURPLUS,))),
    ("two at the end", b"/ocpp/demo/CP1//", Address("demo", "CP1", (TRAILING, SURPLUS))),
    ("everywhere", b"///ocpp//demo//CP1//", Address("demo", "CP1", (TRAILING, SURPLUS))),
    ("absolute form with slashes", b"ws://x//ocpp/demo/CP1", Address("demo", "CP1", (SURPLUS,))),
    ("absolute form", b"ws://example.com:80/ocpp/demo/CP1", Address("demo", "CP1")),
]

# name, target, reason, and the tenant and the identity that the operator is told
BAD = [
    ("no identity", b"/ocpp/demo", Reason.PATH, "demo", None),
    ("empty identity", b"/ocpp/demo//", Reason.PATH, "demo", None),
    ("nothing", b"/ocpp/", Reason.PATH, None, None),
    ("elsewhere", b"/other/demo/CP1", Reason.PATH, None, None),
    ("colon", b"/ocpp/demo/AA%3ABB", Reason.PATH, "demo", "AA:BB"),
    ("encoded slash", b"/ocpp/demo/A%2FB", Reason.PATH, "demo", "A/B"),
    ("leading dot", b"/ocpp/demo/.A", Reason.PATH, "demo", ".A"),
    ("encoded twice", b"/ocpp/demo/RDAM%2520123", Reason.PATH_ENCODING, "demo", "RDAM 123"),
    ("encoded slash twice", b"/ocpp/demo/A%252FB", Reason.PATH_ENCODING, "demo", "A/B"),
    ("tenant encoded twice", b"/ocpp/dem%256f/CP1", Reason.PATH_ENCODING, "demo", "CP1"),
    ("broken escape", b"/ocpp/demo/A%2", Reason.PATH, "demo", "A%2"),
    ("no escape", b"/ocpp/demo/A%zz", Reason.PATH, "demo", "A%zz"),
    ("line break", b"/ocpp/demo/CP1%0A", Reason.PATH, "demo", "CP1?"),
    ("NUL", b"/ocpp/demo/CP1%00", Reason.PATH, "demo", "CP1?"),
    ("look-alike letter", b"/ocpp/demo/%D0%A1P1", Reason.PATH, "demo", "?P1"),
    ("raw byte beyond ASCII", b"/ocpp/demo/CP\xff", Reason.PATH, "demo", "CP?"),
    ("49 characters", b"/ocpp/demo/" + b"x" * 49, Reason.PATH, "demo", "x" * 48),
    ("upper-case tenant", b"/ocpp/Demo/CP1", Reason.TENANT_CASE, "demo", "CP1"),
    ("tenant with a slash in it", b"/ocpp/de%2Fmo/CP1", Reason.PATH, None, None),
    ("a segment before", b"/ocpp/demo/steve/CP1", Reason.EXTRA_PATH_SEGMENT, "demo", "CP1"),
    ("a segment behind", b"/ocpp/demo/CP1/ocpp1.6", Reason.EXTRA_PATH_SEGMENT, "demo", "ocpp1.6"),
    ("another case of it", b"/ocpp/demo/CP1/cp1", Reason.EXTRA_PATH_SEGMENT, "demo", "cp1"),
]


@pytest.mark.parametrize(("raw", "address"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_path_names_a_charge_point(raw: bytes, address: Address) -> None:
    assert parse_path(raw) == address


@pytest.mark.parametrize(
    ("raw", "reason", "tenant", "identity"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_path_is_refused(raw: bytes, reason: Reason, tenant: str | None, identity: str | None) -> None:
    with pytest.raises(PathRefused) as refused:
        parse_path(raw)
    refusal = refused.value
    assert (refusal.reason, refusal.tenant, refusal.identity) == (reason, tenant, identity)


def test_mount_point_is_not_part_of_the_address() -> None:
    assert parse_path(b"/csms/ocpp/demo/CP1", "/csms") == Address("demo", "CP1")


def test_only_the_prefix_belongs_here() -> None:
    assert belongs_here(b"/ocpp/demo/CP1%0A")
    assert belongs_here(b"//ocpp//demo/CP1")
    assert not belongs_here(b"/ocpp")
    assert not belongs_here(b"/v1/ocpp/")
