"""The URLs that are sent to charge points are URLs of a few schemes, by whichever command."""

import json
import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from app.commands.locations import PLACES, SCHEMES
from app.commands.records import CommandRequest
from app.commands.rules import judge_request
from app.errors import InvalidInput
from app.settings import Settings
from tests.support.protocol import OCPP16

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(credential_pepper="pepper")
TIME = "2026-05-04T12:00:00Z"
FIRMWARE = {"retrieveDateTime": TIME, "signingCertificate": "c", "signature": "s"}


def payload_of(action: str, location: str) -> str:
    payloads: dict[str, dict[str, Any]] = {
        "GetDiagnostics": {"location": location},
        "UpdateFirmware": {"location": location, "retrieveDate": TIME},
        "GetLog": {"log": {"remoteLocation": location}, "logType": "SecurityLog", "requestId": 1},
        "SignedUpdateFirmware": {"requestId": 1, "firmware": {"location": location, **FIRMWARE}},
    }
    return json.dumps(payloads[action])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("action", PLACES)
def test_a_url_of_an_allowed_scheme_is_sent(action: str, scheme: str) -> None:
    payload = payload_of(action, f"{scheme.upper()}://files.example.com/a")
    assert (
        judge_request(CommandRequest("cp", action, payload, "test"), OCPP16, SETTINGS).payload_text == payload
    )


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "tftp://10.0.0.1/a",
        "ftp:hunter2",
        "hunter2",
        "//host/hunter2",
        "http://[::1",
        "http://host/hunter2\r\nX: y",
        "http://host/hunter2 a",
        "http:///hunter2",
        "http://host:hunter2/",
        "http://host\\@other/hunter2",
    ],
)
@pytest.mark.parametrize(("action", "place"), PLACES.items())
def test_another_text_is_refused_at_its_place(action: str, place: tuple[str, ...], location: str) -> None:
    request = CommandRequest("cp", action, payload_of(action, location), "test")
    with pytest.raises(InvalidInput) as refused:
        judge_request(request, OCPP16, SETTINGS)
    assert refused.value.violations[0].pointer == "/" + "/".join(place)
    assert "hunter2" not in str(refused.value.violations)


def test_each_url_of_the_protocol_is_known() -> None:
    definitions = (ROOT / "core_rs/ocpp/definitions/v16").glob("*.toml")
    found = [re.findall(r'(\w+) = \{ type = "anyURI"', path.read_text()) for path in definitions]
    assert sorted(chain(*found)) == sorted(place[-1] for place in PLACES.values())
