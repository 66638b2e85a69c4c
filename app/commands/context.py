"""The collaborators that all parts of this package share in one worker."""

from dataclasses import dataclass, field

from app import ocpp
from app.clock import Clock
from app.commands.effects import CommandEffects
from app.commands.expected_effects import windows_text
from app.commands.in_flight import Waiters
from app.database.database import Database
from app.database.prepared import Prepared
from app.live.command_bus import CommandBus
from app.settings import Settings
from app.tasks import BackgroundTasks
from app.tracing.spans import NoTracing, Tracing


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The collaborators that the issuing and the owning side share in one worker.

    protocol: the version of OCPP that judges commands; effect_windows: of `expected_effects`, as JSON text.
    """

    database: Database
    steps: Prepared
    bus: CommandBus
    effects: CommandEffects
    protocol: ocpp.Protocol
    clock: Clock
    settings: Settings
    waiters: Waiters = field(default_factory=Waiters)
    background: BackgroundTasks = field(default_factory=BackgroundTasks)
    tracing: Tracing = field(default_factory=NoTracing)
    effect_windows: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "effect_windows", windows_text(self.settings))
