//! Meter values as rows, and the digest that identifies a repeated sample.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;
use ocpp_core::conversation::meter_queue::{MeterBatch, MeterRecord};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::copy::Copy;
use crate::packed_text::{Damaged, Packer, Unpacker};

/// The columns of a row: one for each element of `meterValue` (OCPP 1.6 7.33) that names its transaction.
pub const COLUMNS: [&str; 9] = [
    "tenant_id",
    "charge_point_id",
    "connector_id",
    "transaction_id",
    "sampled_at",
    "received_at",
    "context",
    "packed_values",
    "digest",
];

const FORMAT: u8 = 1;
/// A bit of the first byte: a sample tells the power.
const TELLS_POWER: u8 = 0x80;
static POWER: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(b"\"Power.Active.Import\""));

/// Encode a batch as the data of one COPY into `COLUMNS`.
#[must_use]
pub fn copy<T>(batch: &MeterBatch<T>) -> Vec<u8> {
    let mut copy = Copy::default();
    batch.records().for_each(|record| write(&mut copy, &record));
    copy.finish()
}

fn write(copy: &mut Copy, record: &MeterRecord<'_>) {
    for (sampled_at_us, sampled_values) in record.readings() {
        copy.row(COLUMNS.len());
        copy.bigint(record.origin.tenant_id);
        copy.bigint(record.origin.charge_point_id);
        copy.bigint(record.connector_id);
        copy.bigint(record.transaction_id);
        copy.timestamp(sampled_at_us);
        copy.timestamp(record.origin.received_at_us);
        copy.text("periodic");
        copy.bytea(|bytes| pack_behind(bytes, sampled_values));
        copy.bigint(digest(sampled_values, record.connector_id, record.transaction_id));
    }
}

/// Return the JSON text of `sampledValue` in few bytes, as the column `packed_values` holds it.
///
/// The first byte is the format, and whether a sample tells the power: SQL looks for the newest one that does.
#[must_use]
pub fn pack(sampled_values: &str) -> Vec<u8> {
    pack_behind(Vec::new(), sampled_values)
}

fn pack_behind(mut bytes: Vec<u8>, sampled_values: &str) -> Vec<u8> {
    let tells_power = POWER.find(sampled_values.as_bytes()).is_some();
    bytes.push(if tells_power { FORMAT | TELLS_POWER } else { FORMAT });
    let mut packer = Packer::behind(bytes);
    packer.text(sampled_values);
    packer.end();
    packer.finish()
}

/// Return the exact text that was packed.
///
/// # Errors
/// The bytes are not those of a packed text.
pub fn unpack(packed_values: &[u8]) -> Result<String, Damaged> {
    match packed_values.split_first() {
        Some((first, rest)) if first & !TELLS_POWER == FORMAT => Unpacker::of(rest).text(),
        _ => Err(Damaged),
    }
}

/// Compute what tells the samples of one time and charge point apart, so that a retry is recognized: the same
/// text for the same connector and transaction, as the charge point named it (0 for none).
///
/// White space does not count, because repaired text comes without it. The digest is stored: it must never change.
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
    use ocpp_core::conversation::meter_queue::{MeterQueue, Offer, Origin, Waiting};
    use ocpp_core::frame::UniqueId;
    use ocpp_core::protocol::value::{Key, Value};

    use super::{digest, pack, unpack};
    use crate::packed_text::Damaged;

    const DIGEST: i64 = -3_462_472_923_461_246_267;

    #[test]
    fn a_digest_stays_what_it_is() {
        let text = r#"[{"value":"1"}]"#;
        assert_eq!(digest(text, 1, 7), DIGEST);
        assert_eq!(digest("[ {\"value\":\t\"1\"}\r\n]", 1, 7), DIGEST);
        assert_ne!(digest(text, 2, 7), DIGEST);
        assert_ne!(digest(text, 1, 8), DIGEST);
        assert_ne!(digest(r#"[{"value":"2"}]"#, 1, 7), DIGEST);
    }

    #[test]
    fn samples_come_back() {
        let text = r#"[{"value":"16.0","measurand":"Current.Import","unit":"A"}]"#;
        assert_eq!(unpack(&pack(text)).as_deref(), Ok(text));
        assert_eq!(pack(text)[0], 1);
        let power = r#"[{"value":"3690","measurand":"Power.Active.Import"}]"#;
        assert_eq!(unpack(&pack(power)).as_deref(), Ok(power));
        assert_eq!(pack(power)[0], 0x81);
        assert_eq!(unpack(b"\x02"), Err(Damaged));
        assert_eq!(unpack(b""), Err(Damaged));
    }

    fn object<'a>(members: Vec<(&'a str, Value<'a>)>) -> Value<'a> {
        Value::Object(members.into_iter().map(|(name, value)| (Key::Text(name.into()), value)).collect())
    }

    #[test]
    fn a_row_has_its_columns_in_order() {
        let origin = Origin { tenant_id: 1, charge_point_id: 2, received_at_us: 1_577_836_800_000_006 };
        let element = object(vec![
            ("timestamp", Value::String("2020-01-01T00:00:00.000005Z".into())),
            ("sampledValue", Value::Raw("[]".into())),
        ]);
        let payload = object(vec![
            ("connectorId", Value::Integer(3)),
            ("transactionId", Value::Integer(4)),
            ("meterValue", Value::Array(vec![element])),
        ]);
        let mut queue = MeterQueue::new(1, 1);
        let waiting = || Waiting { owner: (), unique_id: UniqueId::of("1"), since: 0.0 };
        assert_eq!(queue.offer(origin, &payload, waiting), Offer::Enough);
        let data = super::copy(&queue.take().expect("one batch waits"));
        assert!(data.starts_with(b"PGCOPY"));
        let mut expected = b"\0\x09".to_vec();
        // From 2000, where PostgreSQL begins to count, to 2020.
        let twenty_years_us = 631_152_000_000_000;
        for number in [1, 2, 3, 4, twenty_years_us + 5, twenty_years_us + 6_u64] {
            expected.extend(8_u32.to_be_bytes());
            expected.extend(number.to_be_bytes());
        }
        expected.extend(b"\0\0\0\x08periodic\0\0\0\x05\x01\xd1[]\xe5\0\0\0\x08");
        expected.extend(digest("[]", 3, 4).to_be_bytes());
        expected.extend(b"\xff\xff");
        assert_eq!(data[19..], expected);
    }
}
