"""Charge points as CSV: what is written is read again, whatever it is."""

import csv
import io
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.charge_points import spreadsheet
from app.charge_points.records import ChargePointRecord
from app.errors import InvalidInput

NOTHING: dict[str, Any] = {field.name: None for field in fields(ChargePointRecord)}
POINT = ChargePointRecord(
    **{**NOTHING, "registration_status": "Accepted", "no_credential": False, "allow_weak_credential": False}
)
# As the API takes them: no control characters.
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
keys = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._/-]{0,10}\Z")
records = st.builds(
    lambda identity, name, labels, beat, open_to_all: replace(
        POINT,
        identity=identity,
        name=name,
        labels=labels,
        heartbeat_interval_s=beat,
        no_credential=open_to_all,
    ),
    st.from_regex(r"\A[A-Za-z0-9*+=|@_ -][A-Za-z0-9*+=|@._ -]{0,10}\Z"),
    st.none() | texts,
    st.dictionaries(keys, texts, max_size=3),
    st.none() | st.integers(1, 86_400),
    st.booleans(),
)


@given(st.lists(records, max_size=4))
def test_what_is_written_is_read_again(written: list[ChargePointRecord]) -> None:
    label_keys = sorted({key for record in written for key in record.labels})
    text = spreadsheet.header_line(label_keys) + spreadsheet.lines(written, label_keys)
    for cell in (cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    rows = spreadsheet.rows_or_faults(text)
    for record, row in zip(written, rows, strict=True):
        assert isinstance(row, dict)
        assert row["identity"] == record.identity
        assert row["name"] == record.name
        assert row["heartbeat_interval_s"] == record.heartbeat_interval_s
        assert row["no_credential"] is record.no_credential
        labels = {key: value for key, value in row.get("labels", {}).items() if value is not None}
        assert labels == record.labels


def test_a_header_of_very_many_columns_is_refused_before_they_are_compared() -> None:
    text = "identity," + ",".join(f"label:k{number}" for number in range(200_000))
    with pytest.raises(InvalidInput) as refused:
        spreadsheet.rows_or_faults(text + "\r\nA-1\r\n")
    assert [found.code for found in refused.value.violations] == ["too_many_columns"]
