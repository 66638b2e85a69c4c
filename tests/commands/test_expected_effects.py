"""The table of expected effects, its settings, and the messages that are awaited in memory."""

from typing import Any, cast

import pytest
from pydantic import ValidationError

from app.commands.awaited import AwaitedMessages, expectation_of
from app.commands.expected_effects import EXPECTED, effect_windows, problem_of_settings, steady_actions
from app.commands.rules import default_timeout_s
from app.connection import Connection
from app.ocpp import Dispatch, messages_of
from app.settings import Settings, load_settings
from app.types import CommandId
from tests.support.protocol import OCPP16
from tests.support.session_harness import SessionHarness

AT = "2026-01-01T00:00:00.000Z"


def settings_of(**values: Any) -> Settings:
    return Settings(credential_pepper="pepper", **values)


class Call:
    """A message of a charge point."""

    def __init__(self, action: str, unique_id: str = "m1", **payload: Any) -> None:
        self.action, self.unique_id, self.payload = action, unique_id, payload


def call(action: str, unique_id: str = "m1", **payload: Any) -> Dispatch:
    return cast(Dispatch, Call(action, unique_id, **payload))


@pytest.fixture
async def connection() -> Connection:
    return SessionHarness().connection


def is_open(_: Connection) -> bool:
    return True


def begin(
    awaited: AwaitedMessages, connection: Connection, command: str, action: str, payload: str = "{}"
) -> None:
    expectation = expectation_of(action, payload)
    assert expectation is not None
    awaited.begin(connection, CommandId(command), expectation, 100.0)


def test_each_action_of_the_table_exists() -> None:
    known = {message["action"] for message in messages_of(OCPP16, "central_system")}
    assert EXPECTED.keys() - known == set()


def test_settings_change_windows() -> None:
    changed = effect_windows(
        settings_of(command_effect_windows=["Reset=60", "ReserveNow=5.5"], remote_start_window_s=7)
    )
    assert (changed["Reset"], changed["ReserveNow"], changed["RemoteStartTransaction"]) == (60, 5.5, 7)
    assert changed["RemoteStopTransaction"] == 86_400


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"command_effect_windows": ["Reset=60"], "command_timeouts": ["Reset=60"]}, None),
        ({"command_effect_windows": ["Rest=60"]}, "EFFECT_WINDOWS: no effect is observed of Rest"),
        (
            {"command_effect_windows": ["RemoteStartTransaction=60"]},
            "EFFECT_WINDOWS: STATIONMASTER_REMOTE_START_WINDOW_S sets the window of RemoteStartTransaction",
        ),
        ({"command_timeouts": ["Rest=60"]}, "TIMEOUTS: Rest is not an action of OCPP 1.6"),
    ],
)
def test_a_setting_that_names_no_such_action_is_told(changes: dict[str, Any], problem: str | None) -> None:
    told = None if problem is None else f"STATIONMASTER_COMMAND_{problem}"
    assert problem_of_settings(settings_of(**changes)) == told


def test_settings_of_the_environment_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATIONMASTER_COMMAND_TIMEOUTS", "Reset=60, SendLocalList=180")
    monkeypatch.setenv("STATIONMASTER_COMMAND_EFFECT_WINDOWS", "Reset=5")
    settings = load_settings(credential_pepper="0123456789abcdef")
    assert (default_timeout_s("Reset", settings), default_timeout_s("SendLocalList", settings)) == (60, 180)
    assert effect_windows(settings)["Reset"] == 5
    assert settings.environment()["STATIONMASTER_COMMAND_TIMEOUTS"] == "Reset=60,SendLocalList=180"


@pytest.mark.parametrize("text", ["Reset", "Reset=", "Reset=-1", "reset=1", "Reset=1e9", "Reset=1;2"])
def test_a_setting_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        settings_of(command_timeouts=[text])
    with pytest.raises(ValidationError):
        settings_of(command_effect_windows=[text])


@pytest.mark.parametrize(
    ("action", "changes", "seconds"),
    [
        ("Reset", {}, 30),
        ("SendLocalList", {}, 120),
        ("SendLocalList", {"call_timeout_s": 300}, 300),
        ("SendLocalList", {"command_timeout_limit_s": 100}, 100),
        ("SendLocalList", {"command_timeouts": ["SendLocalList=5"]}, 5),
    ],
)
def test_an_action_has_its_own_time_out(action: str, changes: dict[str, Any], seconds: float) -> None:
    assert default_timeout_s(action, settings_of(**changes)) == seconds


def test_windows_longer_than_the_clock_is_steady_are_not_judged() -> None:
    assert steady_actions({"Reset": 60.0, "GetLog": 3600.0}, 100.0) == ["Reset"]
    assert steady_actions({"Reset": 60.0}, float("inf")) == ["Reset"]


async def test_only_what_is_awaited_is_watched(connection: Connection) -> None:
    awaited = AwaitedMessages()
    begin(awaited, connection, "1", "TriggerMessage", '{"requestedMessage":"Heartbeat"}')
    assert connection.is_watched
    assert awaited.received(connection, call("MeterValues"), AT) is None
    awaited.answered(connection, CommandId("1"), may_follow=True)
    found = awaited.received(connection, call("Heartbeat"), AT)
    assert found is not None
    assert found[0] == "1"
    assert (connection.is_watched, len(awaited)) == (False, 0)


async def test_what_does_not_come_is_given_up(connection: Connection) -> None:
    awaited = AwaitedMessages()
    begin(awaited, connection, "1", "Reset")
    awaited.expire(100.0, is_open)
    assert len(awaited) == 1
    awaited.expire(100.1, is_open)
    assert (len(awaited), connection.is_watched) == (0, False)


async def test_a_connection_that_has_ended_is_forgotten_soon(connection: Connection) -> None:
    awaited = AwaitedMessages()
    expectation = expectation_of("ChangeAvailability", '{"connectorId":1,"type":"Operative"}')
    assert expectation is not None
    awaited.begin(connection, CommandId("1"), expectation, 86_400.0)
    awaited.expire(0.0, is_open)
    awaited.expire(10.0, lambda _: False)
    # What came before its end may still be under way.
    assert len(awaited) == 1
    awaited.expire(71.0, lambda _: False)
    assert len(awaited) == 0


async def test_one_connection_cannot_fill_the_memory(connection: Connection) -> None:
    awaited = AwaitedMessages()
    for number in range(100):
        begin(awaited, connection, str(number), "Reset")
    assert len(awaited) == 32


@pytest.mark.parametrize(
    ("requested", "action"),
    [
        ("FirmwareStatusNotification", "SignedFirmwareStatusNotification"),
        ("LogStatusNotification", "LogStatusNotification"),
    ],
)
async def test_an_extended_trigger_may_ask_by_another_name(
    connection: Connection, requested: str, action: str
) -> None:
    awaited = AwaitedMessages()
    begin(awaited, connection, "1", "ExtendedTriggerMessage", f'{{"requestedMessage":"{requested}"}}')
    awaited.answered(connection, CommandId("1"), may_follow=True)
    found = awaited.received(connection, call(action), AT)
    assert found is not None
    assert found[1]["action"] == action
    assert expectation_of("ClearCache", "{}") is None
