//! The events of a batch of meter values: one for each tenant, which names its readings densely.
//!
//! The form, which is stored: the byte 1, then numbers as variable-length integers of seven bits to a byte, the lowest
//! first. Signed ones are zigzag. For each record: charge point, transaction (both as differences to the record
//! before it), connector, number of readings, and for each reading the time in milliseconds since 1970 (as difference
//! to the reading before it).

use std::collections::BTreeMap;

use ocpp_core::conversation::meter_queue::{MeterBatch, MeterRecord};

/// The first byte of the form.
const FORM: u8 = 1;
const MILLISECOND_US: i64 = 1000;

/// Encode the event of each tenant of a batch.
#[must_use]
pub fn events<T>(batch: &MeterBatch<T>) -> BTreeMap<i64, Vec<u8>> {
    let mut events: BTreeMap<i64, Event> = BTreeMap::new();
    for record in batch.records() {
        events.entry(record.origin.tenant_id).or_default().add(&record);
    }
    events.into_iter().map(|(tenant_id, event)| (tenant_id, event.packed)).collect()
}

struct Event {
    packed: Vec<u8>,
    charge_point_id: i64,
    transaction_id: i64,
    sampled_at_ms: i64,
}

impl Default for Event {
    fn default() -> Self {
        Self { packed: vec![FORM], charge_point_id: 0, transaction_id: 0, sampled_at_ms: 0 }
    }
}

impl Event {
    fn add(&mut self, record: &MeterRecord<'_>) {
        let charge_point_id = record.origin.charge_point_id;
        self.signed(charge_point_id.wrapping_sub(self.charge_point_id));
        self.signed(record.transaction_id.wrapping_sub(self.transaction_id));
        self.signed(record.connector_id);
        let readings = record.readings();
        self.unsigned(readings.len() as u64);
        (self.charge_point_id, self.transaction_id) = (charge_point_id, record.transaction_id);
        for (sampled_at_us, _) in readings {
            let sampled_at_ms = sampled_at_us.div_euclid(MILLISECOND_US);
            self.signed(sampled_at_ms.wrapping_sub(self.sampled_at_ms));
            self.sampled_at_ms = sampled_at_ms;
        }
    }

    fn signed(&mut self, number: i64) {
        self.unsigned(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    fn unsigned(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.packed.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.packed.push(number.to_le_bytes()[0]);
    }
}

#[cfg(test)]
mod tests {
    use ocpp_core::conversation::meter_queue::{MeterQueue, Origin, Waiting};
    use ocpp_core::frame::UniqueId;
    use ocpp_core::protocol::value::{Key, Value};

    use super::events;

    fn object<'a>(members: Vec<(&'a str, Value<'a>)>) -> Value<'a> {
        Value::Object(members.into_iter().map(|(name, value)| (Key::Text(name.into()), value)).collect())
    }

    fn payload(transaction_id: i64) -> Value<'static> {
        let element = object(vec![
            ("timestamp", Value::String("2020-01-01T00:00:00.005Z".into())),
            ("sampledValue", Value::Raw("[]".into())),
        ]);
        object(vec![
            ("connectorId", Value::Integer(3)),
            ("transactionId", Value::Integer(transaction_id)),
            ("meterValue", Value::Array(vec![element])),
        ])
    }

    #[test]
    fn a_batch_is_one_dense_event_for_each_tenant() {
        let mut queue = MeterQueue::new(8, 8);
        for (tenant_id, charge_point_id, transaction_id) in [(1, 2, 300), (9, 5, 7), (1, 1, 301)] {
            let origin = Origin { tenant_id, charge_point_id, received_at_us: 1_577_836_800_000_006 };
            let waiting = || Waiting { owner: (), unique_id: UniqueId::of("1"), since: 0.0 };
            queue.offer(origin, &payload(transaction_id), waiting);
        }
        let events = events(&queue.take().expect("one batch waits"));
        assert_eq!(events.keys().copied().collect::<Vec<_>>(), [1, 9]);
        // 1_577_836_800_005 ms, doubled by the zigzag.
        let time = [0x8a, 0xa0, 0xb7, 0xe6, 0xeb, 0x5b];
        let mut expected = vec![1, 4, 0xd8, 4, 6, 1];
        expected.extend(time);
        // The second record is one charge point before, one transaction later, and of the same time.
        expected.extend([1, 2, 6, 1, 0]);
        assert_eq!(events[&1], expected);
    }
}
