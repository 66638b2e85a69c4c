"""Names, parts and links, decided without a database."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.files.records import ByteRange, LinkRecord
from app.files.rules import (
    NAME_LIMIT,
    clean_media_type,
    clean_name,
    content_disposition,
    is_range_current,
    link_state,
    name_of_disposition,
    requested_range,
    url_name,
)

NOW = datetime(2026, 5, 4, 8, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given_name", "clean"),
    [
        ("log.zip", "log.zip"),
        ("Diagnose vom 3. März.zip", "Diagnose vom 3. März.zip"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\win.ini", "win.ini"),
        ("/absolute/log.txt", "log.txt"),
        ("%2e%2e%2f%2e%2e%2fpasswd", "passwd"),
        ("%252e%252e%252fpasswd", "passwd"),
        ("..", "file"),
        (".", "file"),
        ("...", "file"),
        ("", "file"),
        (None, "file"),
        ("/", "file"),
        (".bashrc", "bashrc"),
        ("log\x00.txt", "log_.txt"),
        ("log%00.txt", "log_.txt"),
        ('a"b;c\r\nSet-Cookie: x', "a_b;c__Set-Cookie_ x"),
        ("C:evil.exe", "C_evil.exe"),
        ("gnp\u202eexe.txt", "gnpexe.txt"),
        ("log.txt ", "log.txt"),
        ("a\ud800b", "a_b"),
    ],
)
def test_a_name_is_made_safe(given_name: str | None, clean: str) -> None:
    assert clean_name(given_name) == clean


def test_a_long_name_keeps_its_ending() -> None:
    name = clean_name("x" * 5000 + ".zip")
    assert len(clean_name("x" * 300 + ".zip")) == NAME_LIMIT
    assert clean_name("x" * 300 + ".zip").endswith("x.zip")
    assert len(name) == NAME_LIMIT


@given(st.text(max_size=300))
def test_every_name_becomes_one_safe_segment(text: str) -> None:
    name = clean_name(text)
    assert 0 < len(name) <= NAME_LIMIT
    assert not set(name) & set('/\\:*?"<>|\x00\r\n')
    assert not name.startswith(".")
    assert name.encode()
    assert clean_name(url_name(name)) == url_name(name)
    assert "\r" not in content_disposition(name)
    assert content_disposition(name).encode("ascii")
    # RFC 6266: a client that reads it gets the same name.
    assert clean_name(name_of_disposition(content_disposition(name))) == name or "%" in name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('form-data; name="file"; filename="log.zip"', "log.zip"),
        ("attachment; filename=log.zip", "log.zip"),
        ("attachment; filename*=UTF-8''M%C3%A4rz.zip; filename=x", "M%C3%A4rz.zip"),
        ('form-data; name="field"', None),
        ("", None),
    ],
)
def test_a_disposition_tells_a_name(header: str, name: str | None) -> None:
    assert name_of_disposition(header) == name


@pytest.mark.parametrize(
    ("media_type", "clean"),
    [
        ("application/zip", "application/zip"),
        ("Text/Plain; charset=utf-8", "text/plain"),
        ("text/html\r\nX: y", "application/octet-stream"),
        ("nonsense", "application/octet-stream"),
        (None, "application/octet-stream"),
    ],
)
def test_a_media_type_is_bare_or_that_of_bytes(media_type: str | None, clean: str) -> None:
    assert clean_media_type(media_type) == clean


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=0-", ByteRange(0, 100)),
        ("bytes=10-19", ByteRange(10, 20)),
        ("bytes=90-500", ByteRange(90, 100)),
        ("bytes=-10", ByteRange(90, 100)),
        ("bytes=-500", ByteRange(0, 100)),
        ("Bytes = 5 - 6", ByteRange(5, 7)),
        ("bytes=100-", "unsatisfiable"),
        ("bytes=-0", "unsatisfiable"),
        ("bytes=20-10", None),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("lines=0-1", None),
        ("bytes=1e3-", None),
        ("bytes=99999999999999999999-", None),
    ],
)
def test_a_range_header_names_a_part(header: str | None, part: Any) -> None:
    assert requested_range(header, 100) == part


def test_no_part_of_an_empty_file_can_be_had() -> None:
    assert requested_range("bytes=0-", 0) == "unsatisfiable"


@pytest.mark.parametrize(
    ("if_range", "is_current"),
    [
        (None, True),
        ('"abc"', True),
        ('"other"', False),
        ('W/"abc"', False),
        (format_datetime(NOW, usegmt=True), True),
        (format_datetime(NOW - timedelta(seconds=1), usegmt=True), False),
        ("yesterday", False),
    ],
)
def test_if_range_compares_strongly(if_range: str | None, is_current: bool) -> None:
    assert is_range_current(if_range, '"abc"', NOW + timedelta(milliseconds=7)) is is_current


def _link(**changes: Any) -> LinkRecord:
    facts: dict[str, Any] = {
        "id": uuid4(),
        "tenant_id": 1,
        "direction": "upload",
        "charge_point_id": 7,
        "identity": "CP1",
        "file_id": None,
        "purpose": "",
        "created_at": NOW,
        "expires_at": NOW + timedelta(hours=1),
        "revoked_at": None,
        "closed_at": None,
    }
    return LinkRecord(**{**facts, **changes})


@pytest.mark.parametrize(
    ("link", "state"),
    [
        (None, "unknown"),
        (_link(direction="download"), "unknown"),
        (_link(), "open"),
        (_link(expires_at=NOW), "expired"),
        (_link(revoked_at=NOW), "revoked"),
        (_link(closed_at=NOW, expires_at=NOW), "used"),
    ],
)
def test_a_link_is_open_until_it_is_used_revoked_or_expired(link: LinkRecord | None, state: str) -> None:
    assert link_state(link, "upload", NOW) == state
