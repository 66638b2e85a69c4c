"""Rows of one request of which each is stored or refused by itself, and what became of each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.errors import FieldViolation, InvalidInput

ImportMode = Literal["create", "update", "upsert"]
"""Which rows are taken: new ones, known ones, or both."""
RowState = Literal["created", "updated", "unchanged", "error"]
ROWS_AT_ONCE: Final = 500
"""The rows of one transaction."""


@dataclass(frozen=True, slots=True)
class GivenRow:
    """A row as a caller gave it.

    place: its number, from 0; key: what names its resource, None: unknown; values: the given fields; faults:
    why it is refused, with pointers into the row.
    """

    place: int
    key: str | None
    values: dict[str, Any]
    faults: tuple[FieldViolation, ...] = ()


@dataclass(frozen=True, slots=True)
class RowResult:
    """The end of one row. faults: only with the state `error`; their pointers begin at the row."""

    place: int
    key: str | None
    state: RowState
    faults: tuple[FieldViolation, ...] = ()


def row_error(row: GivenRow, pointer: str, code: str, detail: str) -> RowResult:
    """Return the result of a row that is refused for one reason."""
    return RowResult(row.place, row.key, "error", (FieldViolation(pointer, code, detail),))


def refused_by_mode(row: GivenRow, mode: ImportMode, pointer: str, *, is_known: bool) -> RowResult | None:
    """Return the refusal of a row that the mode does not take; None: it does."""
    if mode == "create" and is_known:
        return row_error(row, pointer, "exists", "exists already")
    if mode == "update" and not is_known:
        return row_error(row, pointer, "unknown", "does not exist")
    return None


def without_faulty(
    rows: Sequence[GivenRow], seen: set[str], fold: Callable[[str], str], pointer: str
) -> tuple[list[GivenRow], list[RowResult]]:
    """Return the rows that can be stored, and the results of the others.

    Args:
        rows: In the order of the request.
        seen: The folded keys of earlier rows; those of these rows are added. Of two rows the first counts.
        fold: Makes keys of one resource equal.
        pointer: Of the key in a row.
    """
    good: list[GivenRow] = []
    results: list[RowResult] = []
    for row in rows:
        if row.faults or row.key is None:
            results.append(RowResult(row.place, row.key, "error", row.faults))
        elif (key := fold(row.key)) in seen:
            results.append(row_error(row, pointer, "duplicate", "is given before"))
        else:
            seen.add(key)
            good.append(row)
    return good, results


def in_portions(rows: Iterator[GivenRow]) -> Iterator[list[GivenRow]]:
    """Return the rows, some at a time."""
    portion: list[GivenRow] = []
    for row in rows:
        portion.append(row)
        if len(portion) == ROWS_AT_ONCE:
            yield portion
            portion = []
    if portion:
        yield portion


def result_of(row: GivenRow, error: InvalidInput) -> RowResult:
    """Return the result of a row that a rule refuses."""
    return RowResult(row.place, row.key, "error", error.violations)
