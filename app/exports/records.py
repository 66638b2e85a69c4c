"""Values of exports. A field has the name of its column."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class EndedPartition:
    """A partition of meter values whose time is from `since` on and before `until`, which is over."""

    name: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file with the meter values of one tenant in one partition, which was read back.

    Attributes:
        tenant_id: The tenant.
        partition: The name of the partition.
        destination: The name of the place that has the file.
        path: Of the file there.
        rows: How many it has.
        size_bytes: Of the file.
        sha256: Of the file, in hexadecimal digits.
        exported_at: When it was read back.
    """

    tenant_id: int
    partition: str
    destination: str
    path: str
    rows: int
    size_bytes: int
    sha256: str
    exported_at: datetime


class WrittenFile(NamedTuple):
    """Where a file of this database may be, and the SHA-256 that it may have there. None: no such file."""

    destination: str
    path: str
    sha256: str | None
    next_sha256: str | None


class ExportRow(NamedTuple):
    """One row of a file. A field has the name of its column there.

    Attributes:
        tenant: The slug of the tenant.
        charge_point: The identity; empty if the charge point was deleted.
        charge_point_id: The number by which the database knows it.
        connector_id: As reported; 0 is the main meter.
        transaction_id: None, 0 or less: it belongs to no transaction.
        sampled_at: When it was sampled, else when its first copy arrived.
        received_at: When it arrived.
        context: `periodic`, or `stop` if it came with a StopTransaction.
        sampled_values: The text of `sampledValue` as it came.
        reported_time: The time as it came, if it says nothing.
        digest: Of the sample; with charge point and time it is its key.
    """

    tenant: str
    charge_point: str
    charge_point_id: int
    connector_id: int
    transaction_id: int | None
    sampled_at: datetime
    received_at: datetime
    context: str
    sampled_values: str
    reported_time: str | None
    digest: int


class RowsDigest(NamedTuple):
    """The number of rows, and the SHA-256 of all of them in their order."""

    rows: int
    sha256: str
