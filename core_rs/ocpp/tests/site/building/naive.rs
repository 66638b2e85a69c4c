//! The filling as the rules tell it: one step at a time, to the lowest current for its weight. Slow and
//! plain.

use ocpp_core::site::Session;

use super::random::Scene;
use super::verification::{Limit, highest, limits, load, room};

/// What each session gets, if those that are `admitted` have their minima already.
pub fn filled(scene: &Scene, minima: &[i64], admitted: &[bool]) -> Vec<i64> {
    let limits = limits(&scene.site);
    let mut currents = minima.to_vec();
    let mut classes: Vec<u8> = scene.sessions.iter().map(|session| session.priority).collect();
    classes.sort_unstable();
    classes.dedup();
    for class in classes.into_iter().rev() {
        let mut growing: Vec<usize> = (0..scene.sessions.len())
            .filter(|index| admitted[*index] && scene.sessions[*index].priority == class)
            .collect();
        while let Some(next) = lowest_of(&growing, &scene.sessions, &currents) {
            let session = &scene.sessions[next];
            let at_maximum = currents[next] + session.step_a > highest(session);
            if at_maximum || !step_fits(scene, &limits, &currents, next) {
                growing.retain(|index| *index != next);
            } else {
                currents[next] += session.step_a;
            }
        }
    }
    currents
}

fn lowest_of(growing: &[usize], sessions: &[Session], currents: &[i64]) -> Option<usize> {
    growing.iter().copied().min_by(|one, other| {
        let level =
            (currents[*one] * sessions[*other].weight).cmp(&(currents[*other] * sessions[*one].weight));
        level.then(sessions[*one].id.cmp(&sessions[*other].id))
    })
}

/// Whether one more step of a session fits everywhere.
pub fn step_fits(scene: &Scene, limits: &[Limit], currents: &[i64], session: usize) -> bool {
    limits.iter().all(|limit| {
        let step = load(&scene.site, &scene.sessions[session], limit, scene.sessions[session].step_a);
        step == 0 || step <= room(scene, limit, currents)
    })
}
