"""The flags of transactions, each with its meaning."""

from typing import Final

from app.transactions.records import TIME_IMPLAUSIBLE, TIME_MISSING, TIME_UNREADABLE
from app.transactions.rules import attachments, starts, stops

MEANINGS: Final = {
    TIME_MISSING: "A message bore no time. That of its arrival is stored.",
    TIME_UNREADABLE: "The time of a message could not be read. That of its arrival is stored.",
    TIME_IMPLAUSIBLE: "The time of a message lay before 2015 or more than an hour ahead. That of its arrival "
    "is stored.",
    starts.REPLAYED: "The start came long after it happened. Its tag was judged by the reported time.",
    starts.TAG_MISSING: "The start bore no id tag.",
    starts.CONNECTOR_MISSING: "The start named no connector. It is stored for connector 0.",
    starts.METER_MISSING: "A message bore no register.",
    starts.AUTHORIZATION_FALLBACK: "The authorization webhook gave no valid answer, so its fallback decided.",
    stops.METER_DECREASED: "The register at the stop is below the one at the start.",
    stops.STOP_BEFORE_START: "The time of the stop lies before that of the start.",
    stops.STOP_CAME_FIRST: "The stop arrived before the start, without a valid transactionId, and was joined "
    "to it.",
    stops.REGISTER_CAME_LATER: "The first stop bore no register. That of a later stop, which is kept as a "
    "conflict, is stored.",
    attachments.STOP_ATTACHED: "An operator has attached the stop.",
}
"""By flag."""
