"""Connections without a socket, and what was counted of them."""

import json
from datetime import UTC, datetime
from typing import Any

from app.connection import Connection
from app.database.database import Database
from app.database.unit_of_work import TenantReads
from app.deviations.records import DeviationFilter, SoftwareCounts, SoftwareFilter
from app.deviations.rules import seen_in
from app.deviations.store import DeviationStore
from app.ocpp import Dispatch, Ignored, Refused, Resolve
from app.types import ChargePointId, TenantId
from tests.support.conversations import new_conversation
from tests.support.protocol import OCPP16

STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


def connection_of(tenant_id: int, charge_point_id: int) -> Connection:
    """Return a connection of a charge point, with a conversation."""
    connection = Connection(
        tenant_id=TenantId(tenant_id),
        tenant_slug="demo",
        protocol=OCPP16,
        charge_point_id=ChargePointId(charge_point_id),
        identity="CP1",
        connection_id="c1",
        epoch=1,
        strict=False,
        registration_status="Accepted",
        heartbeat_interval_s=300,
        remote="192.0.2.1",
        subprotocol="ocpp1.6",
        connected_at=datetime.now(UTC),
    )
    connection.conversation = new_conversation()
    return connection


class Speaker:
    """Sends CALLs on a connection, and counts their deviations as a session does."""

    def __init__(self, recorder: Any, connection: Connection) -> None:
        self.recorder = recorder
        self.connection = connection
        self._number = 0

    def call(self, action: str = "StatusNotification", **changes: Any) -> None:
        """Send one CALL, which is answered at once. changes: to a StatusNotification without deviations."""
        self._number += 1
        payload = {**STATUS, **changes} if action == "StatusNotification" else changes
        conversation = self.connection.conversation
        assert conversation is not None
        for one in conversation.text(json.dumps([2, str(self._number), action, payload])) or []:
            if isinstance(one, Dispatch):
                conversation.reply_error(one.unique_id, "InternalError", "")
            if isinstance(one, Dispatch | Resolve | Refused | Ignored) and (seen := seen_in(one)):
                self.recorder.note(self.connection, seen)


async def counted(database: Database, tenant_id: int, charge_point_id: int) -> dict[str, int]:
    """Return the counts of a charge point by code, over all its software."""
    store = DeviationStore(TenantReads(database.reads, TenantId(tenant_id)))
    rows = await store.page(charge_point_id, 200, None, DeviationFilter())
    return {row["code"]: row["count"] for row in rows}


async def software(database: Database, tenant_id: int) -> list[SoftwareCounts]:
    """Return what was counted of each kind of software of a tenant."""
    return await DeviationStore(TenantReads(database.reads, TenantId(tenant_id))).software(SoftwareFilter())
