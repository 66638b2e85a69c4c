"""Translates one payload of OCPP 1.6 to the messages of OCPP 2.0.1 that say the same, with a report."""

from datetime import datetime

from app.catalog.definition import Way
from app.migration.records import Mapping16To201
from app.migration.rules import from_central_system, from_charge_point
from app.migration.rules.draft import Draft, Payload, Translator

_TRANSLATORS: dict[Way, dict[str, Translator]] = {
    "request": {**from_charge_point.REQUESTS, **from_central_system.REQUESTS},
    "response": {**from_charge_point.RESPONSES, **from_central_system.RESPONSES},
}


def translate(mapping: Mapping16To201, action: str, way: Way, payload: Payload, now: datetime) -> Draft:
    """Translate a payload that is valid in 1.6.

    Args:
        mapping: from 1.6 to 2.0.1.
        action: of 1.6; known.
        way: whether it is a request or a response.
        payload: as the definition of 1.6 has it; repaired if it deviated.
        now: the time for fields that need one and have none; aware.
    """
    draft = Draft(mapping, now)
    _TRANSLATORS[way][action](draft, payload)
    return draft
