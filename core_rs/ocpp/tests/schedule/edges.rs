//! The edge cases of the merge, one test each, by the numbers that the sources cite.

use ocpp_core::schedule::limit::{LEAST_SIGNALLED, Supply, Tenths, Unit};
use ocpp_core::schedule::profile::{Kind, Profile, Purpose, Recurrency, Schedule};
use ocpp_core::schedule::{Hardware, NoConversion, Options, Question, Transaction, composite, read};
use serde_json::json;

use crate::ocpp16::ocpp16;
use crate::profiles::{
    DAY_S, HOUR_S, TEN_S, answer, cap, default, during, in_watts, on_phases, own, profile, question, rows,
    sources,
};

/// Every day, or every week, from an offset on, for so long.
fn again(recurrency: Recurrency, profile: Profile, from_s: i64, duration_s: i64) -> Profile {
    Profile { kind: Kind::Recurring(recurrency), ..during(profile, from_s, duration_s) }
}

fn relative(profile: Profile) -> Profile {
    let schedule = Schedule { start_s: None, ..profile.schedule };
    Profile { kind: Kind::Relative, schedule, ..profile }
}

#[test]
fn c01_a_higher_level_without_a_period_in_force_gives_way_to_the_next_one() {
    let asked = question(&[(0, default(1, 0, 16)), (0, during(default(2, 1, 10), 600, 1200))]);
    assert_eq!(rows(&asked), [(0, 160), (600, 100), (1800, 160)]);
    assert_eq!(sources(&asked), [(0, 1), (600, 2), (1800, 1)]);
}

#[test]
fn c02_a_tx_profile_that_is_not_in_force_gives_way_to_the_default() {
    let asked = question(&[(0, default(1, 0, 8)), (1, during(own(2, 0, 20), 0, 900))]);
    assert_eq!(rows(&asked), [(0, 200), (900, 80)]);
}

#[test]
fn c02_read_strictly_a_tx_profile_keeps_the_default_out_even_where_it_is_not_in_force() {
    let options = Options { strict_tx_override: true, ..Options::default() };
    let asked = question(&[(0, default(1, 0, 8)), (1, during(own(2, 0, 20), 0, 900))]);
    assert_eq!(rows(&Question { options, ..asked }), [(0, 200), (900, 320)]);
    let foreign = Profile { transaction_id: Some(7), ..own(2, 0, 20) };
    let asked = question(&[(0, default(1, 0, 8)), (1, foreign)]);
    assert_eq!(rows(&Question { options, ..asked }), [(0, 80)]);
}

#[test]
fn c03_levels_of_different_purposes_are_not_compared() {
    assert_eq!(rows(&question(&[(0, default(1, 9, 8)), (1, own(2, 0, 20))])), [(0, 200)]);
    assert_eq!(rows(&question(&[(0, cap(1, 0, 8)), (1, own(2, 9, 20))])), [(0, 80)]);
}

#[test]
fn c04_a_recurring_profile_is_silent_before_its_first_start() {
    let nightly = again(Recurrency::Daily, default(1, 0, 10), 1800, DAY_S);
    assert_eq!(rows(&question(&[(0, nightly)])), [(0, 320), (1800, 100)]);
}

#[test]
fn c04_with_the_option_a_recurring_profile_also_holds_before_its_first_start() {
    let options = Options { recurring_before_anchor: true, ..Options::default() };
    let nightly = again(Recurrency::Daily, default(1, 0, 10), 5 * DAY_S + 1800, 900);
    let asked = Question { options, ..question(&[(0, nightly)]) };
    assert_eq!(rows(&asked), [(0, 320), (1800, 100), (2700, 320)]);
}

#[test]
fn c05_a_day_has_24_hours_also_when_clocks_are_changed() {
    let nightly = again(Recurrency::Daily, default(1, 0, 10), 0, HOUR_S);
    // In Europe and in America clocks change in these weeks.
    let asked = Question { duration_s: 35 * DAY_S, ..question(&[(0, nightly)]) };
    let expected: Vec<_> =
        (0..35).flat_map(|day| [(day * DAY_S, 100), (day * DAY_S + HOUR_S, 320)]).collect();
    assert_eq!(rows(&asked), expected);
}

#[test]
fn c06_fractions_are_cut_and_offsets_are_reckoned_in() {
    let text = json!({
        "installed": [{"connectorId": 1, "csChargingProfiles": {
            "chargingProfileId": 1, "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Absolute",
            "validTo": "2026-03-02T12:30:00.999+02:00",
            "chargingSchedule": {
                "startSchedule": "2026-03-02T04:15:00.5-06:00", "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}],
            },
        }}],
        "connectorId": 1, "scheduleStart": "2026-03-02T10:00:00.75Z", "duration": 3600,
        "assumeTransaction": true, "hardwareMax": {"A": 32},
    });
    let asked = read::question(ocpp16(), &text.to_string()).expect("it is valid");
    assert_eq!(rows(&asked), [(0, 320), (900, 60), (1800, 320)]);
}

#[test]
fn c07_a_recurrency_kind_on_other_kinds_is_ignored() {
    let text = |kind: &str| {
        json!({
            "installed": [{"connectorId": 1, "csChargingProfiles": {
                "chargingProfileId": 1, "stackLevel": 0, "recurrencyKind": "Daily",
                "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": kind,
                "chargingSchedule": {
                    "startSchedule": "2026-02-27T10:10:00Z", "duration": 600, "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}],
                },
            }}],
            "connectorId": 1, "scheduleStart": "2026-03-02T10:00:00Z", "duration": 3600,
            "assumeTransaction": true, "hardwareMax": {"A": 32},
        })
    };
    let asked = |kind| read::question(ocpp16(), &text(kind).to_string()).expect("it is valid");
    assert_eq!(rows(&asked("Absolute")), [(0, 320)]);
    assert_eq!(rows(&asked("Recurring")), [(0, 320), (600, 60), (1200, 320)]);
}

#[test]
fn c08_a_least_charging_rate_does_not_raise_a_limit() {
    let text = json!({
        "installed": [{"connectorId": 0, "csChargingProfiles": {
            "chargingProfileId": 1, "stackLevel": 0,
            "chargingProfilePurpose": "ChargePointMaxProfile", "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "startSchedule": "2026-01-01T00:00:00Z", "chargingRateUnit": "A", "minChargingRate": 10.5,
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0}],
            },
        }}],
        "connectorId": 1, "scheduleStart": "2026-03-02T10:00:00Z", "duration": 3600,
    });
    assert_eq!(rows(&read::question(ocpp16(), &text.to_string()).expect("it is valid")), [(0, 0)]);
}

#[test]
fn c09_zero_is_a_limit_and_what_cannot_be_signalled_is_kept_and_marked() {
    assert_eq!(rows(&question(&[(1, own(1, 0, 0)), (0, default(2, 0, 16))])), [(0, 0)]);
    assert_eq!(rows(&question(&[(1, own(1, 0, 5))])), [(0, 50)]);
    let mains = Supply::Alternating { nominal_voltage_v: 230 };
    for (tenths, unit, phases, can) in [
        (0, Unit::Ampere, None, true),
        (LEAST_SIGNALLED.get() - 1, Unit::Ampere, None, false),
        (LEAST_SIGNALLED.get(), Unit::Ampere, Some(1), true),
        (0, Unit::Watt, None, true),
        (13_799, Unit::Watt, Some(1), false),
        (13_800, Unit::Watt, Some(1), true),
        (27_599, Unit::Watt, Some(2), false),
        // 2 000 W on three phases are 2.8 A on each.
        (20_000, Unit::Watt, None, false),
        (41_399, Unit::Watt, Some(3), false),
        (41_400, Unit::Watt, None, true),
    ] {
        assert_eq!(mains.can_signal(Tenths::new(tenths), unit, phases), can, "{tenths} {unit:?} {phases:?}");
        assert!(Supply::Direct.can_signal(Tenths::new(tenths), unit, phases));
    }
}

#[test]
fn c10_where_nothing_is_in_force_the_hardware_holds_or_nothing_is_known() {
    let asked = question(&[]);
    assert_eq!(rows(&asked), [(0, 320)]);
    let unknown = Question { hardware: Hardware::default(), ..asked.clone() };
    assert_eq!(answer(&unknown).periods[0].limit, None);
    let watts = Hardware { ampere: None, watt: Some(Tenths::new(110_000)) };
    assert_eq!(rows(&Question { hardware: watts, ..asked.clone() }), [(0, 159)]);
    let direct = Question { hardware: watts, supply: Supply::Direct, ..asked };
    assert_eq!(answer(&direct).periods[0].limit, None);
}

#[test]
fn c09_a_limit_in_watts_is_marked_by_what_it_leaves_on_each_phase() {
    let marks = |limit: i64, phases: Option<u8>| {
        let profile = in_watts(own(1, 0, limit));
        let profile = phases.map_or(profile.clone(), |phases| on_phases(profile, phases));
        let asked = Question { unit: Unit::Watt, ..question(&[(1, profile)]) };
        ocpp_core::schedule::write::answer(&asked, usize::MAX)
            .expect("short")
            .contains("below_signalled_minimum")
    };
    assert!(marks(2_000, None));
    assert!(marks(2_000, Some(2)));
    assert!(!marks(2_000, Some(1)));
    assert!(!marks(4_140, Some(3)));
}

#[test]
fn c10_the_hardware_clips_every_answer() {
    let asked = question(&[(1, during(own(1, 0, 40), 0, 600)), (0, during(cap(2, 0, 20), 1200, 600))]);
    assert_eq!(rows(&asked), [(0, 320), (1200, 200), (1800, 320)]);
    assert_eq!(sources(&asked), [(0, 0), (1200, 2), (1800, 0)]);
    // It is the source only where it is the lowest.
    assert_eq!(sources(&question(&[(1, own(1, 0, 32))])), [(0, 1)]);
    let both = Hardware { ampere: Some(Tenths::new(320)), watt: Some(Tenths::new(110_000)) };
    let asked = Question { hardware: both, ..question(&[(1, own(1, 0, 20))]) };
    assert_eq!(rows(&asked), [(0, 159)]);
    assert_eq!(rows(&Question { unit: Unit::Watt, ..asked }), [(0, 110_000)]);
    // On one phase the current clips first.
    let single = on_phases(own(1, 0, 40), 1);
    assert_eq!(rows(&Question { hardware: both, ..question(&[(1, single)]) }), [(0, 320)]);
}

#[test]
fn c11_a_duration_of_zero_asks_for_the_one_instant() {
    let asked = question(&[(0, default(1, 0, 16)), (0, during(default(2, 1, 10), 0, 1))]);
    assert_eq!(rows(&Question { duration_s: 0, ..asked.clone() }), [(0, 100)]);
    assert_eq!(rows(&Question { duration_s: 2, ..asked }), [(0, 100), (1, 160)]);
}

#[test]
fn c12_the_answer_has_a_start_beside_the_schedule_and_none_inside() {
    let asked = question(&[(0, default(1, 0, 16))]);
    let text = ocpp_core::schedule::write::answer(&asked, usize::MAX).expect("short");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["scheduleStart"], "2026-03-02T10:00:00Z");
    assert_eq!(value["duration"], 3600);
    assert!(!text.contains("startSchedule"));
}

#[test]
fn c13_equal_neighbours_are_one_period_that_names_the_hand_over() {
    let asked = question(&[(0, default(1, 0, 16)), (0, during(default(2, 1, 16), 600, 600))]);
    assert_eq!(rows(&asked), [(0, 160)]);
    assert_eq!(sources(&asked), [(0, 1), (600, 2), (1200, 1)]);
    let phases = question(&[(0, default(1, 0, 16)), (0, on_phases(during(default(2, 1, 16), 600, 600), 1))]);
    let found: Vec<_> = answer(&phases).periods.iter().map(|row| (row.start_s, row.number_phases)).collect();
    assert_eq!(found, [(0, None), (600, Some(1)), (1200, None)]);
}

#[test]
fn a_duration_of_zero_is_never_in_force() {
    assert_eq!(rows(&question(&[(0, during(default(1, 0, 16), 0, 0))])), [(0, 320)]);
}

#[test]
fn validity_begins_with_its_first_second_and_ends_before_its_last() {
    let valid = Profile { valid_from_s: Some(TEN_S + 10), valid_to_s: Some(TEN_S + 20), ..default(1, 0, 16) };
    assert_eq!(rows(&question(&[(0, valid)])), [(0, 320), (10, 160), (20, 320)]);
}

#[test]
fn what_is_left_of_a_recurring_schedule_is_dropped_when_it_starts_again() {
    let steps = profile(1, Purpose::TxDefault, 0, &[(0, 6), (DAY_S - 600, 8), (DAY_S + 600, 10)]);
    let daily = again(Recurrency::Daily, steps, -DAY_S + 1200, 2 * DAY_S);
    assert_eq!(rows(&question(&[(0, daily)])), [(0, 60), (600, 80), (1200, 60)]);
}

#[test]
fn a_weekly_profile_returns_after_seven_days() {
    let weekly = again(Recurrency::Weekly, default(1, 0, 10), -14 * DAY_S + 60, 60);
    let asked = Question { duration_s: 8 * DAY_S, ..question(&[(0, weekly)]) };
    let week_s = 7 * DAY_S;
    assert_eq!(rows(&asked), [(0, 320), (60, 100), (120, 320), (week_s + 60, 100), (week_s + 120, 320)]);
}

#[test]
fn a_relative_profile_counts_from_the_transaction_and_needs_one() {
    let steps = relative(profile(1, Purpose::TxDefault, 0, &[(0, 20), (900, 6)]));
    let asked = question(&[(0, steps)]);
    let earlier = Transaction { start_s: TEN_S - 300, ..asked.transactions[0] };
    assert_eq!(rows(&Question { transactions: vec![earlier], ..asked.clone() }), [(0, 200), (600, 60)]);
    let without = Question { transactions: vec![], ..asked };
    assert_eq!(rows(&without), [(0, 320)]);
    assert_eq!(rows(&Question { assume_transaction: true, ..without }), [(0, 200), (900, 60)]);
}

#[test]
fn a_default_of_the_connector_shadows_the_common_one_of_its_level_there_only() {
    let common = [(0, default(1, 0, 16)), (0, default(2, 1, 20))];
    let own_of_two = (2, during(default(3, 1, 8), 0, 600));
    let asked = question(&[common[0].clone(), common[1].clone(), own_of_two]);
    assert_eq!(rows(&asked), [(0, 200)]);
    let running = Transaction { connector_id: 2, ..asked.transactions[0] };
    let second = Question { connector_id: 2, transactions: vec![running], ..asked };
    assert_eq!(rows(&second), [(0, 80), (600, 160)]);
}

#[test]
fn limits_are_converted_with_the_phases_that_all_of_them_leave() {
    let single = on_phases(in_watts(profile(1, Purpose::Tx, 0, &[(0, 3_680)])), 1);
    let asked = question(&[(1, single), (0, in_watts(cap(2, 0, 11_040)))]);
    assert_eq!(rows(&asked), [(0, 160)]);
    assert_eq!(answer(&asked).periods[0].number_phases, Some(1));
    assert_eq!(rows(&Question { unit: Unit::Watt, ..asked }), [(0, 36_800)]);
    // 6 900 W on one phase are 30 A: a cap of 10 A, which names no phases, holds in watts, too.
    let single = on_phases(in_watts(own(1, 0, 6_900)), 1);
    let asked = question(&[(1, single), (0, cap(2, 0, 10))]);
    assert_eq!(rows(&asked), [(0, 100)]);
    assert_eq!(rows(&Question { unit: Unit::Watt, ..asked }), [(0, 23_000)]);
}

#[test]
fn the_phases_of_a_profile_that_does_not_lead_make_no_difference() {
    let beaten = on_phases(default(3, 0, 6), 1);
    let asked = question(&[(1, in_watts(own(1, 0, 11_040))), (0, beaten)]);
    assert_eq!(rows(&asked), [(0, 160)]);
    assert_eq!(answer(&asked).periods[0].number_phases, None);
}

#[test]
fn connector_zero_converts_each_connector_with_its_own_phases_and_those_of_the_cap() {
    let single = on_phases(in_watts(own(1, 0, 3_680)), 1);
    let three = on_phases(in_watts(own(2, 0, 11_040)), 3);
    let asked = Question {
        connector_id: 0,
        assume_transaction: true,
        hardware: Hardware::default(),
        ..question(&[(1, single.clone()), (2, three)])
    };
    assert_eq!(rows(&asked), [(0, 320)]);
    assert_eq!(rows(&Question { unit: Unit::Watt, ..asked.clone() }), [(0, 147_200)]);
    // A cap on one phase from 10:10 on leaves connector 2 one phase: 11 040 W are 48 A there.
    let on_one = on_phases(during(cap(3, 0, 100), 600, 600), 1);
    let mut capped = asked;
    capped.installed.push(ocpp_core::schedule::profile::Installed { connector_id: 0, profile: on_one });
    assert_eq!(rows(&capped), [(0, 320), (600, 640), (1200, 320)]);
}

#[test]
fn direct_current_refuses_to_compare_amperes_and_watts() {
    let asked = Question { supply: Supply::Direct, ..question(&[(0, default(1, 0, 16))]) };
    assert_eq!(rows(&asked), [(0, 160)]);
    let found = composite(&Question { unit: Unit::Watt, ..asked }).expect_err("no conversion");
    assert_eq!(found, NoConversion { profile: 0 });
}

#[test]
fn connector_zero_is_the_sum_of_the_connectors_below_the_cap() {
    let installed = [(0, during(cap(1, 0, 30), 1200, 600)), (0, default(2, 0, 16)), (2, own(3, 0, 40))];
    let asked = Question { connector_id: 0, ..question(&installed) };
    assert_eq!(rows(&asked), [(0, 160)]);
    let all = Question { assume_transaction: true, ..asked.clone() };
    // The hardware of connector 2 gives 32 A, whatever its profile allows.
    assert_eq!(rows(&all), [(0, 480), (1200, 300), (1800, 480)]);
    let unknown = Question { hardware: Hardware::default(), ..all };
    assert_eq!(rows(&unknown), [(0, 560), (1200, 300), (1800, 560)]);
    let idle = Question { transactions: vec![], ..asked };
    assert_eq!(rows(&idle), [(0, 0)]);
}

#[test]
fn a_profile_of_the_same_id_or_place_is_replaced() {
    let same_id = question(&[(0, default(1, 0, 16)), (0, default(1, 3, 10))]);
    assert_eq!(rows(&same_id), [(0, 100)]);
    let later = Profile { valid_from_s: Some(TEN_S + 600), ..default(2, 0, 10) };
    // Replaced at once, though the new one is valid later only.
    assert_eq!(rows(&question(&[(0, default(1, 0, 16)), (0, later)])), [(0, 320), (600, 100)]);
}

#[test]
fn a_tx_profile_without_a_transaction_is_that_of_the_running_one() {
    let named = |id: i64, limit: i64| Profile { transaction_id: Some(501), ..own(id, 0, limit) };
    assert_eq!(rows(&question(&[(1, named(1, 16)), (1, own(2, 0, 10))])), [(0, 100)]);
    assert_eq!(rows(&question(&[(1, own(2, 0, 10)), (1, named(1, 16))])), [(0, 160)]);
    let replaced = during(own(2, 0, 10), 600, 600);
    // It is replaced, not only beaten: where the new one is not in force, the old one does not return.
    assert_eq!(rows(&question(&[(1, named(1, 16)), (1, replaced)])), [(0, 320), (600, 100), (1200, 320)]);
    // One of another transaction or on another connector stays.
    let foreign = Profile { transaction_id: Some(7), ..own(1, 0, 16) };
    assert_eq!(question(&[(1, foreign), (1, own(2, 0, 10))]).installed.len(), 2);
    assert_eq!(question(&[(2, named(1, 16)), (1, own(2, 0, 10))]).installed.len(), 2);
}

#[test]
fn moments_and_lengths_at_the_ends_of_the_calendar_do_not_overflow() {
    for start_s in [ocpp_core::protocol::moment::EARLIEST_S, ocpp_core::protocol::moment::END_S - 1] {
        for recurrency in [Recurrency::Daily, Recurrency::Weekly] {
            let far = |id, kind| {
                let mut far = profile(id, Purpose::TxDefault, id, &[(0, 6), (i64::MAX, 8)]);
                far.schedule.start_s = Some(start_s);
                far.schedule.duration_s = Some(i64::MAX);
                (0, Profile { kind, ..far })
            };
            let installed = [far(1, Kind::Absolute), far(2, Kind::Recurring(recurrency))];
            for asked_s in [start_s, TEN_S] {
                let asked = Question { start_s: asked_s, ..question(&installed) };
                assert!(!rows(&asked).is_empty());
            }
        }
    }
}
