"""All metrics of the server, declared once. A module that measures imports its metrics from here.

Names are `stationmaster_<what>_<unit>`. A label has few, fixed values: never an identity or an id tag.
Each worker counts by itself; `ACROSS` says how their gauges become one, and counters are added up.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


class CallSeconds(Collector):
    """A histogram by action that adds many CALLs at once: observing one costs as much as answering it."""

    bounds_s = _SECONDS

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._sums_s: dict[str, float] = {}
        REGISTRY.register(self)

    def add(self, action: str, counts: Sequence[int], sum_s: float) -> None:
        """Add CALLs to the histogram of an action.

        Args:
            action: of the CALLs.
            counts: CALLs by bucket, in the order of `bounds_s`; the last one is above all bounds.
            sum_s: the sum of their seconds.
        """
        before = self._counts.get(action, [0] * len(counts))
        self._counts[action] = [old + new for old, new in zip(before, counts, strict=True)]
        self._sums_s[action] = self._sums_s.get(action, 0.0) + sum_s

    def describe(self) -> Iterable[Metric]:
        """Return the metric without its values."""
        yield self._family()

    def collect(self) -> Iterable[Metric]:
        """Return the histogram of each action."""
        family = self._family()
        for action, counts in self._counts.items():
            family.add_metric([action], list(self._cumulative(counts)), self._sums_s[action])
        yield family

    def _family(self) -> HistogramMetricFamily:
        text = "Time from the arrival of a CALL to its answer, by action."
        return HistogramMetricFamily("stationmaster_call_seconds", text, labels=["action"])

    def _cumulative(self, counts: Sequence[int]) -> Iterator[tuple[str, float]]:
        total = 0
        for bound_s, count in zip((*map(float, self.bounds_s), float("inf")), counts, strict=True):
            total += count
            yield "+Inf" if bound_s == float("inf") else str(bound_s), float(total)


# The processes
BUILD_INFO = Gauge(
    "stationmaster_build_info",
    "Always 1; the labels say what runs.",
    ["version", "commit", "python", "rust"],
)
WORKERS = Gauge("stationmaster_workers", "Workers that run.")
WORKER_STARTS = Counter(
    "stationmaster_worker_starts", "Workers that were started, by their place; above 1: it was replaced."
)
LOOP_LAG_SECONDS = Histogram(
    "stationmaster_loop_lag_seconds",
    "Delay of the ticks of the event loop, four per second, by worker.",
    buckets=_SECONDS,
)
LOOP_LAG_WORST_SECONDS = Gauge(
    "stationmaster_loop_lag_worst_seconds",
    "Longest delay of a tick of the event loop in the last minute or two, by worker.",
)

# Health
CHECK_STATE = Gauge(
    "stationmaster_check_state",
    "How each health check ended: 0 is ok, 1 a warning, 2 not ready.",
    ["check"],
)
CLOCK_DIFFERENCE_SECONDS = Gauge(
    "stationmaster_clock_difference_seconds", "Difference between the clocks of this host and the database."
)

# Connections of charge points
CONNECTIONS_OPEN = Gauge("stationmaster_connections_open", "Charge points that are connected.")
CONNECTIONS_OPENED = Counter("stationmaster_connections_opened", "WebSocket connections that were accepted.")
CONNECTIONS_CLOSED = Counter(
    "stationmaster_connections_closed", "WebSocket connections that ended.", ["reason"]
)
LOGINS_REFUSED = Counter(
    "stationmaster_logins_refused", "WebSocket handshakes that were refused.", ["reason"]
)
LOGIN_ATTEMPTS_SHED = Counter(
    "stationmaster_login_attempts_shed", "Refused logins that are in no list of a tenant.", ["reason"]
)
HANDSHAKES_DELAYED = Counter(
    "stationmaster_handshakes_delayed",
    "Handshakes that were delayed, because the connections of their charge point replace each other.",
)
FRAMES_RECEIVED = Counter("stationmaster_frames_received", "Frames that charge points sent.")
FRAMES_SENT = Counter("stationmaster_frames_sent", "Frames sent to charge points.")
CALLS_RECEIVED = Counter("stationmaster_calls_received", "CALLs received from charge points.", ["action"])
CALLS_REFUSED = Counter("stationmaster_calls_refused", "CALLs answered with a CALLERROR.", ["code"])
CALL_SECONDS = CallSeconds()
FRAMES_IGNORED = Counter("stationmaster_frames_ignored", "Frames that needed no answer.", ["reason"])
DEVIATIONS = Counter(
    "stationmaster_deviations", "Deviations from the standard that were tolerated.", ["kind"]
)
DEVIATIONS_SHED = Counter(
    "stationmaster_deviations_shed", "Deviations that are not counted for their charge point.", ["reason"]
)
LIMITS_HIT = Counter("stationmaster_limits_hit", "Number of times that a limit was reached.", ["limit"])
TLS_FAILURES = Counter(
    "stationmaster_tls_failures", "TLS sessions that failed before the login, by reason.", ["reason"]
)
CERTIFICATE_EXPIRES = Gauge(
    "stationmaster_certificate_expires_timestamp_seconds",
    "When the first certificate of the server expires, in seconds since 1970; 0 without TLS.",
)

SECURITY_EVENTS = Counter(
    "stationmaster_security_events",
    "Security events: those of charge points by whether they are critical, our own by their type.",
    ["source", "kind"],
)

# Commands
COMMANDS_ISSUED = Counter("stationmaster_commands_issued", "Commands that were recorded.", ["action"])
COMMANDS_FINISHED = Counter(
    "stationmaster_commands_finished", "Commands that ended, by final state.", ["state"]
)
COMMAND_SECONDS = Histogram(
    "stationmaster_command_seconds",
    "Time from the sending of a CALL to its result, by action.",
    ["action"],
    buckets=_SECONDS,
)

# DataTransfer
WEBHOOK_ATTEMPTS = Counter(
    "stationmaster_webhook_attempts", "Attempts to send an event to a webhook, by how they ended.", ["result"]
)
WEBHOOK_DEAD_LETTERS = Counter(
    "stationmaster_webhook_dead_letters", "Events that were given up for a webhook after the last attempt."
)
DATA_TRANSFERS = Counter(
    "stationmaster_data_transfers",
    "DataTransfer messages of charge points, by what has answered them, and the status of the answer.",
    ["answered_by", "status"],
)
DATA_TRANSFERS_SHED = Counter(
    "stationmaster_data_transfers_shed",
    "DataTransfer messages that are in no list of a tenant.",
    ["reason"],
)

PLUG_AND_CHARGE_MESSAGES = Counter(
    "stationmaster_plug_and_charge_messages",
    "Messages of Plug & Charge inside DataTransfer, by how they were answered.",
    ["message", "outcome"],
)

# Requests to servers of tenants
OUTGOING_REQUESTS = Counter(
    "stationmaster_outgoing_requests", "Requests to URLs of tenants, by how they ended.", ["outcome"]
)
EXTERNAL_AUTHORIZATIONS = Counter(
    "stationmaster_external_authorizations",
    "Questions about id tags at tenants with an authorization webhook, by how they ended.",
    ["outcome"],
)
AUTHORIZATION_ATTEMPTS_SHED = Counter(
    "stationmaster_authorization_attempts_shed",
    "Questions to authorization webhooks that are in no list of a tenant.",
    ["reason"],
)

# The ledger
LEDGER_RECORDS = Counter("stationmaster_ledger_records", "Records committed durably.", ["kind"])
LEDGER_BATCH_RECORDS = Histogram(
    "stationmaster_ledger_batch_records",
    "Records of one group commit.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 512),
)
LEDGER_COMMIT_SECONDS = Histogram(
    "stationmaster_ledger_commit_seconds",
    "Duration of one group commit, from its first statement.",
    buckets=_SECONDS,
)
LEDGER_WAITING = Gauge("stationmaster_ledger_waiting", "Records that wait for a group commit.")
TRANSACTION_IDS_USED = Gauge(
    "stationmaster_transaction_ids_used_ratio",
    "Share of its transaction ids that a tenant has used, from 90 % on. After the last no start is stored.",
    ["tenant_id"],
)
LEDGER_RETRIES = Counter("stationmaster_ledger_retries", "Group commits that were tried again.", ["reason"])
LEDGER_FAILURES = Counter(
    "stationmaster_ledger_failures",
    "Records that could not be committed, and so were not acknowledged.",
    ["reason"],
)

# The frame log
FRAME_LOG_SHED = Counter(
    "stationmaster_frame_log_shed",
    "Frames that the frame log dropped, because it was full or its tenant has logged its quota.",
    ["reason"],
)
FRAME_LOG_WRITTEN = Counter("stationmaster_frame_log_written", "Frames that the frame log wrote.")

# Partitions
PARTITIONS_MADE = Counter(
    "stationmaster_partitions_made",
    "Partitions of a table that were made ahead of their time.",
    ["table"],
)
PARTITIONS_DROPPED = Counter(
    "stationmaster_partitions_dropped",
    "Partitions of a table that were dropped with their rows.",
    ["table"],
)

# Events
EVENTS_NUMBERED = Counter("stationmaster_events_numbered", "Events that this worker gave their positions.")

EVENT_STREAMS = Gauge("stationmaster_event_streams", "Streams of events that are open.")

# The live state
REDIS_FAILURES = Counter("stationmaster_redis_failures", "Calls to Redis that failed.", ["operation"])
PRESENCE_REPUBLISHED = Counter(
    "stationmaster_presence_republished",
    "Owners of charge points that were written to Redis again after it had lost them.",
)
BUS_MESSAGES = Counter("stationmaster_bus_messages", "Envelopes on the command bus.", ["direction", "kind"])

# The REST API
API_REQUESTS = Counter(
    "stationmaster_api_requests", "Requests to the REST API.", ["method", "route", "status"]
)
API_SECONDS = Histogram(
    "stationmaster_api_seconds",
    "Duration of one request to the REST API.",
    ["method", "route"],
    buckets=_SECONDS,
)

ACROSS: Final[Mapping[str, Literal["sum", "least", "most", "by_worker"]]] = {
    "stationmaster_build_info": "most",
    "stationmaster_workers": "sum",
    "stationmaster_worker_starts": "by_worker",
    "stationmaster_loop_lag_seconds": "by_worker",
    "stationmaster_loop_lag_worst_seconds": "by_worker",
    "stationmaster_check_state": "most",
    "stationmaster_clock_difference_seconds": "most",
    "stationmaster_connections_open": "sum",
    "stationmaster_certificate_expires_timestamp_seconds": "least",
    "stationmaster_ledger_waiting": "sum",
    "stationmaster_event_streams": "sum",
    "stationmaster_transaction_ids_used_ratio": "most",
}
"""How the values of several workers become one: of each gauge, and of counters that are not added up.

`by_worker`: each worker keeps its own value, under the label `worker`.
"""
