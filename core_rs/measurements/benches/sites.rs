//! Time to distribute the power of a site: input already in memory, validation of it included.
//!
//! What is measured is the CPU time of the thread (`cpu_clock`): other processes do not count.

mod cpu_clock;

use std::hint::black_box;

use cpu_clock::CpuClock;
use criterion::{Criterion, criterion_group, criterion_main};
use ocpp_core::site::{
    Activity, Node, Phase, PhaseRotation, PhaseSet, Reason, Rules, Session, Site, distribute,
};

const ROTATIONS: [PhaseRotation; 4] =
    [PhaseRotation::Rst, PhaseRotation::Str, PhaseRotation::Trs, PhaseRotation::Unknown];
const WEIGHTS: [i64; 4] = [10, 10, 20, 5];

/// A site of one main node, a tenth of the others panels, the rest feeders. Each level limits: about half of
/// the sessions are bound by their feeder, others by a panel or the main node, some wait.
fn site(nodes: usize, sessions: usize) -> (Site, Vec<Session>) {
    let panels = (nodes / 10).max(1);
    let feeders = nodes - 1 - panels;
    let node = |index: usize| {
        // Amperes for each session below, of which about two thirds load a given phase.
        let (parent, fed, each) = match index {
            0 => (None, sessions, 7),
            _ if index <= panels => (Some(0), sessions / panels, 8),
            _ => (Some(1 + index % panels), sessions / feeders, 6 + index % 6),
        };
        let limit = i64::try_from(fed * each * 10 * 2 / 3).expect("it is small");
        Node {
            id: format!("node-{index}"),
            parent: parent.map(|parent| format!("node-{parent}")),
            limit_a: Some([limit, limit + 70, limit + 40]),
            limit_w: index.is_multiple_of(7).then_some(limit * 640),
            margin_a: 10,
            margin_w: 0,
            uncontrolled_a: [15, 0, 5],
            unbalance_a: None,
        }
    };
    let session = |index: usize| Session {
        id: format!("session-{index}"),
        node: format!("node-{}", 1 + panels + index % feeders),
        phases: Phase::ALL[..=index % 3].iter().copied().collect::<PhaseSet>(),
        phase_rotation: ROTATIONS[index / 3 % 4],
        minimum_a: 60,
        maximum_a: if index.is_multiple_of(5) { 160 } else { 320 },
        step_a: if index.is_multiple_of(4) { 10 } else { 1 },
        priority: u8::from(index.is_multiple_of(11)),
        weight: WEIGHTS[index / 7 % 4],
        activity: if index.is_multiple_of(3) { Activity::Paused(600) } else { Activity::Charging(400) },
        connected_for_s: u32::try_from(index * 10).expect("it is small"),
        served_s: 0,
        present_a: None,
        can_switch_phases: false,
        single_phase_for_s: None,
    };
    let nodes = (0..nodes).map(node).collect();
    (Site { nominal_voltage: 230, nodes, reserves: Vec::new() }, (0..sessions).map(session).collect())
}

fn distribute_sites(criterion: &mut Criterion<CpuClock>) {
    let rules = Rules::default();
    let mut group = criterion.benchmark_group("distribute");
    for (name, nodes, sessions) in
        [("100_sessions_12_nodes", 12, 100), ("1000_sessions_100_nodes", 100, 1000)]
    {
        let (site, sessions) = site(nodes, sessions);
        let found = distribute(&site, &sessions, &rules).expect("it is valid");
        let count =
            |kind: fn(&Reason) -> bool| found.shares.iter().filter(|share| kind(&share.reason)).count();
        let bound = count(|reason| matches!(reason, Reason::Limit(_)));
        let waiting = count(|reason| matches!(reason, Reason::Waiting(_)));
        assert!(bound * 2 > sessions.len() && waiting > 0, "{name} is not contended: {bound}, {waiting}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| distribute(black_box(&site), black_box(&sessions), &rules));
        });
    }
    let sites: Vec<_> = (0..1000).map(|_| site(12, 100)).collect();
    group.sample_size(10);
    group.bench_function("100000_sessions_1000_sites", |bencher| {
        bencher.iter(|| {
            for (site, sessions) in &sites {
                black_box(distribute(site, sessions, &rules).expect("it is valid"));
            }
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuClock);
    targets = distribute_sites
}
criterion_main!(benches);
