//! What holds for every site (I1 to I8), checked by sums of our own on random trees.
//!
//! A long run: `PROPTEST_CASES=100000 cargo test -p ocpp-core --release --test site invariants`.

use std::cell::Cell;

use crate::building::random::{Scene, flat_scene, scene};
use crate::building::verification::{Limit, as_given, highest, limits, load, lowest, room};
use crate::building::{flat, naive};
use ocpp_core::site::{Activity, Distribution, Reason, Rules, Session, Site, distribute};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};

/// A failure becomes a test by hand; nothing is written next to the sources.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn solve(site: &Site, sessions: &[Session], rules: &Rules) -> Distribution {
    distribute(site, sessions, rules).expect("generated sites are valid")
}

fn currents(scene: &Scene) -> Vec<i64> {
    solved(scene).1
}

/// The distribution, its currents, and the scene with the phases that it gives.
fn solved(scene: &Scene) -> (Distribution, Vec<i64>, Scene) {
    let found = solve(&scene.site, &scene.sessions, &scene.rules);
    let currents = found.shares.iter().map(|share| share.limit_a).collect();
    let given = as_given(scene, &found);
    (found, currents, given)
}

/// Run a check on random scenes; at least this share (in percent) must be of the kind that the check is
/// about.
fn hold(least_percent: u32, check: impl Fn(&Scene) -> Result<bool, TestCaseError>) {
    let (all, telling) = (Cell::new(0_u32), Cell::new(0_u32));
    let mut runner = TestRunner::new(config());
    let result = runner.run(&scene(), |scene| -> TestCaseResult {
        all.set(all.get() + 1);
        telling.set(telling.get() + u32::from(check(&scene)?));
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    let percent = telling.get() * 100 / all.get();
    assert!(percent >= least_percent, "only {percent} % of the scenes say anything");
}

fn is_admitted(reason: Reason) -> bool {
    matches!(reason, Reason::OwnMaximum | Reason::Limit(_))
}

#[test]
fn i1_no_limit_is_passed() {
    hold(55, |scene| {
        let (_, found, given) = solved(scene);
        let mut any_full = false;
        for limit in limits(&scene.site) {
            let room = room(&given, &limit, &found);
            let used = limit.capacity - room;
            prop_assert!(room >= 0 || used == 0, "{limit:?} carries {used}");
            any_full |= used > 0 && room < 10;
        }
        Ok(any_full)
    });
}

#[test]
fn i2_a_limit_is_zero_or_a_step_between_minimum_and_maximum() {
    hold(70, |scene| {
        let found = solve(&scene.site, &scene.sessions, &scene.rules);
        for (session, share) in scene.sessions.iter().zip(&found.shares) {
            let current = share.limit_a;
            let within = (session.minimum_a..=session.maximum_a).contains(&current);
            let cannot = lowest(session) > highest(session);
            prop_assert_eq!(share.reason == Reason::CannotCharge, cannot);
            let all = share.phases == session.phases;
            let one = session.can_switch_phases && share.phases.count() == 1 && is_admitted(share.reason);
            prop_assert!(all || one, "{:?}", share.phases);
            prop_assert!(if is_admitted(share.reason) { within } else { current == 0 }, "{}", session.id);
            prop_assert_eq!(current % session.step_a, 0);
        }
        Ok(found.shares.iter().any(|share| share.limit_a > 0))
    });
}

#[test]
fn i3_nobody_can_gain_a_step_and_reasons_are_true() {
    hold(50, |scene| {
        let (found, currents, given) = solved(scene);
        let (scene, limits) = (&given, limits(&scene.site));
        for (index, (session, share)) in scene.sessions.iter().zip(&found.shares).enumerate() {
            let full = |node: usize, quantity: usize, needed: i64| {
                let node = &scene.site.nodes[node].id;
                let mut of_node = limits.iter().filter(|limit| limit.node == *node);
                let limit = of_node.find(|limit| limit.what.quantity() == quantity);
                let limit = limit.expect("a reason names a limit that there is");
                load(&scene.site, session, limit, needed) > room(scene, limit, &currents)
            };
            match share.reason {
                Reason::OwnMaximum => prop_assert_eq!(share.limit_a, highest(session)),
                Reason::Limit(place) => {
                    prop_assert!(share.limit_a < highest(session));
                    prop_assert!(full(place.node, place.quantity as usize, session.step_a));
                    prop_assert!(!naive::step_fits(scene, &limits, &currents, index));
                }
                Reason::Waiting(place) => {
                    let needed = lowest(session).max(1);
                    prop_assert!(full(place.node, place.quantity as usize, needed), "{}", session.id);
                }
                Reason::KeptFor { session: other, .. } => {
                    prop_assert!(matches!(found.shares[other].reason, Reason::Waiting(_)));
                    prop_assert_eq!(scene.sessions[other].priority, session.priority);
                    prop_assert!(scene.sessions[other].waiting_s() >= scene.rules.quantum_s);
                }
                Reason::Resting { remaining_s } => match session.activity {
                    Activity::Paused(for_s) => {
                        prop_assert_eq!(for_s + remaining_s, scene.rules.minimum_off_s);
                    }
                    other => prop_assert!(false, "{other:?} rests"),
                },
                Reason::CannotCharge => prop_assert!(!session.can_charge()),
                Reason::Held => prop_assert!(false, "no present limit is known"),
            }
        }
        Ok(found.shares.iter().any(|share| matches!(share.reason, Reason::Limit(_))))
    });
}

/// What others of its class could give up at a limit while all of them stay better off, for their weights,
/// than the session is now.
fn spare(scene: &Scene, limit: &Limit, currents: &[i64], session: usize) -> i64 {
    let one = &scene.sessions[session];
    let others = scene.sessions.iter().enumerate().filter(|(index, other)| {
        *index != session && other.priority == one.priority && load(&scene.site, other, limit, 1) > 0
    });
    others
        .map(|(index, other)| {
            let mut left = currents[index];
            while left - other.step_a >= lowest(other)
                && (left - other.step_a) * one.weight > currents[session] * other.weight
            {
                left -= other.step_a;
            }
            load(&scene.site, other, limit, currents[index] - left)
        })
        .sum()
}

#[test]
fn i4_to_raise_one_is_to_lower_another_that_has_no_more_for_its_weight() {
    hold(40, |scene| {
        let (found, currents, given) = solved(scene);
        let (scene, limits) = (&given, limits(&scene.site));
        let mut shared = false;
        for (index, session) in scene.sessions.iter().enumerate() {
            if !matches!(found.shares[index].reason, Reason::Limit(_)) {
                continue;
            }
            let bottleneck = limits.iter().find(|limit| {
                let step = load(&scene.site, session, limit, session.step_a);
                step > room(scene, limit, &currents) + spare(scene, limit, &currents, index)
            });
            prop_assert!(bottleneck.is_some(), "{} could have more", session.id);
            shared |= bottleneck.is_some_and(|limit| {
                scene.sessions.iter().zip(&currents).enumerate().any(|(other, (each, current))| {
                    other != index && load(&scene.site, each, limit, *current) > 0
                })
            });
        }
        Ok(shared)
    });
}

#[test]
fn i5_a_lower_class_takes_its_admitted_minimum_at_most() {
    hold(20, |scene| {
        let mut lowered = scene.clone();
        for session in &mut lowered.sessions {
            session.priority += 1;
        }
        let Some(last) = lowered.sessions.last_mut() else { return Ok(false) };
        last.priority = 0;
        if !lowered.rules.strict_priority {
            // No session waits so long that room is kept: that depends on the capacity, which a reserve lowers.
            lowered.rules.quantum_s = u32::MAX;
        }
        let (found, all, _) = solved(&lowered);
        let last = lowered.sessions.pop().expect("there is one");
        let phases = found.shares.last().expect("there is one").phases;
        let admitted = *all.last().expect("there is one") > 0;
        if admitted && !lowered.rules.strict_priority {
            // Its minimum, as a load that is not controlled.
            lowered.site.reserves.push(ocpp_core::site::Reserve {
                id: "the last one".to_owned(),
                node: last.node.clone(),
                current_a: lowest(&last),
                phases,
                phase_rotation: last.phase_rotation,
            });
        }
        let without = currents(&lowered);
        prop_assert_eq!(&all[..without.len()], &without[..]);
        Ok(admitted)
    });
}

#[test]
fn i6_the_order_of_the_input_does_not_matter() {
    hold(75, |scene| {
        let mut turned = scene.clone();
        turned.sessions.reverse();
        turned.site.nodes.reverse();
        turned.site.reserves.reverse();
        let half = turned.sessions.len() / 2;
        turned.sessions.rotate_left(half);
        let by_name = |scene: &Scene| {
            let found = solve(&scene.site, &scene.sessions, &scene.rules);
            let mut named: Vec<(String, i64)> = (scene.sessions.iter().zip(&found.shares))
                .map(|(session, share)| (session.id.clone(), share.limit_a))
                .collect();
            named.sort();
            named
        };
        prop_assert_eq!(by_name(scene), by_name(&turned));
        Ok(scene.sessions.len() > 2)
    });
}

#[test]
fn i7_on_a_flat_site_more_capacity_never_lowers_the_sorted_currents() {
    let mut runner = TestRunner::new(config());
    let result = runner.run(&flat_scene(), |(sessions, capacity, more)| -> TestCaseResult {
        let [less, more] = [capacity, more].map(|capacity| {
            let found = solve(&flat(capacity), &sessions, &Rules::default());
            let mut currents: Vec<i64> = found.shares.iter().map(|share| share.limit_a).collect();
            currents.sort_unstable();
            currents
        });
        prop_assert!(less <= more, "{less:?} {more:?}");
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn i8_the_same_input_gives_the_same_distribution() {
    hold(90, |scene| {
        let first = solve(&scene.site, &scene.sessions, &scene.rules);
        let again = solve(&scene.site.clone(), &scene.sessions.clone(), &scene.rules);
        prop_assert_eq!(first, again);
        Ok(!scene.sessions.is_empty())
    });
}

#[test]
fn the_filling_is_that_of_single_steps() {
    hold(65, |scene| {
        let mut scene = scene.clone();
        // In strict mode, who is admitted depends on what was filled before.
        scene.rules.strict_priority = false;
        let (found, currents, given) = solved(&scene);
        let admitted: Vec<bool> = found.shares.iter().map(|share| is_admitted(share.reason)).collect();
        let minima: Vec<i64> = (scene.sessions.iter().zip(&admitted))
            .map(|(session, admitted)| if *admitted { lowest(session) } else { 0 })
            .collect();
        let filled = naive::filled(&given, &minima, &admitted);
        prop_assert_eq!(&currents, &filled);
        Ok(filled != minima)
    });
}

#[test]
fn loadings_are_the_sums_of_what_flows() {
    hold(70, |scene| {
        let (found, currents, given) = solved(scene);
        for limit in limits(&scene.site) {
            let node = scene.site.nodes.iter().position(|node| node.id == limit.node).expect("it is there");
            let loading = found.loadings[node][limit.what.quantity()];
            prop_assert_eq!(loading.capacity(), Some(limit.capacity));
            prop_assert_eq!(limit.capacity - loading.allocated, room(&given, &limit, &currents));
        }
        Ok(currents.iter().any(|current| *current > 0))
    });
}
