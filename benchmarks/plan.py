"""How much is measured: a few minutes, everything, or tiny sizes that only show that the kit works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of one run. Times in seconds; a round is one measurement of each thing that is compared."""

    # Parse and validate.
    rust: bool
    micro_rounds: int
    micro_round_s: float
    # The byte path, beside other servers.
    wire_sockets: tuple[int, ...]
    wire_rounds: int
    wire_warm_up_s: float
    wire_round_s: float
    # Everything stored.
    durable_sockets: tuple[int, ...]
    durable_rounds: int
    durable_warm_up_s: float
    durable_round_s: float
    # Idle connections, cumulative.
    idle_steps: tuple[int, ...]
    idle_settle_s: float
    # Catalog.
    catalog_rounds: int
    catalog_round_s: float
    catalog_connections: int


SHORT = Plan(
    rust=True,
    micro_rounds=15,
    micro_round_s=0.03,
    wire_sockets=(256,),
    wire_rounds=3,
    wire_warm_up_s=0.7,
    wire_round_s=2.5,
    durable_sockets=(256,),
    durable_rounds=3,
    durable_warm_up_s=0.7,
    durable_round_s=3.0,
    idle_steps=(250, 500, 1000, 1500, 2000),
    idle_settle_s=1.5,
    catalog_rounds=7,
    catalog_round_s=0.6,
    catalog_connections=8,
)

FULL = Plan(
    rust=True,
    micro_rounds=15,
    micro_round_s=0.03,
    wire_sockets=(16, 64, 256),
    wire_rounds=5,
    wire_warm_up_s=1.0,
    wire_round_s=5.0,
    durable_sockets=(16, 64, 256, 1024),
    durable_rounds=5,
    durable_warm_up_s=1.0,
    durable_round_s=5.0,
    idle_steps=(500, 1000, 2000, 5000, 10_000, 15_000),
    idle_settle_s=3.0,
    catalog_rounds=9,
    catalog_round_s=0.8,
    catalog_connections=8,
)

QUICK = Plan(
    rust=False,
    micro_rounds=2,
    micro_round_s=0.001,
    wire_sockets=(2, 4),
    wire_rounds=1,
    wire_warm_up_s=0.05,
    wire_round_s=0.2,
    durable_sockets=(2, 4),
    durable_rounds=1,
    durable_warm_up_s=0.05,
    durable_round_s=0.2,
    idle_steps=(4, 8),
    idle_settle_s=0.05,
    catalog_rounds=2,
    catalog_round_s=0.05,
    catalog_connections=2,
)
