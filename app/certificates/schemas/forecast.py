"""Shapes of the forecast."""

from datetime import date
from typing import Annotated, ClassVar, Final

from pydantic import Field

from app.certificates.rules.forecast_values import CureKind, Reason
from app.certificates.schemas.common import EXAMPLE_PEM, Pem
from app.web.inputs import Input, Time
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource

CHAINS_LIMIT: Final = 4
CHANGES_LIMIT: Final = 4

_CHAINS = "Chains of the server in PEM, the leaf first: one for each kind of key."


class ForecastCure(Resource):
    """An act that keeps a charge point connected, if it is done before a time."""

    kind: CureKind
    before: Instant
    certificate: str | None = Field(description="SHA-256 of the certificate that it is about.")
    subject: str | None

    example: ClassVar[Json] = {
        "kind": "install_root",
        "before": EXAMPLE_TIME,
        "certificate": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "subject": "CN=Acme Root 2,O=Acme Charging",
    }


class ForecastFailure(Resource):
    """A time in which a charge point does not connect, or may not."""

    charge_point: str
    reason: Reason
    at: Instant
    until: Instant | None = Field(description="null: to the end of the forecast.")
    is_certain: bool = Field(
        description="False: another chain of the server works, or an unknown root may verify it."
    )
    chain: str | None = Field(description="The chain of the server that is not verified.")
    certificate: str | None = Field(description="SHA-256 of the certificate that is not valid.")
    cures: list[ForecastCure]

    example: ClassVar[Json] = {
        "charge_point": "RDAM-0123",
        "reason": "root_not_installed",
        "at": EXAMPLE_TIME,
        "until": None,
        "is_certain": True,
        "chain": "ecdsa.pem",
        "certificate": None,
        "cures": [ForecastCure.example],
    }


class ForecastDay(Resource):
    """The failures that begin on a day of UTC."""

    day: date
    failures: list[ForecastFailure]

    example: ClassVar[Json] = {"day": "2026-05-04", "failures": [ForecastFailure.example]}


class ForecastChain(Resource):
    """A chain that the server sends."""

    name: str
    subject: str
    not_after: Instant = Field(description="The earliest end of its certificates.")

    example: ClassVar[Json] = {
        "name": "ecdsa.pem",
        "subject": "CN=charging.example.com",
        "not_after": EXAMPLE_TIME,
    }


class CertificateForecast(Resource):
    """Which charge points will not connect on which day."""

    begin: Instant
    until: Instant
    server_chains: list[ForecastChain] = Field(
        description="What the server sends now. Empty: it is not known, so only client certificates are seen."
    )
    failing: int = Field(description="Charge points with a failure.")
    is_truncated: bool = Field(description="True: there are more failures than are shown.")
    days: list[ForecastDay]
    unknown: int = Field(description="Charge points about whose roots nothing is known. They may fail, too.")
    unknown_charge_points: list[str] = Field(description="The first of them.")

    example: ClassVar[Json] = {
        "begin": EXAMPLE_TIME,
        "until": "2026-08-02T08:15:30.000Z",
        "server_chains": [ForecastChain.example],
        "failing": 1,
        "is_truncated": False,
        "days": [ForecastDay.example],
        "unknown": 1,
        "unknown_charge_points": ["RDAM-0124"],
    }


class PlannedChangeInput(Input):
    """A planned change of the certificates of the server."""

    at: Time
    server_chains: Annotated[list[Pem], Field(min_length=1, max_length=CHAINS_LIMIT, description=_CHAINS)]

    example: ClassVar[Json] = {"at": EXAMPLE_TIME, "server_chains": [EXAMPLE_PEM]}


class ForecastPost(Input):
    """A question about changes of the certificates of the server."""

    until: Annotated[Time | None, Field(description="Default: 90 days from now.")] = None
    server_chains: Annotated[
        list[Pem] | None,
        Field(max_length=CHAINS_LIMIT, description=f"{_CHAINS} Default: those of the settings."),
    ] = None
    planned_changes: Annotated[
        list[PlannedChangeInput], Field(default_factory=list, max_length=CHANGES_LIMIT)
    ]

    example: ClassVar[Json] = {
        "server_chains": [EXAMPLE_PEM],
        "planned_changes": [PlannedChangeInput.example],
    }
