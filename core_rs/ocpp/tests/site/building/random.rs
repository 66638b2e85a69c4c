//! Random sites and sessions: trees of every shape, contended more often than not.

use ocpp_core::site::{Activity, Node, Phase, PhaseRotation, PhaseSet, Reserve, Rules, Session, Site};
use proptest::prelude::*;

/// A site, its sessions, and the rules.
#[derive(Clone, Debug)]
pub struct Scene {
    pub site: Site,
    pub sessions: Vec<Session>,
    pub rules: Rules,
}

const ROTATIONS: [PhaseRotation; 8] = [
    PhaseRotation::Rst,
    PhaseRotation::Rts,
    PhaseRotation::Srt,
    PhaseRotation::Str,
    PhaseRotation::Trs,
    PhaseRotation::Tsr,
    PhaseRotation::NotApplicable,
    PhaseRotation::Unknown,
];

pub fn scene() -> impl Strategy<Value = Scene> {
    (prop::collection::vec(node_facts(), 1..9), prop::collection::vec(session_facts(), 1..18), rest())
        .prop_map(|(nodes, sessions, (reserves, nominal_voltage, rules))| {
            let count = nodes.len();
            let nodes = nodes.into_iter().enumerate().map(|(index, facts)| facts.node(index)).collect();
            let sessions =
                sessions.into_iter().enumerate().map(|(index, facts)| facts.session(index, count)).collect();
            let reserves =
                reserves.into_iter().enumerate().map(|(index, facts)| facts.reserve(index, count)).collect();
            Scene { site: Site { nominal_voltage, nodes, reserves }, sessions, rules }
        })
}

/// Sessions of one node with equal minima, weights, steps and phases; and two capacities, the second not
/// lower.
pub fn flat_scene() -> impl Strategy<Value = (Vec<Session>, i64, i64)> {
    (prop::collection::vec(0..400_i64, 1..10), 0..200_i64, 1..20_i64, 0..1500_i64, 0..200_i64).prop_map(
        |(spans, minimum_a, step_a, capacity, more)| {
            let sessions = spans.into_iter().enumerate().map(|(index, span)| Session {
                minimum_a,
                maximum_a: minimum_a + step_a + span,
                step_a,
                ..super::session(&format!("car-{index}"))
            });
            (sessions.collect(), capacity, capacity + more)
        },
    )
}

type Rest = (Vec<ReserveFacts>, i64, Rules);

fn rest() -> impl Strategy<Value = Rest> {
    let rules =
        (any::<bool>(), 0..1200_u32, 0..1200_u32, 0..600_u32).prop_map(|(strict_priority, one, two, off)| {
            let (minimum_on_s, quantum_s) = (one.min(two), one.max(two));
            Rules { strict_priority, quantum_s, minimum_on_s, minimum_off_s: off, ..Rules::default() }
        });
    (prop::collection::vec(reserve_facts(), 0..3), prop_oneof![Just(230_i64), Just(120), Just(277)], rules)
}

#[derive(Clone, Debug)]
struct NodeFacts {
    parent: prop::sample::Index,
    limit_a: Option<[i64; 3]>,
    limit_w: Option<i64>,
    margins: (i64, i64),
    uncontrolled_a: [i64; 3],
    unbalance_a: Option<i64>,
}

fn node_facts() -> impl Strategy<Value = NodeFacts> {
    let amperes = prop_oneof![1 => Just(0), 20 => 80..1500_i64];
    let limit = prop_oneof![
        1 => Just(None),
        4 => amperes.clone().prop_map(|limit| Some([limit; 3])),
        2 => prop::array::uniform3(amperes).prop_map(Some),
    ];
    let power = prop_oneof![3 => Just(None), 1 => (30_000..700_000_i64).prop_map(Some)];
    let load = prop_oneof![
        4 => Just([0; 3]),
        1 => prop::array::uniform3(0..100_i64),
        1 => prop::array::uniform3(-200..100_i64),
    ];
    let unbalance = prop_oneof![3 => Just(None), 1 => (0..300_i64).prop_map(Some)];
    let margins = prop_oneof![2 => Just((0, 0)), 1 => (0..30_i64, 0..5_000_i64)];
    (any::<prop::sample::Index>(), limit, power, margins, load, unbalance).prop_map(
        |(parent, limit_a, limit_w, margins, uncontrolled_a, unbalance_a)| NodeFacts {
            parent,
            limit_a,
            limit_w,
            margins,
            uncontrolled_a,
            unbalance_a,
        },
    )
}

impl NodeFacts {
    /// The first node is the top and has a limit.
    fn node(self, index: usize) -> Node {
        let limit_a = if index == 0 { Some(self.limit_a.unwrap_or([900; 3])) } else { self.limit_a };
        Node {
            id: format!("node-{index}"),
            parent: (index > 0).then(|| format!("node-{}", self.parent.index(index))),
            limit_a,
            limit_w: self.limit_w,
            margin_a: self.margins.0,
            margin_w: self.margins.1,
            uncontrolled_a: self.uncontrolled_a,
            unbalance_a: self.unbalance_a,
        }
    }
}

#[derive(Clone, Debug)]
struct SessionFacts {
    node: prop::sample::Index,
    phases: PhaseSet,
    phase_rotation: PhaseRotation,
    bounds: (i64, i64, i64),
    class: (u8, i64),
    activity: Activity,
    connected_for_s: u32,
    served_s: u32,
    can_switch_phases: bool,
    single_phase_for_s: Option<u32>,
}

fn phase_set() -> impl Strategy<Value = PhaseSet> {
    prop::sample::subsequence(Phase::ALL.to_vec(), 1..=3).prop_map(|phases| phases.into_iter().collect())
}

fn session_facts() -> impl Strategy<Value = SessionFacts> {
    let activity = prop_oneof![
        (0..2000_u32).prop_map(Activity::Charging),
        (0..2000_u32).prop_map(Activity::Paused),
        Just(Activity::New),
    ];
    let step = prop_oneof![3 => Just(1_i64), 1 => Just(10), 1 => 1..25_i64];
    let minimum = prop_oneof![4 => Just(60_i64), 2 => 0..200_i64];
    let weight = prop_oneof![3 => Just(10_i64), 1 => 1..50_i64];
    (
        any::<prop::sample::Index>(),
        phase_set(),
        prop::sample::select(ROTATIONS.to_vec()),
        (minimum, prop_oneof![1 => Just(0), 6 => 1..400_i64], step),
        (prop_oneof![3 => Just(0_u8), 1 => 1..3_u8], weight),
        activity,
        (0..4_u32, 0..3_u32, prop_oneof![2 => Just(None), 1 => (0..1200_u32).prop_map(Some)], 0..3_u8),
    )
        .prop_map(|(node, phases, phase_rotation, bounds, class, activity, past)| SessionFacts {
            node,
            phases,
            phase_rotation,
            bounds,
            class,
            activity,
            connected_for_s: past.0 * 600,
            served_s: past.1 * 450,
            can_switch_phases: past.3 == 0,
            single_phase_for_s: past.2.filter(|_| past.3 == 0),
        })
}

impl SessionFacts {
    fn session(self, index: usize, nodes: usize) -> Session {
        let (minimum, span, step_a) = self.bounds;
        // Without a span, some sessions cannot charge.
        let maximum_a = match span {
            0 if index.is_multiple_of(3) => minimum - 1,
            _ => (minimum + span + step_a - 1) / step_a * step_a,
        };
        let maximum_a = maximum_a.max(0);
        Session {
            id: format!("session-{index}"),
            node: format!("node-{}", self.node.index(nodes)),
            phases: self.phases,
            phase_rotation: self.phase_rotation,
            minimum_a: minimum,
            maximum_a,
            step_a,
            priority: self.class.0,
            weight: self.class.1,
            activity: self.activity,
            connected_for_s: self.connected_for_s,
            served_s: self.served_s,
            present_a: None,
            can_switch_phases: self.can_switch_phases,
            single_phase_for_s: self.single_phase_for_s,
        }
    }
}

#[derive(Clone, Debug)]
struct ReserveFacts {
    node: prop::sample::Index,
    current_a: i64,
    phases: PhaseSet,
    phase_rotation: PhaseRotation,
}

fn reserve_facts() -> impl Strategy<Value = ReserveFacts> {
    (any::<prop::sample::Index>(), 0..200_i64, phase_set(), prop::sample::select(ROTATIONS.to_vec()))
        .prop_map(|(node, current_a, phases, phase_rotation)| ReserveFacts {
            node,
            current_a,
            phases,
            phase_rotation,
        })
}

impl ReserveFacts {
    fn reserve(self, index: usize, nodes: usize) -> Reserve {
        Reserve {
            id: format!("reserve-{index}"),
            node: format!("node-{}", self.node.index(nodes)),
            current_a: self.current_a,
            phases: self.phases,
            phase_rotation: self.phase_rotation,
        }
    }
}
