"""Which request targets name which charge point. OCPP-J 3.1.1"""

import pytest

from app.gateway.path import Address, PathRefused, belongs_here, parse_path

GOOD = [
    ("plain", b"/ocpp/demo/CP1", Address("demo", "CP1")),
    ("encoded space", b"/ocpp/demo/RDAM%20123", Address("demo", "RDAM 123")),
    ("plus is a plus", b"/ocpp/demo/A+B", Address("demo", "A+B")),
    ("needless encoding", b"/ocpp/demo/%43P1", Address("demo", "CP1")),
    ("every allowed mark", b"/ocpp/demo/a*+=|@._-Z", Address("demo", "a*+=|@._-Z")),
    ("48 characters", b"/ocpp/demo/" + b"x" * 48, Address("demo", "x" * 48)),
    ("trailing slash", b"/ocpp/demo/CP1/", Address("demo", "CP1", ("trailing_slash",))),
    ("identity appended twice", b"/ocpp/demo/CP1/CP1", Address("demo", "CP1", ("extra_path_segment",))),
    ("double slash", b"/ocpp/demo//CP1", Address("demo", "CP1", ("extra_path_segment",))),
    ("absolute form", b"ws://example.com:80/ocpp/demo/CP1", Address("demo", "CP1")),
]

BAD = [
    ("no identity", b"/ocpp/demo"),
    ("empty identity", b"/ocpp/demo/"),
    ("nothing", b"/ocpp/"),
    ("elsewhere", b"/other/demo/CP1"),
    ("colon", b"/ocpp/demo/AA%3ABB"),
    ("encoded slash", b"/ocpp/demo/A%2FB"),
    ("leading dot", b"/ocpp/demo/.A"),
    ("encoded twice", b"/ocpp/demo/RDAM%2520123"),
    ("encoded slash twice", b"/ocpp/demo/A%252FB"),
    ("broken escape", b"/ocpp/demo/A%2"),
    ("no escape", b"/ocpp/demo/A%zz"),
    ("line break", b"/ocpp/demo/CP1%0A"),
    ("NUL", b"/ocpp/demo/CP1%00"),
    ("look-alike letter", b"/ocpp/demo/%D0%A1P1"),
    ("raw byte beyond ASCII", b"/ocpp/demo/CP\xff"),
    ("49 characters", b"/ocpp/demo/" + b"x" * 49),
    ("upper-case tenant", b"/ocpp/Demo/CP1"),
    ("tenant with a slash in it", b"/ocpp/de%2Fmo/CP1"),
]


@pytest.mark.parametrize(("raw", "address"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_path_names_a_charge_point(raw: bytes, address: Address) -> None:
    assert parse_path(raw) == address


@pytest.mark.parametrize("raw", [row[1] for row in BAD], ids=[row[0] for row in BAD])
def test_path_is_refused(raw: bytes) -> None:
    with pytest.raises(PathRefused):
        parse_path(raw)


def test_mount_point_is_not_part_of_the_address() -> None:
    assert parse_path(b"/csms/ocpp/demo/CP1", "/csms") == Address("demo", "CP1")


def test_only_the_prefix_belongs_here() -> None:
    assert belongs_here(b"/ocpp/demo/CP1%0A")
    assert not belongs_here(b"/ocpp")
    assert not belongs_here(b"/v1/ocpp/")
