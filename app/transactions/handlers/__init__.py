"""Answers to billing messages: one module per action."""

from functools import partial

from app.answers import RecordHandler
from app.clock import Clock
from app.transactions.external_starts import ExternalStarts
from app.transactions.handlers import meter_values, start_transaction, stop_transaction
from app.transactions.handlers.damage import keeping_damage
from app.transactions.ledger import Ledger


def transaction_handlers(ledger: Ledger, starts: ExternalStarts, clock: Clock) -> dict[str, RecordHandler]:
    """Return the handlers of this package, by action."""
    handlers: dict[str, RecordHandler] = {
        "StartTransaction": partial(start_transaction.handle, starts, clock),
        "StopTransaction": partial(stop_transaction.handle, ledger, starts, clock),
        "MeterValues": partial(meter_values.handle, ledger, starts),
    }
    return {action: keeping_damage(ledger, clock, handler) for action, handler in handlers.items()}
