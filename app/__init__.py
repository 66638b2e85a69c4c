"""Stationmaster: a multi-tenant OCPP 1.6J central system."""
