"""Writes and reads the Parquet files of an export. A file is never in memory as a whole."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import read_parquet, write_parquet

from app.clock import microseconds_of
from app.exports.records import ExportRow, RowsDigest

_TIME: Final = DataType.timestamp("us", tz="UTC")
_TYPES: Final = {
    "tenant": DataType.utf8(),
    "charge_point": DataType.utf8(),
    "charge_point_id": DataType.int64(),
    "connector_id": DataType.int64(),
    "transaction_id": DataType.int64(),
    "sampled_at": _TIME,
    "received_at": _TIME,
    "context": DataType.utf8(),
    "sampled_values": DataType.utf8(),
    "reported_time": DataType.utf8(),
    "digest": DataType.int64(),
}
_OPTIONAL: Final = ("transaction_id", "reported_time")
_SCHEMA: Final = Schema([Field(name, kind, nullable=name in _OPTIONAL) for name, kind in _TYPES.items()])
_COMPRESSION: Final = "zstd(3)"
_GROUP_ROWS: Final = 50_000
_READ_ROWS: Final = 5_000


def write_rows(path: Path, pages: Iterable[Sequence[ExportRow]]) -> RowsDigest:
    """Write rows into a new file, page by page, and return what they were."""
    taken = _Digest()
    failures: list[BaseException] = []

    def batches() -> Iterator[RecordBatch]:
        try:
            for page in pages:
                taken.add(page)
                yield _batch(page)
        except BaseException as error:
            # The library would replace it by an error of its own.
            failures.append(error)
            raise

    try:
        reader = RecordBatchReader.from_batches(_SCHEMA, batches())
        write_parquet(reader, path, compression=_COMPRESSION, max_row_group_size=_GROUP_ROWS)
    except BaseException:
        if failures:
            raise failures[0] from None
        raise
    return taken.result()


def read_rows(path: Path) -> Iterator[list[ExportRow]]:
    """Yield the rows of a file, page by page."""
    for batch in read_parquet(path, batch_size=_READ_ROWS):
        columns = [batch.column(name).to_pylist() for name in ExportRow._fields]
        yield [ExportRow(*values) for values in zip(*columns, strict=True)]


def digest_of(pages: Iterable[Sequence[ExportRow]]) -> RowsDigest:
    """Return the number and the digest of rows."""
    found = _Digest()
    for page in pages:
        found.add(page)
    return found.result()


class _Digest:
    def __init__(self) -> None:
        self._rows = 0
        self._hash = hashlib.sha256()

    def add(self, page: Sequence[ExportRow]) -> None:
        self._rows += len(page)
        for row in page:
            # As a list of values: orjson takes no named tuple.
            self._hash.update(orjson.dumps(list(row), option=orjson.OPT_APPEND_NEWLINE))

    def result(self) -> RowsDigest:
        return RowsDigest(self._rows, self._hash.hexdigest())


def _batch(page: Sequence[ExportRow]) -> RecordBatch:
    columns = zip(_TYPES.values(), zip(*page, strict=True), strict=True)
    return RecordBatch.from_arrays([_array(kind, values) for kind, values in columns], schema=_SCHEMA)


def _array(kind: DataType, values: Sequence[Any]) -> Array:
    if kind == _TIME:
        return Array([microseconds_of(value) for value in values], type=DataType.int64()).cast(kind)
    return Array(values, type=kind)
