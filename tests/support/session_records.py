"""One charging session in the records of the ledger, for tests of rules."""

from datetime import UTC, datetime, timedelta

from app.id_tags.records import IdTagKey, IdTagRecord
from app.transactions.records import Ending, StoppableTransaction, TransactionStart, TransactionStop

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

START = TransactionStart(1, 7, 1, "Tag-1", NOW, NOW + SECOND, 1000)
STOP = TransactionStop(1, 7, 42, NOW + HOUR, NOW + HOUR + SECOND, 9000, raw={"vendor": "as it came"})
TAG = IdTagRecord(1, "TAG-1", "tag-1", "Accepted", None, None, None, None, NOW, NOW)
TAG_KEY = IdTagKey(1, "tag-1")
OPEN = StoppableTransaction(42, 1, 7, 1, "tag-1", NOW, 1000)
ENDING = Ending(NOW + HOUR, 9000, "Local", None)
