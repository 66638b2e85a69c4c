"""When a session is over, and which passwords are accepted."""

from datetime import UTC, datetime, timedelta

import pytest

from app.users.records import SessionRecord
from app.users.rules import is_over, is_token, masked_token, must_record_seen, password_fault

NOW = datetime(2026, 5, 4, 8, 15, 30, tzinfo=UTC)


def session(*, seen_s_ago: float, ends_in_s: float) -> SessionRecord:
    seen_at, expires_at = NOW - timedelta(seconds=seen_s_ago), NOW + timedelta(seconds=ends_in_s)
    return SessionRecord(1, b"hash", 7, "link", NOW - timedelta(days=1), seen_at, expires_at)


@pytest.mark.parametrize(
    ("seen_s_ago", "ends_in_s", "over"),
    [(0, 1, False), (599, 1, False), (600, 1, True), (0, 0, True), (0, -1, True)],
)
def test_a_session_ends_at_its_time_or_when_it_is_idle(seen_s_ago: int, ends_in_s: int, over: bool) -> None:
    assert is_over(session(seen_s_ago=seen_s_ago, ends_in_s=ends_in_s), NOW, 600) is over


@pytest.mark.parametrize(("seen_s_ago", "recorded"), [(0, False), (59, False), (60, True)])
def test_the_last_use_is_recorded_once_a_minute(seen_s_ago: int, recorded: bool) -> None:
    assert must_record_seen(session(seen_s_ago=seen_s_ago, ends_in_s=1), NOW) is recorded


def test_a_token_looks_different_on_each_page() -> None:
    token, other = "ab" * 32, "ac" * 32
    forms = {masked_token(token) for _ in range(20)}
    assert len(forms) == 20
    assert all(is_token(form, token) for form in forms)
    assert not any(is_token(form, other) for form in forms)
    form = masked_token(token)
    changed = form[:-1] + ("1" if form[-1] == "0" else "0")
    for wrong in ("", "0", token, form[:-2], form + "00", "xy" + form[2:], changed):
        assert not is_token(wrong, token)


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("a long password", None),
        ("eleven char", "must have at least 12 characters"),
        ("x" * 257, "must have at most 256 characters"),
        ("abababababab", "repeats a few characters only"),
        ("Operations-Desk", "is the name of the user, the tenant or the product"),
        ("north-charging", "is the name of the user, the tenant or the product"),
        ("stationmaster", "is the name of the user, the tenant or the product"),
        ("operations-desk 1", None),
    ],
)
def test_a_password_is_long_and_not_a_known_name(password: str, fault: str | None) -> None:
    assert password_fault(password, "operations-desk@example.com", "north-charging") == fault
