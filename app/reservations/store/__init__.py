"""SQL of reservations."""

from app.reservations.store.reservations import ReservationStore
from app.reservations.store.sweep import ReservationSweepStore

__all__ = ["ReservationStore", "ReservationSweepStore"]
