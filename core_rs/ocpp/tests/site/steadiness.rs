//! Limits that are in force now: the dead-band, the rise, and that neither passes a limit of a node.

use crate::building::random::{Scene, scene};
use crate::building::verification::{as_given, limits, room};
use crate::building::{flat, session};
use ocpp_core::site::{Reason, Rules, Session, distribute};
use proptest::prelude::*;

/// Limits and reasons of cars with these present limits on one node.
fn decide(capacity_a: i64, present: &[i64], rules: &Rules) -> Vec<(i64, Reason)> {
    let sessions: Vec<Session> = (present.iter().enumerate())
        .map(|(index, present)| Session { present_a: Some(*present), ..session(&format!("car-{index}")) })
        .collect();
    let found = distribute(&flat(capacity_a), &sessions, rules).expect("it is valid");
    found.shares.iter().map(|share| (share.limit_a, share.reason)).collect()
}

fn kept(capacity_a: i64, present: &[i64]) -> Vec<i64> {
    decide(capacity_a, present, &Rules::default()).into_iter().map(|(limit, _)| limit).collect()
}

#[test]
fn a_small_rise_is_left_out_and_said() {
    let found = decide(218, &[100, 100], &Rules::default());
    assert_eq!(found, [(100, Reason::Held), (100, Reason::Held)]);
    assert_eq!(kept(220, &[100, 100]), [110, 110]);
}

#[test]
fn the_larger_one_of_both_dead_bands_counts() {
    assert_eq!(kept(628, &[300, 300]), [300, 300]);
    assert_eq!(kept(630, &[300, 300]), [315, 315]);
}

#[test]
fn a_fall_is_never_delayed_and_costs_as_few_as_possible() {
    assert_eq!(kept(199, &[100, 100]), [100, 99]);
    assert_eq!(kept(150, &[100, 100]), [75, 75]);
    // The second one is above its share by less than the dead-band, and keeps it as long as it fits.
    assert_eq!(kept(200, &[95, 105]), [95, 105]);
    assert_eq!(kept(195, &[95, 105]), [95, 97]);
}

#[test]
fn a_large_rise_is_spread_if_the_rules_say_so() {
    let rules = Rules { rise_a: Some(20), ..Rules::default() };
    let limits = |present: &[i64]| {
        decide(400, present, &rules).into_iter().map(|(limit, _)| limit).collect::<Vec<_>>()
    };
    assert_eq!(limits(&[100, 180]), [120, 200]);
    // One that starts gets its minimum.
    assert_eq!(limits(&[0, 300]), [60, 200]);
    assert_eq!(decide(400, &[100, 190], &rules)[0].1, Reason::Held);
}

#[test]
fn a_present_limit_that_is_not_possible_any_more_is_not_kept() {
    let mut car = Session { present_a: Some(105), step_a: 10, ..session("a") };
    let limit = |car: &Session| {
        distribute(&flat(100), std::slice::from_ref(car), &Rules::default()).expect("it is valid").shares[0]
            .limit_a
    };
    assert_eq!(limit(&car), 100);
    car = Session { present_a: Some(95), maximum_a: 90, ..session("a") };
    assert_eq!(limit(&car), 90);
}

fn with_present() -> impl Strategy<Value = Scene> {
    let rules = (0..40_i64, 0..20_i64, prop_oneof![Just(None), (1..100_i64).prop_map(Some)]);
    let present = prop::collection::vec(prop_oneof![1 => Just(None), 5 => (0..400_i64).prop_map(Some)], 18);
    (scene(), rules, present).prop_map(|(mut scene, (dead_band_a, dead_band_percent, rise_a), present)| {
        scene.rules = Rules { dead_band_a, dead_band_percent, rise_a, ..scene.rules };
        for (session, present) in scene.sessions.iter_mut().zip(present) {
            // Often a limit that the session could have.
            session.present_a = present.map(|present| match present % 3 {
                0 => present,
                _ => {
                    present.clamp(session.lowest_step(), session.highest_step().max(session.lowest_step()))
                        / session.step_a
                        * session.step_a
                }
            });
        }
        scene
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_limit_is_passed_and_no_limit_is_far_from_the_one_that_was_found(scene in with_present()) {
        let mut forgetful = scene.clone();
        for session in &mut forgetful.sessions {
            session.present_a = None;
        }
        let solve = |scene: &Scene| {
            distribute(&scene.site, &scene.sessions, &scene.rules).expect("generated sites are valid")
        };
        let (found, target) = (solve(&scene), solve(&forgetful));
        let given = as_given(&scene, &found);
        let currents: Vec<i64> = found.shares.iter().map(|share| share.limit_a).collect();
        for limit in limits(&scene.site) {
            let room = room(&given, &limit, &currents);
            prop_assert!(room >= 0 || limit.capacity == room, "{limit:?}");
        }
        for ((session, share), target) in scene.sessions.iter().zip(&found.shares).zip(&target.shares) {
            prop_assert_eq!(share.limit_a % session.step_a, 0);
            if session.lowest_step() > 0 {
                prop_assert_eq!(share.limit_a > 0, target.limit_a > 0);
            }
            prop_assert_eq!(share.phases, target.phases);
            let current = share.limit_a;
            prop_assert!(current == 0 || (session.lowest_step()..=session.highest_step()).contains(&current));
            if share.reason == Reason::Held {
                let present = session.present_a.expect("nothing else is held");
                let band = scene.rules.dead_band_a.max(present * scene.rules.dead_band_percent / 100);
                let is_close = current == present && (target.limit_a - present).abs() < band;
                let rises = scene.rules.rise_a.is_some() && current < target.limit_a;
                prop_assert!(is_close || rises, "{session:?}: {share:?}, {target:?}");
            } else {
                prop_assert_eq!(current, target.limit_a);
            }
        }
    }
}
