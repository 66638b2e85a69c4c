//! Meter values as rows of a COPY, and the digest by which a repeated one is known.

use std::borrow::Cow;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::copy::Copy;

/// The columns of a row.
pub const COLUMNS: [&str; 9] = [
    "tenant_id",
    "charge_point_id",
    "connector_id",
    "transaction_id",
    "sampled_at",
    "received_at",
    "context",
    "sampled_values",
    "digest",
];

/// One element of `meterValue` (OCPP 1.6 7.33) that names its transaction.
#[derive(Clone, Copy, Debug)]
pub struct MeterRow<'a> {
    /// Whose charge point it is.
    pub tenant_id: i64,
    /// Which charge point.
    pub charge_point_id: i64,
    /// `connectorId`.
    pub connector_id: i64,
    /// `transactionId`.
    pub transaction_id: i64,
    /// Its `timestamp`: microseconds since 1970, UTC.
    pub sampled_at_us: i64,
    /// When it arrived: microseconds since 1970, UTC.
    pub received_at_us: i64,
    /// `sampledValue` as JSON text.
    pub sampled_values: &'a str,
}

/// Rows for one COPY.
#[derive(Debug, Default)]
pub struct MeterRows {
    copy: Copy,
}

impl MeterRows {
    /// Add a row.
    pub fn add(&mut self, row: &MeterRow<'_>) {
        self.copy.row(COLUMNS.len());
        self.copy.bigint(row.tenant_id);
        self.copy.bigint(row.charge_point_id);
        self.copy.bigint(row.connector_id);
        self.copy.bigint(row.transaction_id);
        self.copy.timestamp(row.sampled_at_us);
        self.copy.timestamp(row.received_at_us);
        self.copy.text("periodic");
        self.copy.text(row.sampled_values);
        self.copy.bigint(digest(row.sampled_values, row.connector_id, row.transaction_id));
    }

    /// The COPY of all rows; `None` when there is none.
    #[must_use]
    pub fn take(&mut self) -> Option<Vec<u8>> {
        self.copy.take().map(|(data, _)| data)
    }
}

/// What tells samples of one time and charge point apart, and what a retry runs into: the same text of the
/// same connector and transaction, as the charge point named it (0 for none). White space does not count: text
/// that had to be mended comes without it. Stored, so it must never change.
#[must_use]
pub fn digest(sampled_values: &str, connector_id: i64, transaction_id: i64) -> i64 {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&connector_id.to_le_bytes());
    place[8..].copy_from_slice(&transaction_id.to_le_bytes());
    xxh3_64_with_seed(&without_white_space(sampled_values), xxh3_64(&place)).cast_signed()
}

fn without_white_space(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if memchr::memchr(b' ', bytes).is_none() && memchr::memchr3(b'\n', b'\r', b'\t', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    Cow::Owned(bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect())
}

#[cfg(test)]
mod tests {
    use super::{MeterRow, MeterRows, digest};

    #[test]
    fn a_digest_stays_what_it_is() {
        let text = r#"[{"value":"1"}]"#;
        assert_eq!(digest(text, 1, 7), DIGEST);
        assert_eq!(digest("[ {\"value\":\t\"1\"}\r\n]", 1, 7), DIGEST);
        assert_ne!(digest(text, 2, 7), DIGEST);
        assert_ne!(digest(text, 1, 8), DIGEST);
        assert_ne!(digest(r#"[{"value":"2"}]"#, 1, 7), DIGEST);
    }

    const DIGEST: i64 = -3_462_472_923_461_246_267;

    #[test]
    fn a_row_has_its_columns_in_order() {
        let row = MeterRow {
            tenant_id: 1,
            charge_point_id: 2,
            connector_id: 3,
            transaction_id: 4,
            sampled_at_us: 946_684_800_000_005,
            received_at_us: 946_684_800_000_006,
            sampled_values: "[]",
        };
        let mut rows = MeterRows::default();
        assert_eq!(rows.take(), None);
        rows.add(&row);
        let data = rows.take().expect("one row");
        let mut expected = b"\0\x09".to_vec();
        for number in 1..=6_u64 {
            expected.extend(8_u32.to_be_bytes());
            expected.extend(number.to_be_bytes());
        }
        expected.extend(b"\0\0\0\x08periodic\0\0\0\x02[]\0\0\0\x08");
        expected.extend(digest("[]", 3, 4).to_be_bytes());
        expected.extend(b"\xff\xff");
        assert_eq!(data[19..], expected);
    }
}
