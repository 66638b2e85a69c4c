"""The mapping from 1.6 to 2.0.1 is complete, and names only what the definitions have."""

import pytest

from app.catalog.definition import Definition
from app.migration.mapping import faults_of, load_mapping
from app.migration.records import Mapping16To201
from tests.support.protocol import OCPP16, OCPP201

OLD = Definition.read(OCPP16.describe())
NEW = Definition.read(OCPP201.describe())
MAPPING = load_mapping()
KEYS_OF_PLUG_AND_CHARGE = {
    "ISO15118PnCEnabled",
    "CentralContractValidationAllowed",
    "ContractValidationOffline",
    "CertSigningWaitMinimum",
    "CertSigningRepeatTimes",
}


def test_everything_of_the_old_version_has_a_row_and_every_target_exists() -> None:
    assert faults_of(MAPPING, OLD, NEW) == []
    keys = MAPPING.configuration_keys.keys() - {key.name for key in OLD.configuration_keys}
    assert keys == KEYS_OF_PLUG_AND_CHARGE


def test_what_has_no_counterpart_says_why() -> None:
    rows = [
        *(row for it in MAPPING.messages.values() for row in (*it.request.values(), *it.response.values())),
        *(row for it in MAPPING.types.values() for row in it.fields.values()),
        *(row for it in MAPPING.enumerations.values() for row in it.values.values()),
    ]
    assert [row for row in rows if not row.to and not row.note] == []
    assert [name for name, key in MAPPING.configuration_keys.items() if not key.to and not key.note] == []


def test_the_three_drivers_come_first_in_the_words_of_the_owner() -> None:
    words = "ISO 15118 PnC bridge, Security Profile 3 mandate, and device management gaps"
    assert MAPPING.overview.drivers_text == words
    assert ", ".join(
        driver.name for driver in MAPPING.overview.drivers
    ).casefold() == words.casefold().replace("and ", "")


def changed(part: str, change: dict[str, object]) -> Mapping16To201:
    content = MAPPING.model_dump()
    content[part] |= change
    return Mapping16To201.model_validate(content)


@pytest.mark.parametrize(
    ("part", "change", "fault"),
    [
        ("messages", {"Heartbeat": {"to": ["Beat"], "confidence": "read"}}, "Heartbeat: no message Beat"),
        (
            "messages",
            {"Heartbeat": {"to": ["Heartbeat"], "confidence": "read"}},
            "Heartbeat response: no row for currentTime",
        ),
        (
            "types",
            {"LogParametersType": {"to": "LogParametersType", "fields": {}}},
            "LogParametersType: no row for remoteLocation",
        ),
        (
            "enumerations",
            {"ResetType": {"to": "ResetEnumType", "confidence": "read", "values": {"Hard": {"to": ["Now"]}}}},
            "ResetType: ResetEnumType has no Now",
        ),
        (
            "configuration_keys",
            {"CpoName": {"to": [{"component": "SecurityCtrlr", "variable": "Cpo"}]}},
            "CpoName: no variable SecurityCtrlr.Cpo",
        ),
        ("error_codes", {"GenericError": "Oops"}, "no error code Oops"),
    ],
    ids=["message", "field", "type", "value", "variable", "code"],
)
def test_a_wrong_mapping_is_found(part: str, change: dict[str, object], fault: str) -> None:
    assert fault in faults_of(changed(part, change), OLD, NEW)
