//! Decisions one after the other, each with the memories of the one before: who charges for how long, and how often limits
//! change.

use crate::building::{flat, session};
use crate::numbers::Numbers;
use ocpp_core::site::{Activity, Distribution, Memory, Rules, Session, Site, distribute};

/// The session with what is remembered of it.
fn remembered(session: &Session, memory: Memory) -> Session {
    let Memory { activity, connected_for_s, served_s, single_phase_for_s } = memory;
    Session { activity, connected_for_s, served_s, single_phase_for_s, ..session.clone() }
}

/// A site over time. Sessions get their memories and present limits from one decision to the next.
struct Story {
    site: Site,
    rules: Rules,
    sessions: Vec<Session>,
    step_s: u32,
}

impl Story {
    fn decide(&mut self) -> Distribution {
        let found = distribute(&self.site, &self.sessions, &self.rules).expect("it is valid");
        for (session, share) in self.sessions.iter_mut().zip(&found.shares) {
            *session = remembered(session, share.memory.after(self.step_s));
            session.present_a = Some(share.limit_a);
        }
        found
    }

    /// Seconds for which each session charged. `before`: changes the site before a decision.
    fn charged(&mut self, hours: u32, mut before: impl FnMut(&mut Site, u32)) -> Vec<u32> {
        let mut charged = vec![0; self.sessions.len()];
        for step in 0..hours * 3600 / self.step_s {
            before(&mut self.site, step);
            for (charged, share) in charged.iter_mut().zip(self.decide().shares) {
                *charged += self.step_s * u32::from(share.limit_a > 0);
            }
        }
        charged
    }
}

fn cars(count: u32) -> Vec<Session> {
    (0..count).map(|index| session(&format!("car-{index:02}"))).collect()
}

fn story(capacity_a: i64, count: u32, step_s: u32) -> Story {
    Story { site: flat(capacity_a), rules: Rules::default(), sessions: cars(count), step_s }
}

/// By how much the longest time is above the shortest, in percent.
fn spread(charged: &[u32]) -> u32 {
    let (least, most) = (charged.iter().min().expect("some"), charged.iter().max().expect("some"));
    (most - least) * 100 / most
}

#[test]
fn five_cars_on_12_a_for_12_hours_charge_equally_long() {
    for step_s in [10, 60, 300, 900] {
        let charged = story(120, 5, step_s).charged(12, |_, _| {});
        assert!(spread(&charged) <= 10, "every {step_s} s: {charged:?}");
        assert!(charged.iter().sum::<u32>() >= 12 * 3600 * 2 * 98 / 100, "{charged:?}");
    }
}

#[test]
fn cars_that_come_one_after_the_other_charge_equally_long_from_then_on() {
    let mut story = story(120, 0, 60);
    for car in cars(5) {
        story.sessions.push(car);
        story.charged(1, |_, _| {});
    }
    let charged = story.charged(12, |_, _| {});
    assert!(spread(&charged) <= 10, "{charged:?}");
}

#[test]
fn cars_that_are_interrupted_by_noise_charge_equally_long() {
    for seed in 0..5 {
        let mut numbers = Numbers::new(seed);
        let charged = story(120, 5, 10).charged(12, |site, _| {
            site.nodes[0].uncontrolled_a = [0; 3].map(|_: i64| numbers.within(-4, 4));
        });
        assert!(spread(&charged) <= 10, "seed {seed}: {charged:?}");
    }
}

#[test]
fn nobody_waits_for_longer_than_all_turns_before_it() {
    for (capacity_a, count) in [(120, 5), (200, 10), (190, 11), (60, 3), (125, 7)] {
        let mut story = story(capacity_a, count, 60);
        let mut longest = 0;
        for _ in 0..24 * 60 {
            story.decide();
            longest = longest.max(story.sessions.iter().map(Session::waiting_s).max().expect("some"));
        }
        let places = u32::try_from(capacity_a / 60).expect("it is small");
        assert!(longest <= count.div_ceil(places) * 900, "{count} on {capacity_a}: {longest}");
    }
}

#[test]
fn a_car_that_could_not_charge_for_hours_does_not_keep_the_others_out_for_hours() {
    let mut story = story(60, 2, 60);
    story.sessions[1].maximum_a = 0;
    story.charged(10, |_, _| {});
    story.sessions[1].maximum_a = 320;
    let charged = story.charged(2, |_, _| {});
    // Two turns at most are made up for.
    assert!(charged[0] + 2 * 2 * 900 >= charged[1], "{charged:?}");
    assert!(charged[1] >= charged[0], "{charged:?}");
}

#[test]
fn noise_changes_limits_in_less_than_5_percent_of_the_decisions() {
    for seed in 0..20 {
        let mut numbers = Numbers::new(seed);
        let mut story = story(1_000, 10, 10);
        let (mut changed, mut present) = (0, vec![0; 10]);
        for _ in 0..360 {
            story.site.nodes[0].uncontrolled_a = [0; 3].map(|_: i64| numbers.within(-4, 4));
            let found = story.decide();
            let limits: Vec<i64> = found.shares.iter().map(|share| share.limit_a).collect();
            let [l1, l2, l3, ..] = found.loadings[0];
            for loading in [l1, l2, l3] {
                assert!(loading.uncontrolled + loading.allocated <= 1_000, "seed {seed}: {loading:?}");
            }
            changed += u32::from(limits != present);
            present = limits;
        }
        assert!(changed * 100 < 5 * 360, "seed {seed}: {changed} of 360");
        assert!(present.iter().sum::<i64>() >= 990, "seed {seed}: {present:?}");
    }
}

#[test]
fn the_same_question_with_the_present_limits_changes_nothing() {
    let mut story = story(1_234, 7, 10);
    let limits = |found: &Distribution| found.shares.iter().map(|share| share.limit_a).collect::<Vec<_>>();
    let first = story.decide();
    for _ in 0..5 {
        assert_eq!(limits(&story.decide()), limits(&first));
    }
}

#[test]
fn a_memory_counts_the_time_that_passes() {
    let charging =
        Memory { activity: Activity::Charging(30), connected_for_s: 50, served_s: 20, ..Memory::default() };
    let later = charging.after(10);
    assert_eq!((later.activity, later.connected_for_s, later.served_s), (Activity::Charging(40), 60, 30));
    let paused = Memory { activity: Activity::Paused(30), served_s: 20, ..Memory::default() }.after(10);
    assert_eq!((paused.activity, paused.served_s), (Activity::Paused(40), 20));
    let new = Memory::default().after(u32::MAX).after(10);
    assert_eq!((new.activity, new.connected_for_s), (Activity::New, u32::MAX));
    let single = Memory { single_phase_for_s: Some(5), ..Memory::default() };
    assert_eq!(single.after(10).single_phase_for_s, Some(15));
}
