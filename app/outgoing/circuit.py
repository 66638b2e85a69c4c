"""Circuit breakers: an endpoint that fails again and again is left alone for a while.

| state | a request | becomes |
|---|---|---|
| closed | passes | open, after `_FAILURES` failures without a success between them |
| open | fails at once | trying, when its pause is over |
| trying | one passes, others fail | closed after a success, open with a doubled pause after a failure |
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple

from app.types import TenantId

_FAILURES: Final = 3
_FIRST_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 60.0
_ENDPOINTS: Final = 10_000
"""Endpoints with failures that are remembered. The one that failed longest ago is forgotten first."""


class Endpoint(NamedTuple):
    """A URL of a tenant. Each has a breaker of its own."""

    tenant_id: TenantId
    url: str


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    pause_s: float = _FIRST_PAUSE_S
    open_until: float | None = None
    is_trying: bool = False


class Circuits:
    """The breakers of one worker. An endpoint without failures has none."""

    def __init__(self) -> None:
        self._circuits: OrderedDict[Endpoint, _Circuit] = OrderedDict()

    def may_ask(self, endpoint: Endpoint, now: float) -> bool:
        """Tell whether a request may go out. Report how it ended by `succeeded`, `failed` or `gave_up`."""
        circuit = self._circuits.get(endpoint)
        if circuit is None or circuit.open_until is None:
            return True
        if now < circuit.open_until or circuit.is_trying:
            return False
        circuit.is_trying = True
        return True

    def succeeded(self, endpoint: Endpoint) -> None:
        """Close the circuit of an endpoint that has answered."""
        self._circuits.pop(endpoint, None)

    def failed(self, endpoint: Endpoint, now: float) -> None:
        """Count a failure, and open the circuit if it was one too many."""
        circuit = self._circuits.setdefault(endpoint, _Circuit())
        self._circuits.move_to_end(endpoint)
        circuit.failures += 1
        if circuit.is_trying:
            circuit.pause_s = min(circuit.pause_s * 2, _LONGEST_PAUSE_S)
            circuit.is_trying = False
            circuit.open_until = now + circuit.pause_s
        elif circuit.failures >= _FAILURES and circuit.open_until is None:
            circuit.open_until = now + circuit.pause_s
        while len(self._circuits) > _ENDPOINTS:
            self._circuits.popitem(last=False)

    def gave_up(self, endpoint: Endpoint) -> None:
        """Let another request try: this one says nothing about the endpoint."""
        circuit = self._circuits.get(endpoint)
        if circuit is not None:
            circuit.is_trying = False
