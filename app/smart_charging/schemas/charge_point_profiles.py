"""Shapes of charging profiles on a charge point: how to put them there, and what is there."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from app.audit.schemas import Reason
from app.commands.schemas import Command
from app.smart_charging.schemas.charging_profiles import EXAMPLE_PROFILE
from app.web.inputs import INTEGER_MAXIMUM, Input
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource

ChargingProfileNumber = Annotated[int, Field(ge=1, le=INTEGER_MAXIMUM)]


class ConversionInput(Input):
    """Permission to convert amperes to watts or back if the charge point takes only the other unit (7.12)."""

    nominal_voltage: Annotated[int, Field(ge=50, le=1000, description="Volts between line and neutral.")] = (
        230
    )
    supply: Annotated[
        Literal["AC", "DC"], Field(description="AC: limits can be converted. DC: they cannot.")
    ] = "AC"


class ProfileInstallationCreate(Input):
    """The installation of a stored profile on a connector."""

    charging_profile_id: ChargingProfileNumber
    conversion: Annotated[ConversionInput | None, Field(description="null: never change the unit.")] = None

    example: ClassVar[Json] = {"charging_profile_id": 1}


class ProfileCommands(Resource):
    """The commands of a request about charging profiles, in the order of sending."""

    commands: list[Command]

    example: ClassVar[Json] = {
        "commands": [
            {
                **Command.example,
                "action": "SetChargingProfile",
                "payload": {"connectorId": 1, "csChargingProfiles": EXAMPLE_PROFILE},
            }
        ]
    }


class InstalledProfile(Resource):
    """A charging profile in the ledger of a charge point."""

    charging_profile_id: int
    connector_id: int | None = Field(description="null: a remote start has no connector yet.")
    state: Literal["accepted", "unconfirmed", "rejected", "not_supported"] = Field(
        description="`accepted`: it is on the charge point. `unconfirmed`: it may be there. In the other "
        "states it is not there, and limits nothing."
    )
    waiting: bool = Field(description="True: the profile waits for its transaction, which has not begun.")
    profile: Json
    reason: str | None = Field(
        description="Code of the CALLERROR that refused the profile, or `settled_by_operator`."
    )
    command_id: UUID = Field(description="The newest command that carried the profile.")

    example: ClassVar[Json] = {
        "charging_profile_id": 1,
        "connector_id": 1,
        "state": "accepted",
        "waiting": False,
        "profile": EXAMPLE_PROFILE,
        "reason": None,
        "command_id": Command.example["id"],
    }


class DoubtfulCommand(Resource):
    """A command that may have been carried out or not, so that the ledger has several possible states."""

    command_id: UUID
    sent_at: Instant
    doubt: Literal["unconfirmed", "unknown"] = Field(
        description="`unconfirmed`: there is no answer, or one that cannot be read. `unknown`: the charge "
        "point says that it has nothing to clear, but it had accepted such a profile."
    )
    charging_profile_id: int | None = Field(description="The profile that it carries; null: it clears.")
    clears: Json | None = Field(description="The filters of a ClearChargingProfile.")

    example: ClassVar[Json] = {
        "command_id": Command.example["id"],
        "sent_at": EXAMPLE_TIME,
        "doubt": "unknown",
        "charging_profile_id": None,
        "clears": {"id": 1},
    }


class InstalledProfiles(Resource):
    """The ledger of a charge point: what it accepted. OCPP 1.6 cannot read profiles back."""

    certain: bool = Field(description="false: an answer is missing, so the highest possible limits count.")
    items: list[InstalledProfile]
    in_doubt: list[DoubtfulCommand] = Field(
        description="What leaves the doubt. A late answer ends it, another certain command, or an operator."
    )

    example: ClassVar[Json] = {
        "certain": False,
        "items": [InstalledProfile.example],
        "in_doubt": [DoubtfulCommand.example],
    }


class SettlementCreate(Input):
    """The word of an operator on a command in doubt, and how that is known."""

    command_id: UUID
    carried_out: bool = Field(description="Whether the charge point has done what the command asks.")
    reason: Reason

    example: ClassVar[Json] = {
        "command_id": Command.example["id"],
        "carried_out": True,
        "reason": "Read on the display of the charge point.",
    }
