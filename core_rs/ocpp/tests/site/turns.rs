//! Taking turns, over simulated hours: a waiting session is served in time (I12), and none is switched back and
//! forth.

use crate::building::{flat, session};
use ocpp_core::site::{Activity, Rules, Session, Site, distribute};

const STEP_S: u32 = 60;

/// What one session went through, in seconds.
#[derive(Default)]
struct Story {
    longest_wait: u32,
    shortest_turn: Option<u32>,
    shortest_rest: Option<u32>,
}

/// Step sessions through so many hours.
fn live(site: &Site, sessions: &mut [Session], rules: &Rules, hours: u32) -> Vec<Story> {
    let mut stories: Vec<Story> = sessions.iter().map(|_| Story::default()).collect();
    for _ in 0..hours * 3600 / STEP_S {
        let found = distribute(site, sessions, rules).expect("it is valid");
        for ((session, share), story) in sessions.iter_mut().zip(&found.shares).zip(&mut stories) {
            session.connected_for_s += STEP_S;
            session.activity = match (session.activity, share.limit_a > 0) {
                (Activity::Charging(for_s), true) => Activity::Charging(for_s + STEP_S),
                (Activity::Charging(for_s), false) => {
                    story.shortest_turn = Some(story.shortest_turn.map_or(for_s, |least| least.min(for_s)));
                    Activity::Paused(STEP_S)
                }
                (Activity::Paused(for_s), true) => {
                    story.shortest_rest = Some(story.shortest_rest.map_or(for_s, |least| least.min(for_s)));
                    Activity::Charging(STEP_S)
                }
                (Activity::New, true) => Activity::Charging(STEP_S),
                (Activity::Paused(for_s), false) => Activity::Paused(for_s + STEP_S),
                (Activity::New, false) => Activity::New,
            };
            story.longest_wait = story.longest_wait.max(session.waiting_s());
        }
    }
    stories
}

#[test]
fn each_of_n_sessions_gets_its_turn_once_in_n_over_k_quanta() {
    let rules = Rules::default();
    for (count, capacity) in [(4_u32, 200), (7, 125), (10, 200), (11, 190), (3, 60)] {
        let mut sessions: Vec<Session> = (0..count).map(|index| session(&format!("car-{index}"))).collect();
        let places = u32::try_from(capacity / 60).expect("it is small");
        let stories = live(&flat(capacity), &mut sessions, &rules, 24);
        let bound_s = count.div_ceil(places) * rules.quantum_s;
        for story in stories {
            assert!(story.longest_wait <= bound_s, "{count} at {capacity}: {}", story.longest_wait);
            assert!(story.shortest_turn.is_none_or(|turn| turn >= rules.quantum_s));
            assert!(story.shortest_rest.is_none_or(|rest| rest >= rules.minimum_off_s));
        }
    }
}

#[test]
fn a_large_minimum_is_not_passed_by_for_ever() {
    let rules = Rules::default();
    let mut sessions: Vec<Session> = (0..6).map(|index| session(&format!("car-{index}"))).collect();
    sessions[5].minimum_a = 160;
    // Plugged in one after the other, so that turns never end together.
    for (session, ago) in sessions.iter_mut().zip([700, 500, 300, 200, 100, 0]) {
        session.connected_for_s = ago;
    }
    let stories = live(&flat(200), &mut sessions, &rules, 24);
    for story in &stories {
        assert!(story.longest_wait <= 4 * rules.quantum_s, "{}", story.longest_wait);
    }
}
