"""DataTransfer (OCPP 1.6 4.3) from the charge point. No vendor extension is known here."""

from app.connection import Connection
from app.ocpp import v16


def handle(connection: Connection, request: v16.DataTransferRequest) -> v16.DataTransferResponse:
    """Answer that the vendor is unknown. The frame log keeps the message."""
    return {"status": "UnknownVendorId"}
