"""Reservations of connectors, from the request to the start that uses them (OCPP 1.6 3.11, 5.1, 5.13)."""
