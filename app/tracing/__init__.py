"""Traces of requests and commands, off by default (`STATIONMASTER_TRACING_URL`).

A trace leads from the request to the REST API over the command bus to the CALL on the socket, and to its
result. `spans` says what is traced and imports nothing for it. Only `telemetry` knows OpenTelemetry, the
optional dependency `stationmaster[tracing]`.
"""
