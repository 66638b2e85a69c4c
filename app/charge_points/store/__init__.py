"""SQL of charge points, their credentials and their connectors."""

from app.charge_points.store.charge_points import (
    ChargePointReads,
    ChargePointStore,
    identities_of_tenant,
    keep_charge_points,
)
from app.charge_points.store.connectors import ConnectorStore, FleetConnectorReads, record_statuses

__all__ = [
    "ChargePointReads",
    "ChargePointStore",
    "ConnectorStore",
    "FleetConnectorReads",
    "identities_of_tenant",
    "keep_charge_points",
    "record_statuses",
]
