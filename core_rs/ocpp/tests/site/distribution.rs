//! Distributions worked out by hand.

use crate::building::{flat, node, on, phases, session, site};
use ocpp_core::site::{
    Activity, Distribution, Node, Phase, PhaseRotation, Place, Quantity, Reason, Reserve, Rules, Session,
    Site, distribute,
};

fn solve(site: &Site, sessions: &[Session]) -> Distribution {
    distribute(site, sessions, &Rules::default()).expect("the input is valid")
}

fn limits(distribution: &Distribution) -> Vec<i64> {
    distribution.shares.iter().map(|share| share.limit_a).collect()
}

fn reasons(distribution: &Distribution) -> Vec<Reason> {
    distribution.shares.iter().map(|share| share.reason).collect()
}

/// L1, L2, L3 and power.
fn allocated(distribution: &Distribution, node: usize) -> [i64; 4] {
    [0, 1, 2, 3].map(|quantity| distribution.loadings[node][quantity].allocated)
}

const fn place(node: usize, quantity: Quantity) -> Place {
    Place { node, quantity }
}

fn four() -> Vec<Session> {
    ["car-1", "car-2", "car-3", "car-4"].map(session).to_vec()
}

#[test]
fn d1_equal_cars_share_equally() {
    let found = solve(&flat(800), &four());
    assert_eq!(limits(&found), [200; 4]);
    assert_eq!(reasons(&found), [Reason::Limit(place(0, Quantity::L1)); 4]);
    assert_eq!(allocated(&found, 0), [800, 800, 800, 800 * 3 * 230]);
}

#[test]
fn d2_what_one_car_cannot_take_the_others_get() {
    let mut sessions = four();
    sessions[0].maximum_a = 100;
    let found = solve(&flat(800), &sessions);
    assert_eq!(limits(&found), [100, 234, 233, 233]);
    assert_eq!(found.shares[0].reason, Reason::OwnMaximum);
}

#[test]
fn d3_the_car_whose_minimum_does_not_fit_waits() {
    let found = solve(&flat(200), &four());
    assert_eq!(limits(&found), [67, 67, 66, 0]);
    assert_eq!(found.shares[3].reason, Reason::Waiting(place(0, Quantity::L1)));
}

#[test]
fn d3_the_waiting_car_gets_its_turn_after_a_quantum() {
    let mut sessions = four();
    for (session, charging_for_s) in sessions.iter_mut().zip([900, 890, 880]) {
        session.activity = Activity::Charging(charging_for_s);
    }
    sessions[3].connected_for_s = 900;
    assert_eq!(limits(&solve(&flat(200), &sessions)), [0, 67, 67, 66]);
}

#[test]
fn d4_each_phase_is_shared_by_those_who_load_it() {
    let sessions = [on(Phase::L1, "a"), on(Phase::L1, "b"), session("c"), on(Phase::L2, "d")];
    let found = solve(&flat(400), &sessions);
    assert_eq!(limits(&found), [134, 133, 133, 267]);
    assert_eq!(allocated(&found, 0)[..3], [400, 400, 133]);
    assert_eq!(found.shares[2].reason, Reason::Limit(place(0, Quantity::L1)));
    assert_eq!(found.shares[3].reason, Reason::Limit(place(0, Quantity::L2)));
}

#[test]
fn a_feeder_binds_its_own_sessions_only() {
    let site = site(vec![node("site", None, 600), node("feeder", Some("site"), 200)]);
    let mut sessions = four();
    sessions[0].node = "feeder".to_owned();
    sessions[1].node = "feeder".to_owned();
    let found = solve(&site, &sessions);
    assert_eq!(limits(&found), [100, 100, 200, 200]);
    assert_eq!(found.shares[0].reason, Reason::Limit(place(1, Quantity::L1)));
    assert_eq!(found.shares[2].reason, Reason::Limit(place(0, Quantity::L1)));
}

#[test]
fn a_limit_in_watts_counts_every_phase() {
    let limit_w = Some(220_800); // 22.08 kW = 32 A on three phases
    let site = site(vec![Node { limit_a: None, limit_w, ..node("site", None, 0) }]);
    let found = solve(&site, &[session("three-phase"), on(Phase::L1, "x-one-phase")]);
    // 24 A x 3 x 230 V + 24 A x 230 V = 22 080 W
    assert_eq!(limits(&found), [240, 240]);
    assert_eq!(found.shares[0].reason, Reason::Limit(place(0, Quantity::Power)));
}

#[test]
fn the_rotation_of_a_connector_decides_which_phase_its_car_loads() {
    let rotated = |id: &str, phase_rotation| Session { phase_rotation, ..on(Phase::L1, id) };
    let sessions = [
        rotated("a", PhaseRotation::Rst),
        rotated("b", PhaseRotation::Str),
        rotated("c", PhaseRotation::Trs),
    ];
    assert_eq!(limits(&solve(&flat(200), &sessions)), [200; 3]);
    let unknown = rotated("d", PhaseRotation::Unknown);
    let found = solve(&flat(200), &[sessions[0].clone(), unknown]);
    assert_eq!(limits(&found), [100, 100]);
    // The unknown one may be on any phase; its power is that of one phase.
    assert_eq!(allocated(&found, 0), [200, 100, 100, 200 * 230]);
}

#[test]
fn margins_loads_and_reserves_come_off_every_node_above() {
    let mut site = site(vec![node("site", None, 800), node("feeder", Some("site"), 400)]);
    site.nodes[0].margin_a = 20;
    site.nodes[0].uncontrolled_a = [300, 0, 0];
    site.nodes[1].uncontrolled_a = [100, 0, 0];
    site.reserves.push(Reserve {
        id: "offline".to_owned(),
        node: "feeder".to_owned(),
        current_a: 160,
        phases: phases(&[Phase::L1]),
        phase_rotation: PhaseRotation::Str,
    });
    let at_feeder = |phase, id| Session { node: "feeder".to_owned(), ..on(phase, id) };
    let found = solve(&site, &[at_feeder(Phase::L1, "a"), at_feeder(Phase::L2, "b"), on(Phase::L1, "c")]);
    let capacities = |node: usize| [0, 1, 2, 3].map(|quantity| found.loadings[node][quantity].capacity());
    assert_eq!(capacities(0), [Some(380), Some(620), Some(780), None]);
    assert_eq!(capacities(1), [Some(300), Some(240), Some(400), None]);
    assert_eq!(limits(&found), [190, 240, 190]);
    assert_eq!(found.loadings[0][3].reserved, 160 * 230);
}

#[test]
fn a_node_that_is_over_its_limit_without_us_gives_nothing() {
    let mut site = flat(100);
    site.nodes[0].uncontrolled_a = [150, 0, 0];
    let found = solve(&site, &[session("a"), on(Phase::L2, "b")]);
    assert_eq!(limits(&found), [0, 100]);
    assert_eq!(found.shares[0].reason, Reason::Waiting(place(0, Quantity::L1)));
}

#[test]
fn weights_divide_within_a_class() {
    let mut sessions = [session("a"), session("b")];
    sessions[0].weight = 20;
    assert_eq!(limits(&solve(&flat(300), &sessions)), [200, 100]);
    // A small weight does not take anything from the minimum.
    assert_eq!(limits(&solve(&flat(150), &sessions)), [90, 60]);
}

#[test]
fn steps_of_a_whole_ampere_are_kept() {
    let mut sessions = [session("a"), session("b")];
    sessions[1].step_a = 10;
    // 12.5 A each would be even; what is too little for the coarse one goes to the fine one.
    assert_eq!(limits(&solve(&flat(250), &sessions)), [130, 120]);
    assert_eq!(limits(&solve(&flat(249), &sessions)), [129, 120]);
    sessions[0].step_a = 10;
    assert_eq!(limits(&solve(&flat(249), &sessions)), [120, 120]);
    sessions[0].minimum_a = 65;
    assert_eq!(limits(&solve(&flat(70), &sessions[..1])), [70]);
}

#[test]
fn a_higher_class_is_filled_first_and_the_lower_keeps_its_minimum() {
    let mut sessions = four();
    sessions[2].priority = 1;
    assert_eq!(limits(&solve(&flat(500), &sessions)), [60, 60, 320, 60]);
    let strict = Rules { strict_priority: true, ..Rules::default() };
    let found = distribute(&flat(400), &sessions, &strict).expect("the input is valid");
    assert_eq!(limits(&found), [80, 0, 320, 0]);
}

#[test]
fn whose_turn_it_is() {
    let activities = [
        ("turn over", Activity::Charging(900)),
        ("in its turn", Activity::Charging(899)),
        ("just started", Activity::Charging(299)),
        ("waiting", Activity::Paused(400)),
        ("new", Activity::New),
    ];
    let sessions: Vec<Session> =
        activities.iter().map(|(id, activity)| Session { activity: *activity, ..session(id) }).collect();
    let admitted = |amperes: i64| {
        let found = solve(&flat(amperes), &sessions);
        let charging = sessions.iter().zip(&found.shares).filter(|(_, share)| share.limit_a > 0);
        charging.map(|(session, _)| session.id.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(admitted(60), ["just started"]);
    assert_eq!(admitted(120), ["in its turn", "just started"]);
    assert_eq!(admitted(180), ["in its turn", "just started", "waiting"]);
    assert_eq!(admitted(240), ["in its turn", "just started", "waiting", "new"]);
    assert_eq!(admitted(300).len(), 5);
}

#[test]
fn who_has_just_paused_rests() {
    let resting = Session { activity: Activity::Paused(100), ..session("a") };
    let found = solve(&flat(800), &[resting]);
    assert_eq!(limits(&found), [0]);
    assert_eq!(found.shares[0].reason, Reason::Resting { remaining_s: 200 });
}

#[test]
fn room_is_kept_for_a_large_minimum_that_has_waited_long() {
    let charging = |id, for_s| Session { activity: Activity::Charging(for_s), ..session(id) };
    let mut large = Session { activity: Activity::Paused(900), ..session("large") };
    large.minimum_a = 160;
    let sessions = [charging("a", 100), charging("b", 1000), large.clone()];
    let found = solve(&flat(200), &sessions);
    assert_eq!(limits(&found), [200, 0, 0]);
    assert_eq!(found.shares[1].reason, Reason::KeptFor { place: place(0, Quantity::L1), session: 2 });
    assert_eq!(found.shares[2].reason, Reason::Waiting(place(0, Quantity::L1)));
    // Where it could never fit, nothing is kept for it.
    assert_eq!(limits(&solve(&flat(150), &sessions)), [75, 75, 0]);
    // As soon as the others have had their turn, it charges.
    let sessions = [charging("a", 900), Session { activity: Activity::Paused(60), ..session("b") }, large];
    assert_eq!(limits(&solve(&flat(200), &sessions)), [0, 0, 200]);
}

#[test]
fn no_sessions_and_no_limit_below_the_top_are_fine() {
    assert!(solve(&flat(0), &[]).shares.is_empty());
    let site = site(vec![node("site", None, 100), Node { limit_a: None, ..node("row", Some("site"), 0) }]);
    let found = solve(&site, &[Session { node: "row".to_owned(), ..session("a") }]);
    assert_eq!(limits(&found), [100]);
    assert_eq!((found.loadings[1][0].limit, found.loadings[1][0].allocated), (None, 100));
}

#[test]
fn a_session_that_cannot_charge_costs_nobody_else_an_answer() {
    let mut sessions = four();
    sessions[0].maximum_a = 50;
    (sessions[1].minimum_a, sessions[1].maximum_a, sessions[1].step_a) = (61, 69, 10);
    let found = solve(&flat(400), &sessions);
    assert_eq!(limits(&found), [0, 0, 200, 200]);
    assert_eq!(reasons(&found)[..2], [Reason::CannotCharge; 2]);
}

#[test]
fn what_feeds_in_at_a_node_is_there_for_its_sessions_and_for_those_beside_it() {
    let mut site = site(vec![node("site", None, 200), node("feeder", Some("site"), 100)]);
    site.nodes[1].uncontrolled_a = [-60, -60, -60];
    let at_feeder = Session { node: "feeder".to_owned(), ..session("a") };
    let found = solve(&site, &[at_feeder, session("b")]);
    assert_eq!(limits(&found), [130, 130]);
    assert_eq!(found.loadings[0][3].uncontrolled, -180 * 230);
    assert!(found.overloads.is_empty());
}

#[test]
fn a_limit_that_is_exceeded_without_sessions_is_named() {
    let mut site = site(vec![node("site", None, 200), node("feeder", Some("site"), 100)]);
    site.nodes[1].uncontrolled_a = [130, 95, -120];
    site.nodes[1].margin_a = 10;
    let found = solve(&site, &[]);
    let named: Vec<(Place, i64)> = found.overloads.iter().map(|each| (each.place, each.excess)).collect();
    // The margin of L2 is used, but its limit is not exceeded. L3 feeds in more than the feeder carries.
    assert_eq!(named, [(place(1, Quantity::L1), 30), (place(1, Quantity::L3), 20)]);
    site.nodes[0].limit_w = Some(230_000);
    site.nodes[0].uncontrolled_a = [0, 900, 0];
    let named: Vec<Place> = solve(&site, &[]).overloads.iter().map(|each| each.place).collect();
    assert_eq!(named[..2], [place(0, Quantity::L2), place(0, Quantity::Power)]);
}

#[test]
fn a_limit_below_6_a_is_marked() {
    let mut low = session("a");
    low.minimum_a = 40;
    let marked = |amperes| solve(&flat(amperes), &[low.clone()]).shares[0].is_below_signalled();
    assert_eq!([marked(39), marked(40), marked(59), marked(60)], [false, true, true, false]);
}
