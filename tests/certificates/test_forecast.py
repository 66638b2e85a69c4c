"""The forecast: who does not connect on which day, and what cures it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.certificates.rules.forecast import forecast
from app.certificates.rules.forecast_values import (
    ConnectFailure,
    Cure,
    Dated,
    Forecast,
    ForecastPoint,
    PlannedChange,
    ServerChain,
)

NOW = datetime(2026, 5, 4, tzinfo=UTC)
UNTIL = NOW + timedelta(days=1000)


def day(number: int) -> datetime:
    """Return midnight so many days from now."""
    return NOW + timedelta(days=number)


def cert(
    name: str, signer: Dated | None = None, *, begin: int = -10, end: int = 5000, key: str | None = None
) -> Dated:
    """Return a certificate. signer None: it signs itself; begin, end: days from now."""
    own = key or name
    issuer = name if signer is None else signer.subject
    print_ = f"{name}/{issuer}/{own}/{begin}/{end}"
    by = own if signer is None else signer.key
    return Dated(print_, name, issuer, own, by, day(begin), day(end))


ROOT = cert("root", end=700)
MIDDLE = cert("middle", ROOT, end=400)
LEAF = replace(cert("leaf", MIDDLE, end=90), is_authority=False)
CHAIN = ServerChain("ecdsa", (LEAF, MIDDLE))
NEW_ROOT = cert("new root")
NEW_LEAF = replace(cert("leaf", NEW_ROOT), is_authority=False)
NEW_CHAIN = ServerChain("new", (NEW_LEAF,))
LONG_LEAF = replace(cert("leaf", ROOT), is_authority=False)
LONG_CHAIN = ServerChain("long", (LONG_LEAF,))


def point(*roots: Dated, **more: Any) -> ForecastPoint:
    return ForecastPoint("CP1", roots, **more)


def seen(
    *points: ForecastPoint,
    chains: Sequence[ServerChain] = (LONG_CHAIN,),
    planned: Sequence[PlannedChange] = (),
    available: Sequence[Dated] = (),
    until: datetime = UNTIL,
) -> Forecast:
    return forecast(NOW, until, chains, points, planned, available)


def only(found: Forecast) -> ConnectFailure:
    """Return the only failure."""
    (one,) = (failure for found_day in found.days for failure in found_day.failures)
    return one


def reasons(found: Forecast) -> list[tuple[str, int, bool]]:
    """Return reason, day and certainty of all failures."""
    return [
        (failure.reason, (failure.at - NOW).days, failure.is_certain)
        for found_day in found.days
        for failure in found_day.failures
    ]


def test_a_charge_point_with_the_root_connects() -> None:
    assert seen(point(ROOT), chains=[CHAIN], until=day(80)) == Forecast((), ())


def test_an_expired_leaf_of_the_server_stops_everyone() -> None:
    found = seen(point(ROOT), replace(point(ROOT), identity="CP2"), chains=[CHAIN], until=day(100))
    (one_day,) = found.days
    assert one_day.day == day(90).date()
    assert [failure.identity for failure in one_day.failures] == ["CP1", "CP2"]
    first = one_day.failures[0]
    assert (first.reason, first.at, first.until) == ("server_certificate_expired", day(90), None)
    assert first.certificate == LEAF.fingerprint
    assert first.cures == (Cure("renew_server_certificate", day(90), LEAF.fingerprint, "leaf"),)


def test_an_intermediate_that_ends_before_the_leaf_is_the_culprit() -> None:
    middle = cert("middle", ROOT, end=30)
    leaf = replace(cert("leaf", middle, end=90), is_authority=False)
    failure = only(seen(point(ROOT), chains=[ServerChain("a", (leaf, middle))], until=day(50)))
    assert (failure.reason, failure.at) == ("server_certificate_expired", day(30))
    assert failure.certificate == middle.fingerprint


def test_a_missing_root_fails_from_now_on_and_is_cured_by_installing_it() -> None:
    failure = only(seen(point(NEW_ROOT), available=[ROOT, NEW_ROOT], until=day(600)))
    assert (failure.reason, failure.at, failure.until) == ("root_not_installed", NOW, None)
    assert failure.cures == (Cure("install_root", NOW, ROOT.fingerprint, "root"),)


def test_no_root_at_all_fails() -> None:
    failure = only(seen(point(), until=day(600)))
    assert failure.reason == "root_not_installed"
    assert failure.cures == (Cure("replace_root", NOW),)


def test_without_a_known_root_the_cure_is_a_chain_of_an_installed_one() -> None:
    failure = only(seen(point(NEW_ROOT), until=day(600)))
    assert failure.cures == (Cure("serve_chain_of_installed_root", NOW, NEW_ROOT.fingerprint, "new root"),)


def test_the_last_root_of_a_charge_point_expires() -> None:
    failure = only(seen(point(ROOT), available=[ROOT, NEW_ROOT]))
    assert (failure.reason, failure.at, failure.certificate) == ("root_expired", day(700), ROOT.fingerprint)
    # No known root verifies the chain then: the server needs a chain of another root, too.
    assert failure.cures == (Cure("replace_root", day(700), ROOT.fingerprint, "root"),)


def test_a_second_root_of_the_same_key_keeps_it_connected() -> None:
    renewed = cert("root", end=4000)
    assert renewed.key == ROOT.key
    assert reasons(seen(point(ROOT, renewed))) == []
    failure = only(seen(point(ROOT), available=[ROOT, renewed]))
    assert failure.cures == (Cure("install_root", day(700), renewed.fingerprint, "root"),)


def test_roots_that_were_never_reported_are_told_as_unknown_and_not_as_fine() -> None:
    found = seen(ForecastPoint("CP1", None), until=day(600))
    assert found == Forecast((), ("CP1",))


def test_an_expired_leaf_also_stops_a_charge_point_with_unknown_roots() -> None:
    found = seen(ForecastPoint("CP1", None), chains=[CHAIN], until=day(100))
    assert (reasons(found), found.unknown) == ([("server_certificate_expired", 90, True)], ("CP1",))


def test_an_unknown_root_may_verify_the_chain() -> None:
    assert reasons(seen(point(NEW_ROOT, unknown_roots=1), until=day(600))) == [
        ("root_not_installed", 0, False)
    ]


# Planned changes


def test_a_planned_change_of_the_root_fails_where_it_is_not_installed() -> None:
    change = PlannedChange(day(20), (NEW_CHAIN,))
    found = seen(
        point(ROOT),
        replace(point(ROOT, NEW_ROOT), identity="CP2"),
        planned=[change],
        available=[ROOT, NEW_ROOT],
        until=day(600),
    )
    failure = only(found)
    assert (failure.identity, failure.reason, failure.at) == ("CP1", "root_not_installed", day(20))
    assert failure.chain == "new"
    assert failure.cures == (Cure("install_root", day(20), NEW_ROOT.fingerprint, "new root"),)


def test_a_planned_change_ends_a_failure() -> None:
    failure = only(seen(point(NEW_ROOT), planned=[PlannedChange(day(20), (NEW_CHAIN,))], until=day(600)))
    assert (failure.at, failure.until) == (NOW, day(20))


def test_a_renewal_in_time_prevents_the_failure_and_a_late_one_does_not() -> None:
    renewed = (LONG_CHAIN,)
    in_time, late = PlannedChange(day(89), renewed), PlannedChange(day(95), renewed)
    assert reasons(seen(point(ROOT), chains=[CHAIN], planned=[in_time], until=day(300))) == []
    failure = only(seen(point(ROOT), chains=[CHAIN], planned=[late], until=day(300)))
    assert (failure.at, failure.until) == (day(90), day(95))


def test_a_change_beyond_the_end_or_in_the_past_counts_as_it_is() -> None:
    beyond = PlannedChange(day(900), (NEW_CHAIN,))
    assert reasons(seen(point(ROOT), planned=[beyond], until=day(600))) == []
    past = PlannedChange(day(-1), (NEW_CHAIN,))
    assert reasons(seen(point(ROOT), planned=[past], until=day(600))) == [("root_not_installed", 0, True)]


def test_several_changes_are_taken_in_the_order_of_their_times() -> None:
    changes = [PlannedChange(day(40), (LONG_CHAIN,)), PlannedChange(day(20), (NEW_CHAIN,))]
    failure = only(seen(point(ROOT), planned=changes, until=day(600)))
    assert (failure.at, failure.until) == (day(20), day(40))


# Certificates that begin later


def test_a_leaf_that_is_not_valid_yet_fails_until_it_is() -> None:
    leaf = replace(cert("leaf", ROOT, begin=5), is_authority=False)
    failure = only(seen(point(ROOT), chains=[ServerChain("a", (leaf,))], until=day(600)))
    assert (failure.reason, failure.until) == ("server_certificate_not_yet_valid", day(5))
    assert failure.cures[0].kind == "wait_until_valid"


def test_a_root_that_is_not_valid_yet_fails_until_it_is() -> None:
    root = cert("root", begin=7, end=4000)
    failure = only(seen(point(root), until=day(600)))
    assert (failure.reason, failure.at, failure.until) == ("root_not_yet_valid", NOW, day(7))


# Cross-signed roots

CROSSED = cert("new root", ROOT, key="new root", end=800)
"""The new root, signed by the old one."""


def test_a_cross_signed_root_in_the_chain_reaches_old_and_new_charge_points() -> None:
    chain = ServerChain("crossed", (NEW_LEAF, CROSSED))
    assert reasons(seen(point(ROOT), chains=[chain], until=day(600))) == []
    assert reasons(seen(point(NEW_ROOT), chains=[chain], until=day(600))) == []
    # The path of old ones ends with the old root, that of new ones does not.
    assert reasons(seen(point(ROOT), chains=[chain], until=day(790))) == [("root_expired", 700, True)]
    assert reasons(seen(point(NEW_ROOT), chains=[chain])) == []


def test_the_end_of_the_cross_signature_counts_only_where_it_is_needed() -> None:
    crossed = cert("new root", ROOT, key="new root", end=50)
    chain = ServerChain("crossed", (NEW_LEAF, crossed))
    assert reasons(seen(point(ROOT), chains=[chain], until=day(600))) == [
        ("server_certificate_expired", 50, True)
    ]
    assert reasons(seen(point(NEW_ROOT), chains=[chain], until=day(600))) == []


def test_without_the_cross_signed_root_in_the_chain_old_charge_points_fail() -> None:
    failure = only(seen(point(ROOT), chains=[NEW_CHAIN], available=[NEW_ROOT], until=day(600)))
    assert failure.reason == "root_not_installed"
    assert failure.cures == (Cure("install_root", NOW, NEW_ROOT.fingerprint, "new root"),)


def test_an_installed_cross_signed_root_needs_its_issuer_unless_it_may_end_a_path() -> None:
    assert reasons(seen(point(CROSSED), chains=[NEW_CHAIN], until=day(600))) == [
        ("root_not_installed", 0, True)
    ]
    assert reasons(seen(point(CROSSED, ROOT), chains=[NEW_CHAIN], until=day(600))) == []
    checking = point(CROSSED, checks_additional_root=True)
    assert reasons(seen(checking, chains=[NEW_CHAIN], until=day(600))) == []


def test_two_authorities_that_sign_each_other_end_the_search() -> None:
    a = cert("a", cert("b"), key="a")
    b = cert("b", cert("a"), key="b")
    leaf = replace(cert("leaf", a), is_authority=False)
    assert reasons(seen(point(), chains=[ServerChain("circle", (leaf, a, b))], until=day(600))) == [
        ("root_not_installed", 0, True)
    ]


# AdditionalRootCertificateCheck


def test_a_root_that_the_old_one_did_not_sign_is_no_cure_where_that_is_checked() -> None:
    checking = point(ROOT, checks_additional_root=True)
    found = seen(checking, chains=[NEW_CHAIN], available=[NEW_ROOT, CROSSED], until=day(600))
    # The cross-signed form would be accepted, the other one rejected (M05.FR.10).
    assert only(found).cures == (Cure("install_root", NOW, CROSSED.fingerprint, "new root"),)
    without = seen(checking, chains=[NEW_CHAIN], available=[NEW_ROOT], until=day(600))
    assert only(without).cures == (Cure("serve_chain_of_installed_root", NOW, ROOT.fingerprint, "root"),)


# Pairs of chains

RSA_ROOT = cert("rsa root")
RSA_CHAIN = ServerChain("rsa", (replace(cert("leaf", RSA_ROOT, key="rsa leaf"), is_authority=False),))


def test_a_charge_point_that_verifies_one_of_two_chains_may_fail() -> None:
    found = seen(point(RSA_ROOT), chains=[LONG_CHAIN, RSA_CHAIN], available=[ROOT], until=day(600))
    failure = only(found)
    assert (failure.reason, failure.is_certain, failure.chain) == ("root_not_installed", False, "long")
    assert failure.cures == (Cure("install_root", NOW, ROOT.fingerprint, "root"),)
    assert reasons(seen(point(ROOT, RSA_ROOT), chains=[LONG_CHAIN, RSA_CHAIN], until=day(600))) == []


def test_it_fails_for_certain_when_the_other_chain_ends_too() -> None:
    ending = ServerChain("rsa", (replace(cert("leaf", RSA_ROOT, end=30), is_authority=False),))
    assert reasons(seen(point(RSA_ROOT), chains=[LONG_CHAIN, ending], until=day(600))) == [
        ("root_not_installed", 0, False),
        ("root_not_installed", 30, True),
    ]


# Client certificates


def client(begin: int, end: int) -> Dated:
    return replace(cert("CP1", ROOT, begin=begin, end=end), is_authority=False)


def test_an_expired_client_certificate_fails() -> None:
    ending = client(-300, 40)
    failure = only(seen(point(ROOT, client_certificates=(ending,)), until=day(600)))
    assert (failure.reason, failure.at, failure.until) == ("client_certificate_expired", day(40), None)
    assert failure.cures == (Cure("renew_client_certificate", day(40), ending.fingerprint, "CP1"),)


def test_one_that_expired_before_now_fails_from_now_on() -> None:
    assert reasons(seen(point(ROOT, client_certificates=(client(-300, -5),)), until=day(600))) == [
        ("client_certificate_expired", 0, True)
    ]


def test_a_second_client_certificate_bridges_the_end_of_the_first() -> None:
    both = (client(-300, 40), client(30, 900))
    assert reasons(seen(point(ROOT, client_certificates=both), until=day(600))) == []
    gap = (client(-300, 40), client(50, 900))
    failure = only(seen(point(ROOT, client_certificates=gap), until=day(600)))
    assert (failure.reason, failure.at, failure.until) == (
        "client_certificate_not_yet_valid",
        day(40),
        day(50),
    )


def test_without_chains_only_client_certificates_are_seen() -> None:
    unknown = ForecastPoint("CP1", None, client_certificates=(client(-300, 40),))
    assert seen(unknown, chains=[]) == replace_unknown(seen(unknown), ())
    assert reasons(seen(unknown, chains=[])) == [("client_certificate_expired", 40, True)]


def replace_unknown(found: Forecast, unknown: tuple[str, ...]) -> Forecast:
    return found._replace(unknown=unknown)


def test_server_and_client_failures_of_a_day_are_listed_together() -> None:
    found = seen(point(ROOT, client_certificates=(client(-300, 90),)), chains=[CHAIN], until=day(100))
    (one_day,) = found.days
    assert [failure.reason for failure in one_day.failures] == [
        "client_certificate_expired",
        "server_certificate_expired",
    ]


@pytest.mark.parametrize("offset", [0, 1])
def test_a_certificate_is_not_valid_at_the_second_of_its_end(offset: int) -> None:
    found = seen(point(ROOT), chains=[CHAIN], until=day(90) + timedelta(seconds=offset))
    assert len(found.days) == offset


def test_a_thousand_charge_points_are_looked_at() -> None:
    points = [
        replace(point(ROOT if number % 2 else NEW_ROOT), identity=f"CP{number}") for number in range(1000)
    ]
    found = seen(*points, chains=[CHAIN], available=[ROOT], until=day(80))
    identities = [failure.identity for one in found.days for failure in one.failures]
    assert identities == sorted(f"CP{number}" for number in range(0, 1000, 2))


@pytest.mark.parametrize(
    ("profile", "reasons"),
    [
        (None, ["client_certificate_expired", "root_not_installed"]),
        (0, []),
        (1, []),
        (2, ["root_not_installed"]),
        (3, ["client_certificate_expired", "root_not_installed"]),
    ],
)
def test_only_what_the_security_profile_uses_fails(profile: int | None, reasons: list[str]) -> None:
    found = seen(point(NEW_ROOT, client_certificates=(client(-300, 5),), profile=profile))
    assert sorted(failure.reason for day in found.days for failure in day.failures) == reasons
    unknown = seen(ForecastPoint("CP1", None, profile=profile)).unknown
    assert unknown == (("CP1",) if profile in (None, 2, 3) else ())
