"""The mapping from OCPP 1.6 to OCPP 2.0.1 as typed values, as the files in `data` state it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Confidence = Annotated[
    Literal["read", "decided", "recalled"],
    Field(
        description="read: a source states it. decided: our decision. recalled: from memory; confirm it "
        "before you rely on it."
    ),
]


class Mapped(BaseModel):
    """Base of everything that is read from a file of the mapping. A misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Counterpart(Mapped):
    """One field or value of 1.6, and its counterparts."""

    to: Annotated[
        tuple[str, ...],
        Field(
            description="Path of the field, or the value. A name and a slash in front: of another message "
            "or type than the first. Empty: it has no counterpart."
        ),
    ]
    note: str = ""


class MessageMapping(Mapped):
    """A message of 1.6 and the messages of 2.0.1 that say the same."""

    to: Annotated[tuple[str, ...], Field(min_length=1)]
    confidence: Confidence
    lost: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()
    state: Annotated[tuple[str, ...], Field(description="What is needed and not in the frame.")] = ()
    gained: Annotated[tuple[str, ...], Field(description="What becomes possible.")] = ()
    request: dict[str, Counterpart] = {}
    response: dict[str, Counterpart] = {}


class ObjectMapping(Mapped):
    """An object type of 1.6 and its counterpart, field by field."""

    to: str
    fields: dict[str, Counterpart]


class EnumerationMapping(Mapped):
    """An enumeration of 1.6 and its counterpart, value by value. Without `to`: it has none."""

    to: str | None = None
    confidence: Confidence
    values: dict[str, Counterpart]


class VariableTarget(Mapped):
    """A variable of the device model of 2.0.1."""

    component: str
    variable: str
    instance: str | None = None
    attribute: Annotated[
        Literal["Actual", "maxLimit"],
        Field(description="Actual: the value. maxLimit: the greatest value, which only a report has."),
    ] = "Actual"


class KeyMapping(Mapped):
    """A configuration key of 1.6 and its variables."""

    to: tuple[VariableTarget, ...]
    confidence: Confidence = "read"
    note: str = ""


class FaultMapping(Mapped):
    """A fault code of 1.6 and the component and variable of its event."""

    component: str | None = None
    variable: str | None = None
    confidence: Confidence = "decided"
    note: str = ""


class ComponentNames(Mapped):
    """The variables of a component. known: no document that was read lists them."""

    variables: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


class Driver(Mapped):
    """Why a fleet moves, or a theme of the move: what 1.6 has, and what only 2.0.1 has."""

    name: str
    in_16: Annotated[str, Field(description="What OCPP 1.6J reaches already.")]
    only_201: Annotated[str, Field(description="What only OCPP 2.0.1 has.")]
    confidence: Confidence


class Choice(Mapped):
    """A variable that 2.0.1 requires and that no key of 1.6 gives."""

    component: str
    variable: str
    advice: str
    confidence: Confidence


class Overview(Mapped):
    """The drivers of the move, its themes, and the choices that it asks for."""

    drivers_text: str
    drivers: tuple[Driver, ...]
    themes: tuple[Driver, ...]
    choices: tuple[Choice, ...]


class Mapping16To201(Mapped):
    """The whole mapping."""

    overview: Overview
    messages: dict[str, MessageMapping]
    types: dict[str, ObjectMapping]
    enumerations: dict[str, EnumerationMapping]
    configuration_keys: dict[str, KeyMapping]
    faults: dict[str, FaultMapping]
    error_codes: dict[str, str]
    security_events: dict[str, str]
    components: dict[str, ComponentNames]
