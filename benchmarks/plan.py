"""How much is measured: a few minutes, everything, or tiny sizes that only show that the kit works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of one run. Times in seconds; a round is one measurement of each thing that is compared."""

    # Parse and validate.
    rust: bool
    micro_rounds: int
    micro_round_s: float
    # Composite schedules of a city.
    schedule_connectors: int
    # The byte path, compared with other servers.
    wire_sockets: tuple[int, ...]
    wire_rounds: int
    wire_warm_up_s: float
    wire_round_s: float
    # Everything stored.
    durable_sockets: tuple[int, ...]
    durable_rounds: int
    durable_warm_up_s: float
    durable_round_s: float
    log_mebibytes: int
    # Bytes on disk and in the write-ahead log.
    bytes_sockets: int
    bytes_past_rows: int
    bytes_rounds: int
    bytes_round_s: float
    # Connection storm.
    storm_connections: int
    storm_at_once: int
    storm_rounds: int
    storm_settle_s: float
    # Commands, one at a time.
    commands: int
    command_charge_points: int
    command_rounds: int
    # Several workers, and two hosts.
    scale_sockets: int
    scale_rounds: int
    # REST.
    rest_connections: int
    rest_rounds: int
    rest_round_s: float
    rest_filling_s: float
    rest_settle_s: float
    # Idle connections, cumulative; and those of each of three workers, 0: not measured.
    idle_steps: tuple[int, ...]
    idle_settle_s: float
    idle_per_worker: int
    # Cost as work grows: connected charge points, and meter values that are stored already.
    growth_sockets: tuple[int, ...]
    growth_rows: tuple[int, ...]
    growth_rounds: int
    growth_round_s: float
    # Catalog.
    catalog_rounds: int
    catalog_round_s: float
    catalog_connections: int

    def charge_points(self) -> int:
        """Return how many charge points the parts need."""
        return max(
            *self.wire_sockets,
            # Plain and TLS at the same time.
            max(self.durable_sockets) + max(*self.durable_sockets, self.storm_connections),
            *self.idle_steps,
            *self.growth_sockets,
            3 * self.idle_per_worker,
            self.storm_connections,
            self.bytes_sockets,
            self.command_charge_points,
            # Each deployment has its own, and commands have some more.
            4 * self.scale_sockets + 100,
        )


SHORT = Plan(
    rust=True,
    micro_rounds=15,
    micro_round_s=0.03,
    schedule_connectors=10_000,
    wire_sockets=(256,),
    wire_rounds=3,
    wire_warm_up_s=0.7,
    wire_round_s=2.5,
    durable_sockets=(256,),
    durable_rounds=3,
    durable_warm_up_s=0.7,
    durable_round_s=3.0,
    log_mebibytes=1024,
    bytes_sockets=200,
    bytes_past_rows=400,
    bytes_rounds=3,
    bytes_round_s=8.0,
    storm_connections=1000,
    storm_at_once=64,
    storm_rounds=3,
    storm_settle_s=1.0,
    commands=300,
    command_charge_points=16,
    command_rounds=3,
    scale_sockets=64,
    scale_rounds=5,
    rest_connections=8,
    rest_rounds=3,
    rest_round_s=1.0,
    rest_filling_s=1.0,
    rest_settle_s=2.0,
    idle_steps=(250, 500, 1000, 1500, 2000),
    idle_settle_s=1.5,
    idle_per_worker=0,
    growth_sockets=(100, 2000),
    growth_rows=(0, 100_000),
    growth_rounds=3,
    growth_round_s=2.0,
    catalog_rounds=7,
    catalog_round_s=0.6,
    catalog_connections=8,
)

FULL = Plan(
    rust=True,
    micro_rounds=15,
    micro_round_s=0.03,
    schedule_connectors=10_000,
    wire_sockets=(16, 64, 256),
    wire_rounds=5,
    wire_warm_up_s=1.0,
    wire_round_s=5.0,
    durable_sockets=(16, 64, 256, 1024),
    durable_rounds=5,
    durable_warm_up_s=1.0,
    durable_round_s=5.0,
    log_mebibytes=1024,
    bytes_sockets=500,
    bytes_past_rows=400,
    bytes_rounds=5,
    bytes_round_s=15.0,
    storm_connections=5000,
    storm_at_once=256,
    storm_rounds=5,
    storm_settle_s=3.0,
    commands=1000,
    command_charge_points=64,
    command_rounds=5,
    scale_sockets=256,
    scale_rounds=7,
    rest_connections=8,
    rest_rounds=7,
    rest_round_s=2.0,
    rest_filling_s=2.0,
    rest_settle_s=3.0,
    idle_steps=(500, 1000, 2000, 5000, 10_000, 15_000),
    idle_settle_s=3.0,
    idle_per_worker=15_000,
    growth_sockets=(100, 1000, 5000, 15_000),
    growth_rows=(0, 100_000, 1_000_000, 10_000_000),
    growth_rounds=3,
    growth_round_s=5.0,
    catalog_rounds=9,
    catalog_round_s=0.8,
    catalog_connections=8,
)

QUICK = Plan(
    rust=False,
    micro_rounds=2,
    micro_round_s=0.001,
    schedule_connectors=20,
    wire_sockets=(2, 4),
    wire_rounds=1,
    wire_warm_up_s=0.05,
    wire_round_s=1.0,
    durable_sockets=(2, 4),
    durable_rounds=1,
    durable_warm_up_s=0.05,
    durable_round_s=1.0,
    log_mebibytes=1,
    bytes_sockets=4,
    bytes_past_rows=10,
    bytes_rounds=1,
    bytes_round_s=1.0,
    storm_connections=4,
    storm_at_once=2,
    storm_rounds=1,
    storm_settle_s=0.05,
    commands=4,
    command_charge_points=2,
    command_rounds=1,
    scale_sockets=4,
    scale_rounds=1,
    rest_connections=2,
    rest_rounds=1,
    rest_round_s=0.1,
    rest_filling_s=0.1,
    rest_settle_s=0.5,
    idle_steps=(4, 8),
    idle_settle_s=0.05,
    idle_per_worker=2,
    growth_sockets=(2, 4),
    growth_rows=(0, 100),
    growth_rounds=1,
    growth_round_s=1.0,
    catalog_rounds=2,
    catalog_round_s=0.05,
    catalog_connections=2,
)
