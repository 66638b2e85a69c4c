//! The two switches that do not depend on the state: paused and stalled.

use stationmaster_sockets::{HIGH_BYTES, LOW_BYTES, connection};

use crate::program::{Event, Handle, Program};

fn writes_unless_stalled(program: &Program, one: &Handle) -> bool {
    connection::write_unless_stalled(program, one, |unsent| unsent.push(b'!')).unwrap()
}

#[test]
fn paused_it_leaves_bytes_and_the_end_until_it_resumes() {
    let program = Program::new();
    let (one, mut peer) = program.open();
    one.pause_reading();
    peer.send(b"later");
    peer.end();
    program.turn();
    program.turn();
    assert_eq!((one.events(), program.orders()), (vec![], 0));

    connection::resume_reading(&program, &one).unwrap();
    for _ in 0..3 {
        program.turn();
    }
    assert_eq!(one.events(), [Event::Bytes(b"later".to_vec()), Event::Lost(None)]);
}

#[test]
fn paused_it_still_sends() {
    let program = Program::new();
    let (one, mut peer) = program.open();
    one.pause_reading();
    program.write(&one, b"sent");
    program.turn();
    assert_eq!(peer.read(100), b"sent");
}

#[test]
fn paused_while_held_it_does_not_read_once_it_is_open() {
    let program = Program::new();
    let (one, mut peer) = program.hold();
    one.pause_reading();
    peer.send(b"later");
    connection::open(&program, &one).unwrap();
    program.turn();
    assert_eq!(one.events(), []);
    connection::resume_reading(&program, &one).unwrap();
    program.turn();
    assert_eq!(one.events(), [Event::Bytes(b"later".to_vec())]);
}

#[test]
fn it_stalls_with_more_than_the_high_mark_unsent() {
    let program = Program::new();
    let (one, _peer) = program.hold();
    program.write(&one, &vec![0; HIGH_BYTES]);
    program.turn();
    assert_eq!(one.events(), []);
    assert!(writes_unless_stalled(&program, &one));
    program.turn();
    assert_eq!((one.events(), one.unsent_bytes()), (vec![Event::Paused], HIGH_BYTES + 1));

    assert!(!writes_unless_stalled(&program, &one));
    assert_eq!((one.unsent_bytes(), program.orders()), (HIGH_BYTES + 1, 0));
    program.write(&one, b"and more");
    program.turn();
    assert_eq!(one.events(), [], "told once");
}

#[test]
fn it_stalls_no_longer_with_the_low_mark_or_less_unsent() {
    let program = Program::new();
    let (one, mut peer) = program.open();
    program.write(&one, &vec![0; 1_000_000]);
    program.turn();
    assert_eq!(one.events(), [Event::Paused]);
    while one.unsent_bytes() > 0 {
        peer.read(1_000);
        program.turn();
        let is_resumed = one.events() == [Event::Resumed];
        assert_eq!(is_resumed, one.unsent_bytes() <= LOW_BYTES, "{} unsent", one.unsent_bytes());
        if is_resumed {
            break;
        }
    }
    assert!(writes_unless_stalled(&program, &one));
    while one.unsent_bytes() > 0 {
        peer.read(1_000);
        program.turn();
    }
    assert_eq!(one.events(), [], "told once");
}

/// Count how much of one write the system takes for a peer that does not read.
fn taken_by_the_system() -> usize {
    let program = Program::new();
    let (one, _peer) = program.open();
    let written = 1_000_000;
    program.write(&one, &vec![0; written]);
    program.turn();
    written - one.unsent_bytes()
}

#[test]
fn the_low_mark_itself_is_enough_to_write_again() {
    let taken = taken_by_the_system();
    for (unsent_bytes, told) in [(LOW_BYTES, vec![Event::Resumed]), (LOW_BYTES + 1, vec![])] {
        let program = Program::new();
        let (one, _peer) = program.hold();
        program.write(&one, &vec![0; taken + unsent_bytes]);
        program.turn();
        assert_eq!(one.events(), [Event::Paused]);
        connection::open(&program, &one).unwrap();
        program.turn();
        assert_eq!((one.unsent_bytes(), one.events()), (unsent_bytes, told));
    }
}

#[test]
fn closing_and_stalled_it_ends_when_all_is_sent() {
    let program = Program::new();
    let (one, mut peer) = program.open();
    let mut written = 0;
    while one.events() != [Event::Paused] {
        program.write(&one, &vec![0; HIGH_BYTES / 2]);
        written += HIGH_BYTES / 2;
        program.turn();
    }
    program.close(&one);
    program.turn();
    assert_eq!(one.events(), []);
    let mut read = 0;
    while read < written {
        match peer.read(written).len() {
            0 => program.turn(),
            count => read += count,
        }
    }
    program.turn();
    assert_eq!(one.events(), [Event::Lost(None)], "it is not asked to write on");
}
