"""Meter values of 1.6 as those of 2.0.1: numbers instead of texts, units and signed data in objects."""

from typing import Any

from app.migration.rules.draft import Draft, Payload, given, number_of

REGISTER = "Energy.Active.Import.Register"

_UNITS = {"Celcius": "Celsius"}
_SIGNED_DATA_LIMIT = 2500
"""Most characters of signedMeterData."""


def meter_values(draft: Draft, found: list[Payload], pointer: str, target: str) -> list[Payload]:
    """Translate meter values. Those of which nothing is left are lost.

    Args:
        draft: the translation.
        found: the meter values of 1.6.
        pointer: to the list, in the payload of 1.6.
        target: pointer to the list in the next message.
    """
    translated: list[Payload] = []
    for place, value in enumerate(found):
        samples: list[Payload] = []
        for number, sample in enumerate(value["sampledValue"]):
            here = f"{target}/{len(translated)}/sampledValue/{len(samples)}"
            made = _sample(draft, sample, f"{pointer}/{place}/sampledValue/{number}", here)
            if made is not None:
                samples.append(made)
        if samples:
            translated.append({"timestamp": value["timestamp"], "sampledValue": samples})
        else:
            draft.lose(f"{pointer}/{place}", "No reading of it has a counterpart.")
    return translated


def register(value_wh: int, timestamp: str, context: str) -> Payload:
    """Return the meter value of a register in Wh."""
    return {
        "timestamp": timestamp,
        "sampledValue": [
            {"value": value_wh, "context": context, "measurand": REGISTER, "unitOfMeasure": {"unit": "Wh"}}
        ],
    }


def _sample(draft: Draft, sample: Payload, pointer: str, target: str) -> Payload | None:
    measurand = sample.get("measurand")
    if measurand is not None:
        measurand = draft.value("Measurand", measurand, f"{pointer}/measurand")
        if measurand is None:
            return None
    reading = _reading(draft, sample, pointer, target)
    if reading is None:
        return None
    unit = sample.get("unit")
    return given(
        {
            **reading,
            "context": sample.get("context"),
            "measurand": measurand,
            "phase": sample.get("phase"),
            "location": sample.get("location"),
            "unitOfMeasure": None if unit is None else {"unit": _UNITS.get(unit, unit)},
        }
    )


def _reading(draft: Draft, sample: Payload, pointer: str, target: str) -> dict[str, Any] | None:
    text = sample["value"]
    if sample.get("format") == "SignedData":
        if len(text) > _SIGNED_DATA_LIMIT:
            draft.lose(f"{pointer}/value", f"Signed data of more than {_SIGNED_DATA_LIMIT} characters.")
            return None
        return _signed(draft, text, target)
    number = number_of(text)
    if number is None:
        draft.lose(f"{pointer}/value", "It is not a number, and 2.0.1 has only numbers.")
        return None
    return {"value": number}


def _signed(draft: Draft, data: str, target: str) -> dict[str, Any]:
    signed = f"{target}/signedMeterValue"
    unknown = "1.6 does not say it; the meter's documentation does."
    return {
        "value": draft.invent(f"{target}/value", 0, "The reading is inside the signed data."),
        "signedMeterValue": {
            "signedMeterData": data,
            "signingMethod": draft.invent(f"{signed}/signingMethod", "", unknown),
            "encodingMethod": draft.invent(f"{signed}/encodingMethod", "", unknown),
            "publicKey": draft.invent(f"{signed}/publicKey", "", unknown),
        },
    }
