"""Which charge points may call which action; each action has one handler. OCPP 1.6 4.2, OCPP-J errata 3.8"""

import pytest

from app.capability import Capability
from app.capability import handlers_of as handlers_of_capabilities
from app.gateway.dispatch import Dispatcher
from tests.support.protocol import OCPP16
from tests.support.session_harness import (
    FakeStorage,
    ManualClock,
    SessionHarness,
    handlers_of,
    record_handlers_of,
)

HANDLERS = handlers_of(FakeStorage(), ManualClock())
RECORD_HANDLERS = record_handlers_of(FakeStorage(), ManualClock())

HEARTBEAT = '[2,"1","Heartbeat",{}]'
METER_VALUES = (
    '[2,"1","MeterValues",{"connectorId":1,"meterValue":'
    '[{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{"value":"1"}]}]}]'
)
DATA_TRANSFER = '[2,"1","DataTransfer",{"vendorId":"com.example","messageId":"m","data":"d"}]'


@pytest.mark.parametrize("action", [*HANDLERS, *RECORD_HANDLERS])
def test_start_up_fails_for_an_action_without_an_answer(action: str) -> None:
    Dispatcher(OCPP16, HANDLERS, RECORD_HANDLERS)
    handlers = {name: handler for name, handler in HANDLERS.items() if name != action}
    record_handlers = {name: handler for name, handler in RECORD_HANDLERS.items() if name != action}
    with pytest.raises(RuntimeError, match=action):
        Dispatcher(OCPP16, handlers, record_handlers)


def test_start_up_fails_for_an_action_with_two_answers() -> None:
    heartbeat = Capability(handlers={"Heartbeat": HANDLERS["Heartbeat"]})
    with pytest.raises(RuntimeError, match="Heartbeat"):
        handlers_of_capabilities((heartbeat, heartbeat))


def test_start_up_fails_for_a_billing_action_with_the_other_kind_of_handler() -> None:
    with pytest.raises(RuntimeError, match="MeterValues"):
        Dispatcher(OCPP16, {**HANDLERS, "MeterValues": HANDLERS["Heartbeat"]}, RECORD_HANDLERS)


def test_start_up_fails_for_an_action_nobody_defined() -> None:
    with pytest.raises(RuntimeError, match="Fly"):
        Dispatcher(OCPP16, {**HANDLERS, "Fly": HANDLERS["Heartbeat"]}, RECORD_HANDLERS)


@pytest.mark.parametrize(
    ("registration", "text", "accepted_before", "refused"),
    [
        ("Pending", HEARTBEAT, False, True),
        ("Pending", HEARTBEAT, True, True),
        ("Pending", DATA_TRANSFER, True, True),
        ("Pending", METER_VALUES, False, False),
        ("Pending", METER_VALUES, True, False),
        ("Rejected", HEARTBEAT, True, True),
        ("Rejected", METER_VALUES, False, False),
        ("Rejected", METER_VALUES, True, False),
    ],
)
async def test_before_accepted_only_billing_records_are_taken(
    registration: str, text: str, accepted_before: bool, refused: bool
) -> None:
    harness = SessionHarness(registration=registration, accepted_before=accepted_before)
    (answer,) = await harness.receive(text)
    assert answer.startswith('[4,"1","SecurityError",' if refused else '[3,"1",')


async def test_no_vendor_extension_is_known() -> None:
    assert await SessionHarness().receive(DATA_TRANSFER) == ['[3,"1",{"status":"UnknownVendorId"}]']
