"""The values of a forecast: certificates with their dates, charge points, and the times of failures."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, NamedTuple

Reason = Literal[
    "server_certificate_expired",
    "server_certificate_not_yet_valid",
    "root_not_installed",
    "root_expired",
    "root_not_yet_valid",
    "client_certificate_expired",
    "client_certificate_not_yet_valid",
]
"""Why a charge point does not connect."""

CureKind = Literal[
    "install_root",
    "replace_root",
    "renew_server_certificate",
    "serve_chain_of_installed_root",
    "renew_client_certificate",
    "wait_until_valid",
]

_WITH_TLS: Final = 2
_WITH_CERTIFICATE: Final = 3


@dataclass(frozen=True, slots=True)
class Dated:
    """A certificate as the forecast sees it. fingerprint: its SHA-256.

    key: digest of its public key, which cross-signed certificates of one authority share. signed_by: digest
    of the key that signed it, None: not among the known ones. is_authority: whether it may sign others.
    """

    fingerprint: str
    subject: str
    issuer: str
    key: str
    signed_by: str | None
    not_before: datetime
    not_after: datetime
    is_authority: bool = True

    @property
    def signs_itself(self) -> bool:
        """Tell whether its own key signed it."""
        return self.signed_by == self.key


@dataclass(frozen=True, slots=True)
class ServerChain:
    """A chain that the server sends: the leaf first. name: for people."""

    name: str
    certificates: tuple[Dated, ...]


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """From a time on the server sends other chains."""

    at: datetime
    chains: tuple[ServerChain, ...]


@dataclass(frozen=True, slots=True)
class ForecastPoint:
    """A charge point.

    roots: the installed central system roots whose text is known; None: they were never reported.
    unknown_roots: how many are only known by their hashes. client_certificates: those that it may use; it
    uses one that is valid; empty: it needs none. checks_additional_root: AdditionalRootCertificateCheck: a
    new root must be signed by the installed one, and a root that did not sign itself is trusted. profile: the
    security profile of its newest login: with 0 or 1 it uses no TLS, and with 2 no certificate of its own;
    None: it is not known, so that all matters.
    """

    identity: str
    roots: tuple[Dated, ...] | None
    unknown_roots: int = 0
    client_certificates: tuple[Dated, ...] = ()
    checks_additional_root: bool = False
    profile: int | None = None

    @property
    def uses_tls(self) -> bool:
        """Tell whether it may look at the certificate of the server."""
        return self.profile is None or self.profile >= _WITH_TLS

    @property
    def uses_certificate(self) -> bool:
        """Tell whether it may log in by a certificate of its own."""
        return self.profile is None or self.profile >= _WITH_CERTIFICATE


class Cure(NamedTuple):
    """An act that keeps a charge point connected, if it is done before a time. certificate: fingerprint."""

    kind: CureKind
    before: datetime
    certificate: str | None = None
    subject: str | None = None


class ConnectFailure(NamedTuple):
    """A time in which a charge point does not connect, or may not.

    until: None: to the end of the forecast. is_certain: False if another chain of the server still works, or
    if an unknown root may verify it.
    """

    identity: str
    reason: Reason
    at: datetime
    until: datetime | None
    is_certain: bool
    chain: str | None
    certificate: str | None
    cures: tuple[Cure, ...]


class FailureDay(NamedTuple):
    """The failures that begin on a day of UTC."""

    day: date
    failures: tuple[ConnectFailure, ...]


class Forecast(NamedTuple):
    """The days with failures, and the charge points about whose roots nothing is known."""

    days: tuple[FailureDay, ...]
    unknown: tuple[str, ...]
