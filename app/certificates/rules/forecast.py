"""Forecasts which charge points will not connect on which day, and what cures it. A pure function of dates.

A charge point verifies the chain that the server sends up to a root that is installed on it. Each certificate
on the way must be valid. So every path has a window of time, and a charge point connects while one of its
paths is open. With a client certificate, that one must be valid, too.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from app.certificates.rules.forecast_values import (
    ConnectFailure,
    Cure,
    CureKind,
    Dated,
    FailureDay,
    Forecast,
    ForecastPoint,
    PlannedChange,
    Reason,
    ServerChain,
)

_PATH_LIMIT: Final = 8
"""The most certificates of a path. A longer one is not followed, nor is a circle of cross-signed roots."""


class _Path(NamedTuple):
    sent: tuple[Dated, ...]
    anchor: Dated | None

    def window(self) -> tuple[datetime, datetime]:
        used = self.sent if self.anchor is None else (*self.sent, self.anchor)
        return max(one.not_before for one in used), min(one.not_after for one in used)

    def is_open(self, at: datetime) -> bool:
        begin, end = self.window()
        return begin <= at < end


class _State(NamedTuple):
    """Why one chain fails at one time; None reason: it works."""

    reason: Reason | None
    chain: str | None = None
    certificate: Dated | None = None
    is_certain: bool = True


def forecast(
    now: datetime,
    until: datetime,
    server_chains: Sequence[ServerChain],
    charge_points: Iterable[ForecastPoint],
    planned: Sequence[PlannedChange] = (),
    available_roots: Sequence[Dated] = (),
) -> Forecast:
    """Return when charge points will not connect.

    Args:
        now: begin of the forecast.
        until: its end.
        server_chains: what the server sends now, often one chain with an RSA key and one with ECDSA.
        charge_points: those to look at.
        planned: changes of the chains.
        available_roots: roots whose text is known, so that they can be installed.
    """
    changes = sorted((change for change in planned if change.at < until), key=lambda change: change.at)
    failures: list[ConnectFailure] = []
    unknown: list[str] = []
    # Most charge points have the same roots, and so the same failures.
    seen: dict[object, list[ConnectFailure]] = {}
    for point in charge_points:
        if point.uses_certificate:
            failures += _client_failures(point, now, until)
        if not point.uses_tls:
            continue
        if point.roots is None and server_chains:
            unknown.append(point.identity)
        alike = (point.roots, point.unknown_roots > 0, point.checks_additional_root)
        if alike not in seen:
            seen[alike] = list(_server_failures(point, now, until, server_chains, changes, available_roots))
        failures += (failure._replace(identity=point.identity) for failure in seen[alike])
    failures.sort(key=lambda failure: (failure.at, failure.identity, failure.reason))
    days: dict[date, list[ConnectFailure]] = {}
    for failure in failures:
        days.setdefault(failure.at.date(), []).append(failure)
    return Forecast(tuple(FailureDay(day, tuple(found)) for day, found in days.items()), tuple(unknown))


def _chains_at(
    at: datetime, chains: Sequence[ServerChain], changes: Sequence[PlannedChange]
) -> Sequence[ServerChain]:
    for change in changes:
        if change.at <= at:
            chains = change.chains
    return chains


def _server_failures(
    point: ForecastPoint,
    now: datetime,
    until: datetime,
    chains: Sequence[ServerChain],
    changes: Sequence[PlannedChange],
    available: Sequence[Dated],
) -> Iterator[ConnectFailure]:
    """Go through all times at which something begins or ends, and join equal neighbours."""
    begun: tuple[_State, datetime] | None = None
    for at in _moments(point, now, until, chains, changes):
        state = _state(point, at, _chains_at(at, chains, changes))
        if begun is not None and begun[0] == state:
            continue
        if begun is not None:
            yield _failure(point, *begun, at, _chains_at(begun[1], chains, changes), available)
        begun = None if state.reason is None else (state, at)
    if begun is not None:
        yield _failure(point, *begun, None, _chains_at(begun[1], chains, changes), available)


def _moments(
    point: ForecastPoint,
    now: datetime,
    until: datetime,
    chains: Sequence[ServerChain],
    changes: Sequence[PlannedChange],
) -> list[datetime]:
    all_chains = [*chains, *(chain for change in changes for chain in change.chains)]
    certificates = [one for chain in all_chains for one in chain.certificates]
    certificates += point.roots or ()
    moments = {now, *(change.at for change in changes)}
    for one in certificates:
        moments |= {one.not_before, one.not_after}
    return sorted(moment for moment in moments if now <= moment < until)


def _state(point: ForecastPoint, at: datetime, chains: Sequence[ServerChain]) -> _State:
    """Return whether a charge point connects. The server may choose any chain whose keys it supports.

    If one of several chains works, the others count as failures that are not certain: which one is used
    depends on the cipher suites that the charge point offers.
    """
    states = [_state_of_chain(point, at, chain) for chain in chains]
    failed = [state for state in states if state.reason is not None]
    if not failed:
        return _State(None)
    # If all fail, one that may work after all is told.
    told = next((state for state in failed if not state.is_certain), failed[0])
    return told if len(failed) == len(states) else told._replace(is_certain=False)


def _state_of_chain(point: ForecastPoint, at: datetime, chain: ServerChain) -> _State:
    paths = list(_paths(chain, point.roots or (), point.checks_additional_root))
    if any(path.anchor is not None and path.is_open(at) for path in paths):
        return _State(None)
    sent = [path for path in paths if not _invalid(path.sent, at)]
    if not sent:
        broken = min((_invalid(path.sent, at) for path in paths), key=len)
        culprit = broken[0]
        expired = culprit.not_after <= at
        reason: Reason = "server_certificate_expired" if expired else "server_certificate_not_yet_valid"
        return _State(reason, chain.name, culprit)
    if point.roots is None:
        # What is installed is unknown, and is told as unknown.
        return _State(None)
    is_certain = point.unknown_roots == 0
    for path in sent:
        if path.anchor is not None:
            ended = path.anchor.not_after <= at
            reason = "root_expired" if ended else "root_not_yet_valid"
            return _State(reason, chain.name, path.anchor, is_certain)
    return _State("root_not_installed", chain.name, None, is_certain)


def _paths(chain: ServerChain, roots: Sequence[Dated], trusts_partial: bool) -> Iterator[_Path]:
    """Return the paths from a leaf to a root that is installed, and those that lead to none (anchor None)."""
    if not chain.certificates:
        return
    others = chain.certificates[1:]
    stack: list[tuple[Dated, ...]] = [(chain.certificates[0],)]
    while stack:
        path = stack.pop()
        last = path[-1]
        used = {one.fingerprint for one in path}
        anchors = [root for root in roots if _signed(last, root) or root.fingerprint == last.fingerprint]
        trusted = [anchor for anchor in anchors if anchor.signs_itself or trusts_partial]
        for anchor in trusted:
            yield _Path(path if anchor.fingerprint != last.fingerprint else path[:-1] or path, anchor)
        # An installed root that did not sign itself is an intermediate to most charge points.
        more = [*others, *(() if trusts_partial else (root for root in roots if not root.signs_itself))]
        nexts = [one for one in more if one.fingerprint not in used and _signed(last, one)]
        nexts = [one for one in nexts if not one.signs_itself]
        if len(path) >= _PATH_LIMIT:
            nexts = []
        if not nexts and not trusted:
            yield _Path(path, None)
        stack += [(*path, one) for one in nexts]


def _signed(certificate: Dated, by: Dated) -> bool:
    return (
        by.is_authority
        and certificate.issuer == by.subject
        and certificate.signed_by in (by.key, None)
        and certificate.fingerprint != by.fingerprint
    )


def _invalid(certificates: Sequence[Dated], at: datetime) -> list[Dated]:
    return [one for one in certificates if not one.not_before <= at < one.not_after]


def _failure(
    point: ForecastPoint,
    state: _State,
    at: datetime,
    until: datetime | None,
    chains: Sequence[ServerChain],
    available: Sequence[Dated],
) -> ConnectFailure:
    if state.reason is None:
        raise ValueError("a chain that works is not a failure")
    culprit = None if state.certificate is None else state.certificate.fingerprint
    cures = tuple(_cures(point, state, at, chains, available))
    return ConnectFailure(
        point.identity, state.reason, at, until, state.is_certain, state.chain, culprit, cures
    )


def _cures(
    point: ForecastPoint,
    state: _State,
    at: datetime,
    chains: Sequence[ServerChain],
    available: Sequence[Dated],
) -> Iterator[Cure]:
    if state.reason == "server_certificate_expired":
        yield _cure("renew_server_certificate", at, state.certificate)
        return
    if state.reason in ("server_certificate_not_yet_valid", "root_not_yet_valid"):
        yield _cure("wait_until_valid", at, state.certificate)
        return
    chain = next((one for one in chains if one.name == state.chain), None)
    roots = point.roots or ()
    found = False
    for root in available:
        if chain is None:
            break
        if any(root.fingerprint == installed.fingerprint for installed in roots):
            continue
        if point.checks_additional_root and roots and not any(_signed(root, old) for old in roots):
            # The charge point would answer Rejected (M05.FR.10).
            continue
        paths = _paths(chain, (*roots, root), point.checks_additional_root)
        if any(path.anchor is not None and path.is_open(at) for path in paths):
            found = True
            yield _cure("install_root", at, root)
    if found:
        return
    open_roots = [root for root in roots if root.not_before <= at < root.not_after]
    if open_roots:
        yield _cure("serve_chain_of_installed_root", at, open_roots[0])
    else:
        yield _cure("replace_root", at, state.certificate)


def _cure(kind: CureKind, before: datetime, one: Dated | None) -> Cure:
    return Cure(kind, before) if one is None else Cure(kind, before, one.fingerprint, one.subject)


def _client_failures(point: ForecastPoint, now: datetime, until: datetime) -> Iterator[ConnectFailure]:
    """Return the times in which no certificate of a charge point is valid."""
    if not point.client_certificates:
        return
    begun: tuple[Dated, datetime] | None = None
    moments = {now}
    for one in point.client_certificates:
        moments |= {one.not_before, one.not_after}
    for at in sorted(moment for moment in moments if now <= moment < until):
        if len(_invalid(point.client_certificates, at)) < len(point.client_certificates):
            if begun is not None:
                yield _client_failure(point, *begun, at)
                begun = None
        elif begun is None:
            newest = max(point.client_certificates, key=lambda one: one.not_after)
            begun = newest, at
    if begun is not None:
        yield _client_failure(point, *begun, None)


def _client_failure(
    point: ForecastPoint, certificate: Dated, at: datetime, until: datetime | None
) -> ConnectFailure:
    has_ended = certificate.not_after <= at
    reason: Reason = "client_certificate_expired" if has_ended else "client_certificate_not_yet_valid"
    cure = _cure("renew_client_certificate" if has_ended else "wait_until_valid", at, certificate)
    return ConnectFailure(point.identity, reason, at, until, True, None, certificate.fingerprint, (cure,))
