"""All faults by name. To add one, write a function and list it here."""

from collections.abc import Awaitable, Callable
from random import Random

from tests.faults import engine_faults, network_faults, process_faults
from tests.faults.site import Site

Fault = Callable[[Site, Random], Awaitable[None]]

FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        process_faults.worker_killed,
        process_faults.worker_killed_after_commit,
        process_faults.worker_stalled,
        process_faults.worker_hung,
        process_faults.supervisor_killed,
        process_faults.server_killed,
        process_faults.all_killed,
        process_faults.deployed,
        process_faults.clock_stepped,
        engine_faults.database_restarted,
        engine_faults.database_killed,
        engine_faults.database_frozen,
        engine_faults.redis_killed,
        engine_faults.redis_flushed,
        engine_faults.redis_frozen,
        engine_faults.disk_full,
        engine_faults.standby_promoted,
        engine_faults.next_schema,
        network_faults.retry_collapse,
    )
} | network_faults.NETWORK_FAULTS


def left_out(site: Site) -> dict[str, str]:
    """Return the faults that this machine cannot have, and what is missing."""
    found = {}
    if site.disk is None:
        found["disk_full"] = "only root can mount a small disk"
    if all(host.clock is None for host in site.hosts):
        found["clock_stepped"] = "libfaketime is not installed"
    return found
