"""When a command that waits may be sent, and what becomes of the line of a charge point."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.commands.records import CommandRequest, Line, LineEntry
from app.commands.rules import JudgedRequest, judge_request
from app.commands.waiting_rules import (
    LOOK_AGAIN,
    LOOK_AGAIN_OFFLINE,
    Terms,
    decide,
    judge_terms,
    require_terms_to_wait,
)
from app.errors import InvalidInput
from app.settings import Settings
from tests.support.protocol import OCPP16

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = Settings(credential_pepper="pepper")
KEY = '{"key":"AuthorizationKey","value":"00112233445566778899aabbccddeeff00112233"}'


def judged(action: str = "ClearCache", payload: str = "{}", **options: Any) -> JudgedRequest:
    options.setdefault("when_offline", "queue")
    meant: dict[str, Any] = {
        name: NOW + value if isinstance(value, timedelta) else value for name, value in options.items()
    }
    return judge_request(CommandRequest("CP", action, payload, "test", **meant), OCPP16, SETTINGS)


@pytest.mark.parametrize(
    ("options", "ready_s", "until_s"),
    [
        ({}, 0, 86_400),
        ({"expires_in_s": 60}, 0, 60),
        ({"expires_at": timedelta(seconds=90)}, 0, 90),
        ({"not_before": timedelta(seconds=50)}, 50, 86_450),
        ({"not_before": timedelta(seconds=50), "when_offline": None}, 50, 350),
        ({"not_before": timedelta(seconds=-50)}, 0, 86_400),
        ({"not_before": timedelta(seconds=50), "expires_in_s": 60}, 50, 60),
    ],
)
def test_terms_begin_and_end(options: dict[str, Any], ready_s: float, until_s: float) -> None:
    found = judge_terms(judged(**options), NOW, SETTINGS)
    assert found == Terms(NOW + timedelta(seconds=ready_s), NOW + timedelta(seconds=until_s))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"expires_in_s": 0}, "expires_in"),
        ({"expires_in_s": 1e7}, "expires_in"),
        ({"expires_in_s": 1e300}, "expires_in"),
        ({"expires_at": timedelta(seconds=-1)}, "expires_at"),
        ({"expires_at": datetime.max.replace(tzinfo=UTC)}, "expires_at"),
        ({"expires_at": timedelta(seconds=9), "expires_in_s": 9}, "expires_at"),
        ({"expires_at": timedelta(seconds=9), "not_before": timedelta(seconds=10)}, "expires_at"),
        ({"not_before": timedelta(days=31)}, "not_before"),
        ({"not_before": datetime.max.replace(tzinfo=UTC)}, "not_before"),
    ],
)
def test_times_that_contradict_each_other_are_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        judge_terms(judged(**options), NOW, SETTINGS)
    assert refused.value.violations[0].pointer == field


def test_a_new_key_does_not_wait() -> None:
    with pytest.raises(InvalidInput) as refused:
        judge_terms(judged("ChangeConfiguration", KEY), NOW, SETTINGS)
    assert refused.value.violations[0].pointer == "/key"


@pytest.mark.parametrize(
    ("options", "field"), [({"expires_in_s": 9}, "expires_in"), ({"expires_at": NOW}, "expires_at")]
)
def test_a_command_that_does_not_wait_has_no_expiry(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_terms_to_wait(CommandRequest("CP", "ClearCache", "{}", "test", **options))
    assert refused.value.violations[0].pointer == field


def entry(number: int, **changes: Any) -> LineEntry:
    fields: dict[str, Any] = {
        "id": UUID(int=number),
        "action": "ClearCache",
        "state": "waiting",
        "when_offline": "queue",
        "ready_at": NOW,
        "deadline_at": NOW + timedelta(seconds=60),
        "bulk_id": None,
    }
    return LineEntry(**(fields | changes))


def test_the_first_one_is_sent_and_the_next_one_is_looked_at_again() -> None:
    first, second = entry(1), entry(2)
    later = entry(3, ready_at=NOW + timedelta(seconds=1))
    found = decide(Line("Accepted", [first, second, later]), is_connected=True, now=NOW)
    assert (found.send, found.ends, found.later) == (first, {}, {LOOK_AGAIN: [second.id]})


@pytest.mark.parametrize("state", ["queued", "sent"])
def test_nothing_is_sent_while_one_is_under_way(state: Any) -> None:
    found = decide(Line("Accepted", [entry(1, state=state), entry(2)]), is_connected=True, now=NOW)
    assert (found.send, found.later) == (None, {LOOK_AGAIN: [UUID(int=2)]})


def test_what_is_overdue_expires_whether_it_is_connected_or_not() -> None:
    for is_connected in (True, False):
        line = Line("Accepted", [entry(1, deadline_at=NOW)])
        assert decide(line, is_connected=is_connected, now=NOW).ends == {"expired": [UUID(int=1)]}


def test_without_a_connection_one_waits_and_the_other_ends() -> None:
    line = Line("Accepted", [entry(1), entry(2, when_offline="fail")])
    found = decide(line, is_connected=False, now=NOW)
    assert (found.ends, found.later) == (
        {"offline": [UUID(int=2)]},
        {LOOK_AGAIN_OFFLINE: [UUID(int=1)]},
    )


def test_a_forbidden_one_does_not_hold_up_those_behind_it() -> None:
    start = entry(1, action="RemoteStartTransaction")
    failing = entry(2, action="RemoteStartTransaction", when_offline="fail")
    found = decide(Line("Pending", [start, failing, entry(3)]), is_connected=True, now=NOW)
    assert found.send == entry(3)
    assert (found.forbidden, found.later) == ([failing.id], {LOOK_AGAIN: [start.id]})
