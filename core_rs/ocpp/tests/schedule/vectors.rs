//! `tests/vectors/composite_schedules.json`: worked by hand; the Python tests read them too.

use ocpp_core::schedule::{CompositePeriod, composite, read};
use serde_json::{Value, json};

use crate::ocpp16::ocpp16;

const VECTORS: &str = include_str!("../../../../tests/vectors/composite_schedules.json");

/// The question of a vector, as the dry run takes it.
fn question(vector: &Value) -> Value {
    let request = &vector["request"];
    let transactions: Vec<Value> = vector["transactions"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|transaction| {
            json!({
                "connectorId": transaction["connectorId"],
                "transactionId": transaction["transactionId"],
                "startTimestamp": transaction["start"],
            })
        })
        .collect();
    json!({
        "installed": vector["install"],
        "transactions": transactions,
        "connectorId": request["connectorId"],
        "scheduleStart": request["start"],
        "duration": request["duration"],
        "chargingRateUnit": request["chargingRateUnit"],
        "assumeTransaction": vector["assumeTransaction"],
        "hardwareMax": vector["hardwareMax"],
        "nominalVoltage": vector["nominalVoltage"],
        "numberOfConnectors": vector["numberOfConnectors"],
    })
}

/// Start, limit and phases of each period of the answer.
fn answer(question: &Value) -> Vec<(i64, f64, Option<u8>)> {
    let question = read::question(ocpp16(), &question.to_string()).expect("the vector is valid");
    let periods = composite(&question).expect("alternating current").periods;
    let row = |limit: i64| f64::from(i32::try_from(limit).expect("small")) / 10.0;
    let row = |period: &CompositePeriod| {
        (period.start_s, row(period.limit.expect("known").get()), period.number_phases)
    };
    periods.iter().map(row).collect()
}

fn vectors() -> Vec<Value> {
    serde_json::from_str(VECTORS).expect("the vectors are JSON")
}

#[test]
fn every_vector_comes_out_as_worked_by_hand() {
    assert!(vectors().len() >= 14);
    for vector in vectors() {
        let expected: Vec<(i64, f64, Option<u8>)> = vector["expected"]
            .as_array()
            .expect("an array")
            .iter()
            .map(|row| {
                let phases = row["numberPhases"].as_u64().and_then(|phases| u8::try_from(phases).ok());
                let start_s = row["startPeriod"].as_i64().expect("integer");
                (start_s, row["limit"].as_f64().expect("number"), phases)
            })
            .collect();
        assert_eq!(answer(&question(&vector)), expected, "{}", vector["id"]);
    }
}

#[test]
fn vector_05_read_strictly_falls_to_the_hardware() {
    let vector = vectors().into_iter().find(|vector| vector["id"] == "V05").expect("it is there");
    let mut question = question(&vector);
    question["options"] = json!({"strictTxOverride": true});
    question["hardwareMax"] = json!({"A": 32});
    assert_eq!(answer(&question), [(0, 32.0, None), (600, 16.0, None), (2400, 32.0, None)]);
}
