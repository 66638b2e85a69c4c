"""The type of a handler says what it may wait for, and a session acts on the type alone."""

import asyncio
import inspect
import json
from collections.abc import Coroutine
from functools import partial
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from app.answers import Recording
from app.connection import Connection
from app.errors import CallFailed, StoreUnavailable
from app.ocpp import v16
from tests.support.protocol import MESSAGES
from tests.support.session_harness import FakeStorage, ManualClock, SessionHarness, handlers_of

HANDLERS: dict[str, Any] = handlers_of(FakeStorage(), ManualClock())

AUTHORIZE = '[2,"a1","Authorize",{"idTag":"T"}]'
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}


def function_of(action: str) -> Any:
    handler = HANDLERS[action]
    return handler.func if isinstance(handler, partial) else handler


@pytest.mark.parametrize("action", sorted(HANDLERS))
def test_handlers_of_billing_messages_return_recordings_and_only_they(action: str) -> None:
    returned = get_type_hints(function_of(action))["return"]
    assert (get_origin(returned) is Recording) == MESSAGES[action]["billing"]


def test_a_handler_without_a_wait_returns_its_payload() -> None:
    assert get_type_hints(function_of("Heartbeat"))["return"] is v16.HeartbeatResponse
    assert not inspect.iscoroutinefunction(function_of("Heartbeat"))


def test_data_transfer_waits_only_if_a_server_is_asked() -> None:
    returned = get_type_hints(function_of("DataTransfer"))["return"]
    assert get_args(returned)[0] is v16.DataTransferResponse
    assert get_origin(get_args(returned)[1]) is Coroutine
    assert not inspect.iscoroutinefunction(function_of("DataTransfer"))


@pytest.mark.parametrize("action", ["Authorize", "BootNotification", "StatusNotification"])
def test_handlers_that_ask_the_database_are_coroutines(action: str) -> None:
    assert inspect.iscoroutinefunction(function_of(action))


class Recorder:
    """A handler whose record the test commits."""

    def __init__(self) -> None:
        self.future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def handle(self, connection: Connection, request: Any) -> Recording[dict[str, Any], dict[str, Any]]:
        return Recording(self.future, lambda result: {"idTagInfo": result})


async def test_a_recording_is_answered_after_its_commit_and_without_a_task() -> None:
    recorder = Recorder()
    harness = SessionHarness({"Authorize": recorder.handle})
    tasks = asyncio.all_tasks()
    harness.session.receive_text(AUTHORIZE)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == tasks
    assert harness.transport.sent == []
    recorder.future.set_result({"status": "Accepted"})
    await harness.session.settled()
    assert [json.loads(text) for text in harness.transport.sent] == [[3, "a1", ACCEPTED]]


@pytest.mark.parametrize(
    ("error", "code"),
    [(StoreUnavailable(), "InternalError"), (CallFailed("SecurityError", "no"), "SecurityError")],
)
async def test_a_recording_that_fails_is_answered_with_its_error(error: Exception, code: str) -> None:
    recorder = Recorder()
    harness = SessionHarness({"Authorize": recorder.handle})
    harness.session.receive_text(AUTHORIZE)
    recorder.future.set_exception(error)
    await harness.session.settled()
    assert [json.loads(text)[:3] for text in harness.transport.sent] == [[4, "a1", code]]


async def test_a_recording_whose_answer_cannot_be_made_is_an_internal_error() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)

    def fail(_: None) -> dict[str, Any]:
        raise ValueError("a defect")

    def handle(connection: Connection, request: Any) -> Recording[None, dict[str, Any]]:
        return Recording(future, fail)

    (answer,) = await SessionHarness({"Authorize": handle}).receive(AUTHORIZE)
    assert json.loads(answer)[:4] == [4, "a1", "InternalError", ""]


async def test_a_coroutine_runs_in_a_task_as_timeouts_and_database_drivers_want_it() -> None:
    async def handle(connection: Connection, request: Any) -> dict[str, Any]:
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
        return ACCEPTED

    (answer,) = await SessionHarness({"Authorize": handle}).receive(AUTHORIZE)
    assert json.loads(answer) == [3, "a1", ACCEPTED]
