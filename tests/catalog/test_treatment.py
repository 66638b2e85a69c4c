"""The catalog says of this server what its handlers and effects do, and each fact has a source."""

from typing import Any

import pytest

from app.composition import command_effects
from app.ocpp import messages_of
from app.settings import Settings
from tests.support.protocol import MESSAGES, OCPP16, PROTOCOL
from tests.support.session_harness import FakeStorage, ManualClock, handlers_of, record_handlers_of

FROM_CHARGE_POINTS = {message["action"]: message for message in messages_of(OCPP16, "charge_point")}
LIMITS = ("maxLength", "minimum", "maximum", "multipleOf", "maxItems")
NO_EFFECT = "Sent as it is given. The answer is kept with the command."


def treatment(action: str) -> str:
    text: str = MESSAGES[action]["centralSystem"]["treatment"]
    return text


def test_every_message_of_charge_points_has_a_handler_of_the_kind_that_the_catalog_names() -> None:
    storage, clock = FakeStorage(), ManualClock()
    recorded = {action for action in FROM_CHARGE_POINTS if treatment(action) == "recorded"}
    assert recorded == record_handlers_of(storage, clock).keys()
    handled = {action for action in FROM_CHARGE_POINTS if treatment(action) in ("stored", "answered")}
    assert handled == handlers_of(storage, clock).keys()


@pytest.mark.parametrize("action", sorted(MESSAGES))
def test_a_command_whose_end_changes_rows_says_so(action: str) -> None:
    has_effects = action in command_effects(Settings(credential_pepper="pepper")).triggers
    says_so = MESSAGES[action]["centralSystem"]["effect"] != NO_EFFECT
    assert says_so or not has_effects, action


def test_billing_messages_and_security_events_keep_their_answers() -> None:
    kept = {action for action, message in MESSAGES.items() if message["answerKept"]}
    assert kept == {"StartTransaction", "StopTransaction", "MeterValues", "SecurityEventNotification"}


def test_every_fact_names_document_edition_and_section_or_erratum() -> None:
    facts: list[dict[str, Any]] = [
        *PROTOCOL["messages"],
        *PROTOCOL["types"].values(),
        *PROTOCOL["errorCodes"],
        *PROTOCOL["configurationKeys"],
        *PROTOCOL["securityEvents"],
    ]
    for message in PROTOCOL["messages"]:
        facts += [field for side in ("request", "response") for field in _limited(message[side]["fields"])]
    for named in PROTOCOL["types"].values():
        facts += _limited(named.get("fields") or [])
    documents = {document["name"]: document for document in PROTOCOL["documents"]}
    assert {document["corrects"] for document in documents.values()} == {None, "C", "J"}
    for fact in facts:
        assert fact["sources"], fact
        for source in fact["sources"]:
            document = documents[source["document"]]
            assert (source["title"], source["edition"]) == (document["title"], document["edition"])
            assert ("erratum" in source) == (document["corrects"] is not None), fact
            assert source.get("section") or source.get("erratum"), fact


def _limited(fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the fields that set a limit which their type does not have."""
    return [
        field
        for field in fields
        if field["type"] not in PROTOCOL["types"] and any(name in field for name in LIMITS)
    ]


# field, type, length: as edition 3 of the whitepaper has them.
EDITION_3 = [
    ("CertificateHashDataType", "issuerNameHash", "CiString128Type", 128),
    ("CertificateHashDataType", "issuerKeyHash", "CiString128Type", 128),
    ("CertificateHashDataType", "serialNumber", "CiString40Type", 40),
    ("FirmwareType", "location", "anyURI", 512),
    ("FirmwareType", "signingCertificate", "string", 5500),
    ("FirmwareType", "signature", "string", 800),
    ("LogParametersType", "remoteLocation", "anyURI", 512),
    ("CertificateSigned", "certificateChain", "string", 10000),
    ("InstallCertificate", "certificate", "string", 5500),
    ("SignCertificate", "csr", "string", 5500),
    ("SecurityEventNotification", "type", "string", 50),
    ("SecurityEventNotification", "techInfo", "string", 255),
]


@pytest.mark.parametrize(("owner", "name", "type_name", "length"), EDITION_3)
def test_the_limits_are_those_of_edition_3(owner: str, name: str, type_name: str, length: int) -> None:
    named = PROTOCOL["types"].get(owner)
    fields = named["fields"] if named is not None else MESSAGES[owner]["request"]["fields"]
    (field,) = [field for field in fields if field["name"] == name]
    assert (field["type"], field["maxLength"]) == (type_name, length)
    sources = field.get("sources") or PROTOCOL["types"][field["type"]]["sources"]
    assert [(source["document"], source["edition"]) for source in sources] == [("S", "edition 3")]


ENUMS = {
    "CertificateUseEnumType": ("6.4", 2),
    "DeleteCertificateStatusEnumType": ("6.7", 3),
    "FirmwareStatusEnumType": ("6.8", 14),
    "GenericStatusEnumType": ("6.10", 2),
    "HashAlgorithmEnumType": ("6.12", 3),
    "LogEnumType": ("6.13", 2),
    "LogStatusEnumType": ("6.15", 3),
    "MessageTriggerEnumType": ("6.16", 7),
    "TriggerMessageStatusEnumType": ("6.17", 3),
    "UpdateFirmwareStatusEnumType": ("6.18", 5),
    "UploadLogStatusEnumType": ("6.19", 7),
}


@pytest.mark.parametrize("name", ENUMS)
def test_the_enumerations_are_those_of_edition_3(name: str) -> None:
    found = PROTOCOL["types"][name]
    assert (found["sources"][0]["section"], len(found["values"])) == ENUMS[name]


def test_the_keys_of_the_security_extension_are_those_of_edition_3() -> None:
    keys = {key["name"]: key for key in PROTOCOL["configurationKeys"] if key["profile"] == "security"}
    assert {
        name: (key["access"], key["type"], key["sources"][0]["section"]) for name, key in keys.items()
    } == {
        "AdditionalRootCertificateCheck": ("R", "boolean", "7.1"),
        "AuthorizationKey": ("W", "string", "7.2"),
        "CertificateSignedMaxChainSize": ("R", "integer", "7.3"),
        "CertificateStoreMaxLength": ("R", "integer", "7.4"),
        "CpoName": ("RW", "string", "7.5"),
        "SecurityProfile": ("RW", "integer", "7.6"),
    }
