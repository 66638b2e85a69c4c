//! Input that is not a site is refused, each fault with its place.

use crate::building::{flat, node, session, site};
use ocpp_core::site::{Fault, Node, PhaseSet, Reserve, Rules, Session, Site, distribute};

fn faults(site: &Site, sessions: &[Session], rules: &Rules) -> Vec<(String, &'static str)> {
    let found = distribute(site, sessions, rules).expect_err("it is refused");
    found.into_iter().map(|Fault { pointer, code, .. }| (pointer, code)).collect()
}

fn of_nodes(nodes: Vec<Node>) -> Vec<(String, &'static str)> {
    faults(&site(nodes), &[], &Rules::default())
}

fn of_session(change: impl Fn(&mut Session)) -> Vec<(String, &'static str)> {
    let mut changed = session("a");
    change(&mut changed);
    faults(&flat(100), &[changed], &Rules::default())
}

fn one(pointer: &str, code: &'static str) -> Vec<(String, &'static str)> {
    vec![(pointer.to_owned(), code)]
}

#[test]
fn a_site_is_a_tree() {
    assert_eq!(of_nodes(vec![]), one("/nodes", "too_short"));
    let top = || node("site", None, 100);
    assert_eq!(of_nodes(vec![top(), node("b", Some("c"), 1)]), one("/nodes/1/parent", "unknown_node"));
    assert_eq!(of_nodes(vec![top(), node("b", None, 1)]), one("/nodes/1/parent", "second_root"));
    assert_eq!(of_nodes(vec![node("a", Some("a"), 1)]), one("/nodes/0/parent", "cycle"));
    let cycle =
        |last: &str| vec![top(), node("a", Some("b"), 1), node("b", Some("c"), 1), node("c", Some(last), 1)];
    assert_eq!(of_nodes(cycle("a")), one("/nodes/1/parent", "cycle"));
    // Only the cycle is named, not what leads into it.
    assert_eq!(of_nodes(cycle("b")), one("/nodes/2/parent", "cycle"));
    assert!(distribute(&site(cycle("site")), &[], &Rules::default()).is_ok());
}

#[test]
fn a_tree_has_a_depth() {
    let chain = |length: usize| {
        let name = |index: usize| format!("node-{index}");
        (0..length)
            .map(|index| node(&name(index), index.checked_sub(1).map(name).as_deref(), 100))
            .collect::<Vec<_>>()
    };
    assert!(distribute(&site(chain(16)), &[], &Rules::default()).is_ok());
    assert_eq!(of_nodes(chain(18)), one("/nodes/16/parent", "too_deep"));
    let mut upside_down = chain(17);
    upside_down.reverse();
    assert_eq!(of_nodes(upside_down), one("/nodes/0/parent", "too_deep"));
}

#[test]
fn names_are_unique_and_known() {
    assert_eq!(
        of_nodes(vec![node("site", None, 1), node("site", Some("site"), 1)]),
        one("/nodes/1/id", "duplicate_id")
    );
    let sessions = [session("a"), session("b"), session("a")];
    assert_eq!(faults(&flat(100), &sessions, &Rules::default()), one("/sessions/2/id", "duplicate_id"));
    assert_eq!(
        of_session(|each| each.node = "elsewhere".to_owned()),
        one("/sessions/0/node", "unknown_node")
    );
}

#[test]
fn numbers_have_bounds() {
    let unlimited = Node { limit_a: None, ..node("site", None, 0) };
    assert_eq!(of_nodes(vec![unlimited]), one("/nodes/0/limit_a", "missing"));
    let negative = Node { limit_a: Some([100, -1, 100]), ..node("site", None, 0) };
    assert_eq!(of_nodes(vec![negative]), one("/nodes/0/limit_a/L2", "too_small"));
    let odd = Node {
        limit_w: Some(i64::MAX),
        margin_a: -1,
        margin_w: -1,
        uncontrolled_a: [-1_000_001, -1, i64::MAX],
        unbalance_a: Some(-1),
        ..node("site", None, 100)
    };
    let expected = [
        ("/nodes/0/uncontrolled_a/L1", "too_small"),
        ("/nodes/0/uncontrolled_a/L3", "too_large"),
        ("/nodes/0/limit_w", "too_large"),
        ("/nodes/0/unbalance_a", "too_small"),
        ("/nodes/0/margin_a", "too_small"),
        ("/nodes/0/margin_w", "too_small"),
    ];
    assert_eq!(of_nodes(vec![odd]), expected.map(|(pointer, code)| (pointer.to_owned(), code)));
    let voltage = Site { nominal_voltage: 0, ..flat(100) };
    assert_eq!(faults(&voltage, &[], &Rules::default()), one("/nominal_voltage", "too_small"));
}

#[test]
fn a_session_has_numbers_in_their_bounds() {
    assert_eq!(of_session(|each| each.minimum_a = -1), one("/sessions/0/minimum_a", "too_small"));
    assert_eq!(of_session(|each| each.step_a = 0), one("/sessions/0/step_a", "too_small"));
    assert_eq!(of_session(|each| each.weight = 0), one("/sessions/0/weight", "too_small"));
    assert_eq!(of_session(|each| each.phases = PhaseSet::default()), one("/sessions/0/phases", "missing"));
    assert_eq!(of_session(|each| each.present_a = Some(-1)), one("/sessions/0/present_a", "too_small"));
}

#[test]
fn reserves_and_turns_are_judged_too() {
    let reserve = Reserve {
        id: "offline".to_owned(),
        node: "nowhere".to_owned(),
        current_a: -1,
        phases: PhaseSet::ALL,
        phase_rotation: ocpp_core::site::PhaseRotation::Unknown,
    };
    let site = Site { reserves: vec![reserve], ..flat(100) };
    let rules = Rules {
        minimum_on_s: 901,
        dead_band_a: -1,
        dead_band_percent: 101,
        rise_a: Some(0),
        ..Rules::default()
    };
    let expected = [
        ("/reserves/0/node", "unknown_node"),
        ("/reserves/0/current_a", "too_small"),
        ("/rotation/minimum_on_s", "above_quantum"),
        ("/steadiness/dead_band_a", "too_small"),
        ("/steadiness/dead_band_percent", "too_large"),
        ("/steadiness/rise_a", "too_small"),
    ];
    let expected = expected.map(|(pointer, code)| (pointer.to_owned(), code));
    assert_eq!(faults(&site, &[], &rules), expected);
}

#[test]
fn the_largest_numbers_do_no_harm() {
    use ocpp_core::site::{CURRENT_MAXIMUM, POWER_MAXIMUM, VOLTAGE_MAXIMUM, WEIGHT_MAXIMUM};
    let mut site = flat(CURRENT_MAXIMUM);
    site.nominal_voltage = VOLTAGE_MAXIMUM;
    site.nodes[0].limit_w = Some(POWER_MAXIMUM);
    let largest =
        |id: &str, weight| Session { minimum_a: 0, maximum_a: CURRENT_MAXIMUM, weight, ..session(id) };
    let sessions = [largest("a", WEIGHT_MAXIMUM), largest("b", 1), largest("c", 7_919)];
    let found = distribute(&site, &sessions, &Rules::default()).expect("it is valid");
    let sum: i64 = found.shares.iter().map(|share| share.limit_a).sum();
    assert_eq!(sum, CURRENT_MAXIMUM);
}

/// Each step that differs may cost another look at all sessions: with thousands of them, one question would occupy a
/// core for half a minute.
#[test]
fn the_steps_of_a_site_are_few() {
    let of_step = |(index, step_a): (usize, i64)| Session { step_a, ..session(&index.to_string()) };
    let sessions: Vec<Session> = (1..=33).chain([1]).enumerate().map(of_step).collect();
    assert_eq!(
        faults(&flat(100), &sessions, &Rules::default()),
        one("/sessions/32/step_a", "too_many_steps")
    );
    assert!(distribute(&flat(100), &sessions[..32], &Rules::default()).is_ok());
}
