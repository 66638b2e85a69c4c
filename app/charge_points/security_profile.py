"""Decides which security profiles of a charge point are accepted (security whitepaper A00, A05)."""

from typing import Final

from app.charge_points.records import Login

HIGHEST_PROFILE: Final = 3
"""0: no credential; 1: password; 2: password and TLS; 3: client certificate and TLS."""


def required_profile(tenant_minimum: int, charge_point_minimum: int, *, no_credential: bool) -> int:
    """Return the lowest security profile on which a charge point may connect.

    Its own minimum always counts: it has connected on that profile before (A05.FR.09), or an administrator
    has set it. The minimum of the tenant does not count for a charge point with `no_credential`, which is an
    exception that the operator has made for it.
    """
    return max(charge_point_minimum, 0 if no_credential else tenant_minimum)


def below_minimum(
    offered: int, tenant_minimum: int, charge_point_minimum: int, *, no_credential: bool
) -> str | None:
    """Say in one sentence why a login is refused whose credential is right; None: it is accepted."""
    minimum = required_profile(tenant_minimum, charge_point_minimum, no_credential=no_credential)
    if offered >= minimum:
        return None
    return f"It connects on security profile {offered}, and the minimum is {minimum}."


def refused_profile(offered: int, login: Login) -> str | None:
    """Say why a login with a right credential is refused for its security profile; None: it is accepted."""
    minima = (login.tenant_minimum_profile, login.minimum_profile)
    return below_minimum(offered, *minima, no_credential=login.no_credential)
