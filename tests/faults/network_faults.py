"""Faults of the network: between charge points and servers, and between a server and PostgreSQL or Redis."""

from collections.abc import Awaitable, Callable
from functools import partial
from random import Random

from tests.faults.site import Site
from tests.support.tcp_proxy import TcpProxy

_PLACES: dict[str, Callable[[Site, Random], TcpProxy]] = {
    "charge_points": lambda site, _: site.door,
    # Of one server alone: the other one goes on.
    "database": lambda site, chance: chance.choice(site.hosts).database,
    "redis": lambda site, chance: chance.choice(site.hosts).redis,
}

_TROUBLES: dict[str, Callable[[TcpProxy, Random], None]] = {
    # A firewall that forgets its connections resets them.
    "cut": lambda proxy, _: proxy.cut(),
    "refused": lambda proxy, _: proxy.refuse(),
    # Half open: neither side notices.
    "silent": lambda proxy, _: proxy.hang(),
    "one_way": lambda proxy, chance: chance.choice((proxy.requests, proxy.answers)).hang(),
    "slow": lambda proxy, chance: proxy.slow(chance.uniform(0.05, 0.5)),
    "dripping": lambda proxy, chance: proxy.slow(0.005, chance.randint(1, 64)),
}


async def retry_collapse(site: Site, _: Random) -> None:
    """Hold back all answers until every charge point has given up. Then all of them come again at once."""
    site.door.answers.hang()
    try:
        await site.fleet.everyone_gave_up()
    finally:
        site.door.heal()


async def _troubled(place: str, trouble: str, site: Site, chance: Random) -> None:
    proxy = _PLACES[place](site, chance)
    _TROUBLES[trouble](proxy, chance)
    try:
        await site.fleet.hold(chance)
    finally:
        proxy.heal()


NETWORK_FAULTS: dict[str, Callable[[Site, Random], Awaitable[None]]] = {
    f"{place}_{trouble}": partial(_troubled, place, trouble) for place in _PLACES for trouble in _TROUBLES
}
