"""The use case of the forecast: gathers chains, roots and certificates, and has the rules look at them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509

from app.certificates.records import (
    CENTRAL_SYSTEM_ROOT,
    CertificateRecord,
    InstalledRecord,
    KnownCertificate,
)
from app.certificates.rules.forecast import forecast
from app.certificates.rules.forecast_values import Dated, Forecast, ForecastPoint, PlannedChange, ServerChain
from app.certificates.rules.hash_data import find_known, folded
from app.certificates.rules.pem import (
    certificates_of,
    fingerprint_of,
    is_authority,
    is_issued_by,
    key_digest,
    one_certificate,
)
from app.certificates.service.authorities import checked
from app.certificates.store.certificates import CertificateStore
from app.certificates.store.installed import InstalledStore
from app.charge_points.records import KnownLogin
from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.computation import compute
from app.configuration.store import ConfigurationStore
from app.database.database import Database
from app.errors import Unavailable
from app.types import TenantId

_FILE_LIMIT: Final = 65_536
_CERTIFICATE: Final = re.compile("-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_ADDITIONAL_CHECK: Final = "AdditionalRootCertificateCheck"


class ChainText(NamedTuple):
    """A chain of the server in PEM. name: for people."""

    name: str
    text: str


class PlannedChains(NamedTuple):
    """From a time on the server sends these chains."""

    at: datetime
    chains: tuple[ChainText, ...]


class ForecastInput(NamedTuple):
    """The question. chains None: those of the settings. planned_change: when those of the settings change."""

    until: datetime
    chains: tuple[ChainText, ...] | None = None
    planned: tuple[PlannedChains, ...] = ()
    planned_change: datetime | None = None


class ForecastResult(NamedTuple):
    """The forecast, and what it is based on."""

    begin: datetime
    until: datetime
    chains: tuple[ServerChain, ...]
    forecast: Forecast


class _Facts(NamedTuple):
    logins: Mapping[int, KnownLogin]
    installed: Sequence[InstalledRecord]
    reported: frozenset[int]
    known: Sequence[KnownCertificate]
    accepted: Sequence[CertificateRecord]
    checking: frozenset[int]


@dataclass(frozen=True, slots=True)
class ForecastService:
    """The use case of the forecast. files: PEM chains that the server sends, and those that it will send."""

    database: Database
    clock: Clock
    files: tuple[Path, ...]
    planned_files: tuple[Path, ...]

    async def forecast(self, tenant_id: TenantId, asked: ForecastInput) -> ForecastResult:
        """Return when charge points of a tenant will not connect.

        Raises:
            InvalidInput: a chain is not PEM.
            Unavailable: a file of the server cannot be read.
        """
        now = self.clock.now()
        chains = asked.chains
        if chains is None:
            chains = await compute(tenant_id, lambda: _read(self.files))
        planned = list(asked.planned)
        if asked.planned_change is not None:
            later = await compute(tenant_id, lambda: _read(self.planned_files))
            planned.append(PlannedChains(asked.planned_change, later))
        parsed = await _parsed(tenant_id, chains, "/server_chains")
        parsed_later = [
            await _parsed(tenant_id, change.chains, f"/planned_changes/{number}/server_chains")
            for number, change in enumerate(planned)
        ]
        facts = await self._facts(tenant_id)

        def look() -> ForecastResult:
            roots = [one_certificate(known.certificate) for known in facts.known]
            all_chains = [*parsed, *(chain for later in parsed_later for chain in later)]
            pool = [*roots, *(one for _, certificates in all_chains for one in certificates)]
            dated = _dated(pool)
            server = _server_chains(parsed, dated)
            changes = [
                PlannedChange(change.at, _server_chains(later, dated))
                for change, later in zip(planned, parsed_later, strict=True)
            ]
            available = [dated[known.fingerprint] for known in facts.known]
            found = forecast(now, asked.until, server, _points(facts, dated), changes, available)
            return ForecastResult(now, asked.until, server, found)

        return await compute(tenant_id, look)

    async def _facts(self, tenant_id: TenantId) -> _Facts:
        async with self.database.tenant(tenant_id) as work:
            store = InstalledStore(work)
            checks = await ConfigurationStore(work).values_of(_ADDITIONAL_CHECK)
            reports = await store.reports(certificate_type=CENTRAL_SYSTEM_ROOT)
            return _Facts(
                logins=await ChargePointStore(work).logins(),
                installed=await store.of_tenant(CENTRAL_SYSTEM_ROOT),
                reported=frozenset(report.charge_point_id for report in reports),
                known=await store.known(),
                accepted=await CertificateStore(work).accepted(),
                checking=frozenset(point for point, value in checks.items() if value.lower() == "true"),
            )


_Chain = tuple[str, list[x509.Certificate]]


async def _parsed(tenant_id: TenantId, chains: Sequence[ChainText], pointer: str) -> list[_Chain]:
    found: list[_Chain] = []
    for number, chain in enumerate(chains):
        read = partial(certificates_of, chain.text, _FILE_LIMIT)
        certificates = await checked(tenant_id, read, f"{pointer}/{number}")
        found.append((chain.name, certificates))
    return found


def _read(files: Iterable[Path]) -> tuple[ChainText, ...]:
    try:
        return tuple(ChainText(path.name, _chain_of(path)) for path in files)
    except (OSError, ValueError):
        # The path is not for tenants.
        raise Unavailable("A certificate file of the server cannot be read.", "file_unreadable") from None


def _chain_of(path: Path) -> str:
    """Return the certificates of a file, which may hold the private key and text besides.

    Raises:
        ValueError: it holds none.
    """
    chain = "\n".join(_CERTIFICATE.findall(path.read_text("latin-1")))
    if not chain:
        raise ValueError("no certificate")
    return chain[: _FILE_LIMIT + 1]


def _dated(pool: Sequence[x509.Certificate]) -> dict[str, Dated]:
    """Return certificates by their fingerprints, with the keys that signed them if those are in the pool."""
    by_subject: dict[bytes, list[x509.Certificate]] = {}
    for certificate in pool:
        by_subject.setdefault(certificate.subject.public_bytes(), []).append(certificate)
    found: dict[str, Dated] = {}
    for certificate in pool:
        issuers = by_subject.get(certificate.issuer.public_bytes(), ())
        signer = next((one for one in issuers if is_issued_by(certificate, one)), None)
        fingerprint = fingerprint_of(certificate)
        found[fingerprint] = Dated(
            fingerprint=fingerprint,
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            key=key_digest(certificate),
            signed_by=None if signer is None else key_digest(signer),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            is_authority=is_authority(certificate),
        )
    return found


def _server_chains(chains: Sequence[_Chain], dated: Mapping[str, Dated]) -> tuple[ServerChain, ...]:
    return tuple(
        ServerChain(name, tuple(dated[fingerprint_of(one)] for one in certificates))
        for name, certificates in chains
    )


def _points(facts: _Facts, dated: Mapping[str, Dated]) -> list[ForecastPoint]:
    installed: dict[int, list[InstalledRecord]] = {}
    for record in facts.installed:
        if record.state in ("reported", "accepted"):
            installed.setdefault(record.charge_point_id, []).append(record)
    clients: dict[str, list[Dated]] = {}
    for one in facts.accepted:
        clients.setdefault(one.identity, []).append(_client(one))
    points = []
    find = _Texts(facts.known).of
    for charge_point_id, (identity, profile) in facts.logins.items():
        records = installed.get(charge_point_id, [])
        is_reported = charge_point_id in facts.reported
        known = [find(record) for record in records]
        # In one order, so that charge points with the same roots are seen to be alike.
        prints = sorted(one.fingerprint for one in known if one is not None)
        roots = tuple(dated[fingerprint] for fingerprint in prints)
        # Without a report, there may be others than those that we have installed.
        unknown = sum(one is None for one in known) + (not is_reported)
        points.append(
            ForecastPoint(
                identity=identity,
                roots=roots if is_reported or records else None,
                unknown_roots=unknown,
                client_certificates=tuple(clients.get(identity, ())),
                checks_additional_root=charge_point_id in facts.checking,
                profile=profile,
            )
        )
    return points


class _Texts:
    """Finds the texts of installed roots, each one once."""

    def __init__(self, known: Sequence[KnownCertificate]) -> None:
        self._known = known
        self._by_print = {one.fingerprint: one for one in known}
        self._found: dict[tuple[str, str, str, str], KnownCertificate | None] = {}

    def of(self, record: InstalledRecord) -> KnownCertificate | None:
        """Return the text of a root, None: it is not known."""
        text = self._by_print.get(record.fingerprint or "")
        if text is not None:
            return text
        key = folded(record.hash_data)
        if key not in self._found:
            self._found[key] = find_known(record.hash_data, self._known)
        return self._found[key]


def _client(record: CertificateRecord) -> Dated:
    return Dated(
        fingerprint=record.fingerprint,
        subject=record.subject,
        issuer=record.issuer,
        key=record.fingerprint,
        signed_by=None,
        not_before=record.not_before,
        not_after=record.not_after,
        is_authority=False,
    )
