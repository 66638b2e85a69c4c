"""A link can return `sampledValue` as text, to store samples without looking into them."""

import json

import pytest

from app.ocpp import Dispatch, Link
from tests.support.protocol import OCPP16

AS_IT_CAME = '[ {"value":"1", "unit":"Wh"} ]'


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        pytest.param(AS_IT_CAME, AS_IT_CAME, id="as it came"),
        pytest.param('[{"value":1.50,"unit":"wh"}]', '[{"value":"1.50","unit":"Wh"}]', id="repaired"),
        pytest.param('[{"value":"\\u0000"}]', '[{"value":"\ufffd"}]', id="NUL, which jsonb refuses"),
    ],
)
def test_samples_come_as_text(samples: str, text: str) -> None:
    meter_value = f'{{"timestamp":"2026-01-01T00:00:00Z","sampledValue":{samples}}}'
    frame = f'[2,"1","MeterValues",{{"connectorId":1,"meterValue":[{meter_value}]}}]'
    [call] = Link(OCPP16, "central_system", raw_sampled_values=True).receive(frame, 0.0)
    assert isinstance(call, Dispatch)
    assert call.payload["meterValue"][0]["sampledValue"] == text
    [call] = Link(OCPP16, "central_system").receive(frame, 0.0)
    assert isinstance(call, Dispatch)
    assert len(call.payload["meterValue"][0]["sampledValue"]) == len(json.loads(text))
