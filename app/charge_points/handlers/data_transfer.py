"""DataTransfer (OCPP 1.6 4.3) from the charge point: no vendor extension is known here yet."""

from app.connection import Connection
from app.ocpp import v16


def handle(connection: Connection, request: v16.DataTransferRequest) -> v16.DataTransferResponse:
    """Answer that the vendor is not known; the message stays in the frame log."""
    return {"status": "UnknownVendorId"}
