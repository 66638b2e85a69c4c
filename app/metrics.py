"""Every metric of the server, declared once. A leaf; whoever measures imports the metric it sets.

Names: `stationmaster_<what>_<unit>`; labels have few, closed values (never an identity, never an id tag).
"""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)

# The charge-point edge
CONNECTIONS_OPEN = Gauge("stationmaster_connections_open", "Charge points connected to this worker.")
CONNECTIONS_OPENED = Counter("stationmaster_connections_opened", "WebSocket sessions that were accepted.")
CONNECTIONS_CLOSED = Counter("stationmaster_connections_closed", "Sessions that ended.", ["reason"])
LOGINS_REFUSED = Counter("stationmaster_logins_refused", "Handshakes that were refused.", ["reason"])
FRAMES_RECEIVED = Counter("stationmaster_frames_received", "Frames that charge points sent.")
FRAMES_SENT = Counter("stationmaster_frames_sent", "Frames sent to charge points.")
CALLS_RECEIVED = Counter("stationmaster_calls_received", "CALLs of charge points.", ["action"])
CALLS_REFUSED = Counter("stationmaster_calls_refused", "CALLs answered with a CALLERROR.", ["code"])
CALL_SECONDS = Histogram(
    "stationmaster_call_seconds", "From a CALL's arrival to its answer.", ["action"], buckets=_SECONDS
)
FRAMES_IGNORED = Counter("stationmaster_frames_ignored", "Frames that needed no answer.", ["reason"])
DEVIATIONS = Counter("stationmaster_deviations", "Departures from the standard that were mended.", ["kind"])
LIMITS_HIT = Counter("stationmaster_limits_hit", "How often a limit took effect.", ["limit"])
LOOP_LAG_SECONDS = Gauge("stationmaster_loop_lag_seconds", "How late the event loop ran its last tick.")

# Commands
COMMANDS_ISSUED = Counter("stationmaster_commands_issued", "Commands that were recorded.", ["action"])
COMMANDS_FINISHED = Counter("stationmaster_commands_finished", "Commands by terminal state.", ["state"])
COMMAND_SECONDS = Histogram(
    "stationmaster_command_seconds", "From a CALL's sending to its result.", ["action"], buckets=_SECONDS
)

# The ledger
LEDGER_RECORDS = Counter("stationmaster_ledger_records", "Records committed durably.", ["kind"])
LEDGER_BATCH_RECORDS = Histogram(
    "stationmaster_ledger_batch_records",
    "Records of one group commit.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 512),
)
LEDGER_COMMIT_SECONDS = Histogram(
    "stationmaster_ledger_commit_seconds", "One group commit, from its first statement on.", buckets=_SECONDS
)
LEDGER_WAITING = Gauge("stationmaster_ledger_waiting", "Records that wait for a group commit.")
LEDGER_RETRIES = Counter("stationmaster_ledger_retries", "Group commits tried anew.", ["reason"])
LEDGER_FAILURES = Counter("stationmaster_ledger_failures", "Records that were not acknowledged.", ["reason"])

# The frame log
FRAME_LOG_SHED = Counter("stationmaster_frame_log_shed", "Frames that the frame log dropped.", ["reason"])
FRAME_LOG_WRITTEN = Counter("stationmaster_frame_log_written", "Frames that the frame log wrote.")

# The live state
REDIS_FAILURES = Counter("stationmaster_redis_failures", "Calls to Redis that failed.", ["operation"])
PRESENCE_REPUBLISHED = Counter(
    "stationmaster_presence_republished", "Owners written anew after Redis lost them."
)
BUS_MESSAGES = Counter("stationmaster_bus_messages", "Envelopes on the command bus.", ["direction", "kind"])

# The developer edge
API_REQUESTS = Counter("stationmaster_api_requests", "Requests of developers.", ["method", "route", "status"])
API_SECONDS = Histogram(
    "stationmaster_api_seconds", "One request of a developer.", ["method", "route"], buckets=_SECONDS
)
