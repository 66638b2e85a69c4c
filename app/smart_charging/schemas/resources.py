"""What smart charging answers: one frozen model for each resource."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from app.commands.records import CommandState
from app.commands.schemas import Command
from app.web.resources import Instant, Json, Resource


class ChargingProfile(Resource):
    """A stored charging profile. Its `id` is the chargingProfileId on the wire, and is never given again."""

    id: int
    description: str
    charging_profile: Json | None = Field(description="As it was given; null when it is a calendar.")
    calendar: Json | None = Field(description="As it was given; null when it is an OCPP profile.")
    profiles: list[Json] = Field(
        description="What is installed now: OCPP profiles; of a calendar compiled for the present offset of "
        "its zone, each with a number and a stack level of its own."
    )
    next_clock_change: Instant | None = Field(
        description="When a calendar must be installed anew, which happens by itself."
    )
    created_at: Instant
    updated_at: Instant


CHARGING_PROFILE_LIVE_FIELDS = frozenset({"profiles", "next_clock_change"})
"""What changes with the time alone: outside If-Match."""


class ProfileInstallation(Resource):
    """A charge point that has, or may have, a stored profile."""

    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    connector_id: int
    transaction_id: int | None = Field(description="The transaction of a TxProfile.")
    requested_at: Instant
    refresh_at: Instant | None = Field(description="When it is looked at again; null: when it changes.")


class ProfileCommands(Resource):
    """The commands of a request about charging profiles, in the order of sending."""

    commands: list[Command]


class InstalledProfile(Resource):
    """A charging profile as the ledger knows it."""

    charging_profile_id: int
    connector_id: int | None = Field(description="null: a remote start has not found its connector yet.")
    state: Literal["accepted", "unconfirmed", "rejected", "not_supported"] = Field(
        description="`accepted`: it is on the charge point. `unconfirmed`: it may be, or not. The others are "
        "not, and limit nothing."
    )
    waiting: bool = Field(description="Its transaction has not begun.")
    profile: Json
    reason: str | None = Field(description="Code of the CALLERROR it was refused with.")
    command_id: UUID = Field(description="The newest command that carried it.")


class InstalledProfiles(Resource):
    """The ledger of a charge point, from what it accepted: OCPP 1.6 cannot read profiles back."""

    certain: bool = Field(
        description="False: an answer is missing, and limits count as the highest possible."
    )
    items: list[InstalledProfile]


class ReportedSchedule(Resource):
    """What the charge point says itself (GetCompositeSchedule, OCPP 1.6 5.7), or why it says nothing."""

    command_id: UUID
    state: CommandState = Field(description="Of the command: `timed_out`, `offline`, ...")
    status: str | None = Field(description="`Accepted` or `Rejected`; null: no answer.")
    schedule: Json | None = Field(description="The chargingSchedule as it came.")


class ScheduleDeparture(Resource):
    """A stretch in which the two say different things. A limit is null where there is none."""

    start: Instant
    end: Instant
    ours: float | None
    reported: float | None
    difference: float | None = Field(description="reported - ours; null without both.")


class ScheduleDrift(Resource):
    """Where the charge point's schedule departs from ours, in its unit and from its start on."""

    agrees: bool
    charging_rate_unit: Literal["A", "W"]
    departures: list[ScheduleDeparture]


class ConnectorSchedule(Resource):
    """The limits of a connector over time, from the ledger, beside what the charge point says of them."""

    charge_point: str
    connector_id: int
    certain: bool = Field(description="As in the ledger: False when an answer is missing.")
    ours: Json = Field(
        description="scheduleStart, duration, chargingRateUnit and chargingSchedulePeriod with the source of "
        "each limit and the profiles it beats; a limit is null where nothing limits."
    )
    reported: ReportedSchedule | None = Field(description="null: it was not asked.")
    drift: ScheduleDrift | None = Field(
        description="null: there is nothing to compare, as without an answer, in a unit that nobody knows, "
        "for no duration, or in amperes beside watts of direct current."
    )
