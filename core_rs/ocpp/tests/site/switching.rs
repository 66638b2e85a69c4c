//! Charge points that can switch a session to one phase, and the unbalance of phases.

use crate::building::{flat, node, on, phases, session, site};
use ocpp_core::site::{
    Activity, Distribution, Node, Phase, PhaseRotation, PhaseSet, Place, Quantity, Reason, Reserve, Rules,
    Session, Site, distribute,
};

fn solve(site: &Site, sessions: &[Session]) -> Distribution {
    distribute(site, sessions, &Rules::default()).expect("the input is valid")
}

fn limits(found: &Distribution) -> Vec<i64> {
    found.shares.iter().map(|share| share.limit_a).collect()
}

/// A node that has so much on L1, and nothing for a three-phase session on L2 and L3.
fn narrow(l1: i64) -> Site {
    site(vec![Node { limit_a: Some([l1, 50, 50]), ..node("site", None, 0) }])
}

fn switchable(id: &str) -> Session {
    Session { can_switch_phases: true, ..session(id) }
}

#[test]
fn a_session_is_switched_to_one_phase_if_its_minimum_fits_on_one_only() {
    let found = solve(&narrow(200), &[switchable("a")]);
    assert_eq!(limits(&found), [200]);
    assert_eq!(found.shares[0].phases, phases(&[Phase::L1]));
    assert_eq!(found.shares[0].memory.single_phase_for_s, Some(0));
    assert_eq!(found.loadings[0].map(|loading| loading.allocated)[..4], [200, 0, 0, 200 * 230]);
    let fixed = solve(&narrow(200), &[session("a")]);
    assert_eq!((limits(&fixed), fixed.shares[0].phases), (vec![0], PhaseSet::ALL));
    // The wiring decides which phase of the grid that is.
    let turned = Session { phase_rotation: PhaseRotation::Str, ..switchable("a") };
    assert_eq!(limits(&solve(&narrow(200), &[turned])), [0]);
}

#[test]
fn a_session_has_all_phases_where_its_minimum_fits_on_all() {
    let found = solve(&flat(100), &[switchable("a")]);
    assert_eq!((limits(&found), found.shares[0].phases), (vec![100], PhaseSet::ALL));
    assert_eq!(found.shares[0].memory.single_phase_for_s, None);
    // A limit in watts: 3 kW are 13 A on one phase, and less than the minimum on three.
    let limit_w = Some(30_000);
    let weak = site(vec![Node { limit_a: None, limit_w, ..node("site", None, 0) }]);
    assert_eq!(limits(&solve(&weak, &[switchable("a")])), [130]);
}

#[test]
fn a_switched_session_is_not_switched_back_before_its_time() {
    let switched = |for_s| Session {
        single_phase_for_s: Some(for_s),
        activity: Activity::Charging(for_s),
        ..switchable("a")
    };
    let early = solve(&flat(320), &[switched(599)]);
    assert_eq!(early.shares[0].phases.count(), 1);
    assert_eq!(early.shares[0].memory.single_phase_for_s, Some(599));
    let late = solve(&flat(320), &[switched(600)]);
    assert_eq!((late.shares[0].phases.count(), late.shares[0].memory.single_phase_for_s), (3, None));
}

#[test]
fn one_that_fits_in_no_way_says_what_is_full_on_all_of_its_phases() {
    let found = solve(&narrow(59), &[switchable("a")]);
    let reason = Reason::Waiting(Place { node: 0, quantity: Quantity::L1 });
    assert_eq!((found.shares[0].limit_a, found.shares[0].reason), (0, reason));
    assert_eq!(found.shares[0].phases, PhaseSet::ALL);
}

fn balanced(unbalance_a: i64) -> Site {
    site(vec![Node { unbalance_a: Some(unbalance_a), ..node("site", None, 1_000) }])
}

#[test]
fn one_phase_exceeds_the_others_by_no_more_than_the_unbalance_limit() {
    let sessions = [on(Phase::L1, "a"), on(Phase::L1, "b"), on(Phase::L2, "c"), session("d")];
    let found = solve(&balanced(200), &sessions);
    assert_eq!(limits(&found), [100, 100, 200, 320]);
    assert_eq!(found.shares[0].reason, Reason::Limit(Place { node: 0, quantity: Quantity::UnbalanceL1 }));
    assert_eq!(found.loadings[0].map(|loading| loading.allocated)[4..], [200, 200, 0]);
}

#[test]
fn uncontrolled_loads_and_reserves_use_the_unbalance_up() {
    let mut site = balanced(200);
    site.nodes[0].uncontrolled_a = [80, -20, 0];
    let found = solve(&site, &[on(Phase::L1, "a"), on(Phase::L2, "b"), on(Phase::L3, "c")]);
    assert_eq!(limits(&found), [100, 200, 180]);
    site.reserves.push(Reserve {
        id: "offline".to_owned(),
        node: "site".to_owned(),
        current_a: 60,
        phases: phases(&[Phase::L1]),
        phase_rotation: PhaseRotation::Trs,
    });
    let found = solve(&site, &[on(Phase::L1, "a"), on(Phase::L2, "b"), on(Phase::L3, "c")]);
    assert_eq!(limits(&found), [100, 200, 120]);
}

#[test]
fn a_three_phase_session_unbalances_nothing_and_one_of_unknown_wiring_counts_on_every_phase() {
    let unknown = |session: Session| Session { phase_rotation: PhaseRotation::Unknown, ..session };
    assert_eq!(limits(&solve(&balanced(0), &[unknown(session("a"))])), [320]);
    let found = solve(&balanced(200), &[unknown(on(Phase::L2, "a")), on(Phase::L3, "b")]);
    assert_eq!(limits(&found), [100, 100]);
}
