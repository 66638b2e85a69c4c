"""DataTransfer (OCPP 1.6 4.3): who answers messages of which vendors, and what was exchanged."""
