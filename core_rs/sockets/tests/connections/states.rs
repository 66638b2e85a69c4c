//! Each row of the table of states.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;

use stationmaster_sockets::{HIGH_BYTES, connection};

use crate::program::{Event, Failure, Handle, Peer, Program};

/// More than the system keeps for a peer that does not read.
const MUCH: usize = 1_000_000;

fn bytes(bytes: &[u8]) -> Event {
    Event::Bytes(bytes.to_vec())
}

/// Make a connection that sends its last bytes to a peer that does not read.
fn closing(program: &Program) -> (Handle, Peer) {
    let (one, peer) = program.open();
    program.write(&one, &vec![7; MUCH]);
    program.close(&one);
    program.turn();
    assert_eq!(one.events(), [Event::Paused]);
    (one, peer)
}

/// Read until the connection is closed, and return the number of bytes.
fn read_to_end(program: &Program, peer: &mut Peer) -> usize {
    let mut count = 0;
    while program.count() > 0 {
        count += peer.read_all().len();
        program.turn();
    }
    count += peer.read_all().len();
    assert!(peer.is_closed());
    count
}

#[test]
fn held_and_opened_it_sends_what_waits_and_reads_what_is_there() {
    let program = Program::new();
    let (one, mut peer) = program.hold();
    program.write(&one, b"early");
    peer.send(b"first");
    program.turn();
    assert_eq!((peer.read(100).len(), one.unsent_bytes()), (0, 5));
    assert_eq!(one.events(), []);

    connection::open(&program, &one).unwrap();
    program.turn();
    assert_eq!((peer.read(100), one.unsent_bytes()), (b"early".to_vec(), 0));
    assert_eq!(one.events(), [bytes(b"first")]);
}

#[test]
fn opened_twice_it_is_watched_once() {
    let program = Program::new();
    let (one, mut peer) = program.open();
    connection::open(&program, &one).unwrap();
    assert_eq!(program.orders(), 0);
    peer.send(b"x");
    program.turn();
    assert_eq!(one.events(), [bytes(b"x")]);
}

#[test]
fn held_and_closed_it_waits_to_be_opened_then_sends_and_ends() {
    let program = Program::new();
    let (one, mut peer) = program.hold();
    program.write(&one, b"last words");
    program.close(&one);
    peer.send(b"never read");
    program.turn();
    assert_eq!((one.events(), program.count()), (vec![], 1));

    connection::open(&program, &one).unwrap();
    program.turn();
    program.turn();
    assert_eq!(peer.read(100), b"last words");
    assert!(peer.is_closed());
    assert_eq!((one.events(), program.count()), (vec![Event::Lost(None)], 0));
}

#[test]
fn one_that_the_system_does_not_watch_is_lost_with_its_error() {
    for is_closing in [false, true] {
        let program = Program::new();
        let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        let one = program.adopt(OwnedFd::from(file));
        if is_closing {
            program.close(&one);
        }
        connection::open(&program, &one).unwrap();
        assert_eq!((one.events(), program.count()), (vec![], 0));
        program.turn();
        assert_eq!(one.events(), [Event::Lost(Some(Failure::Socket(ErrorKind::PermissionDenied)))]);
    }
}

#[test]
fn held_and_aborted_it_ends_with_its_transport() {
    for is_closing in [false, true] {
        let program = Program::new();
        let (one, mut peer) = program.hold();
        program.write(&one, b"dropped");
        if is_closing {
            program.close(&one);
        }
        program.abort(&one);
        assert_eq!(one.events(), [Event::Aborted]);
        assert_eq!((peer.is_closed(), program.count(), one.unsent_bytes()), (true, 0, 0));
        program.turn();
        assert_eq!(one.events(), [Event::Lost(None)]);
    }
}

#[test]
fn open_it_delivers_what_arrives() {
    let program = Program::new();
    let (one, mut peer) = program.open();
    for sent in [&b"one"[..], b"two"] {
        peer.send(sent);
        program.turn();
        assert_eq!(one.events(), [bytes(sent)]);
    }
}

#[test]
fn open_it_sends_the_rest_to_a_peer_that_sends_nothing_more() {
    let program = Program::new();
    let (one, mut peer) = program.open();
    program.write(&one, &vec![7; MUCH]);
    peer.send(b"last");
    peer.end();
    program.turn();
    assert_eq!(one.events(), [Event::Paused, bytes(b"last")]);
    assert_eq!(read_to_end(&program, &mut peer), MUCH);
    assert_eq!(one.events().last(), Some(&Event::Lost(None)));
}

#[test]
fn open_and_closed_it_sends_the_rest_and_ends() {
    let program = Program::new();
    let (one, mut peer) = program.open();
    program.write(&one, b"last words");
    program.close(&one);
    assert_eq!((one.events(), program.count()), (vec![], 1), "only a turn ends it");
    program.turn();
    assert_eq!((one.events(), program.count()), (vec![Event::Lost(None)], 0));
    assert_eq!(peer.read(100), b"last words");
    assert!(peer.is_closed());
}

#[test]
fn closing_it_reads_nothing_and_takes_writes_until_all_is_sent() {
    let program = Program::new();
    let (one, mut peer) = closing(&program);
    peer.send(b"too late");
    program.turn();
    program.write(&one, b"more");
    connection::resume_reading(&program, &one).unwrap();
    program.turn();
    assert_eq!(one.events(), []);
    assert_eq!(read_to_end(&program, &mut peer), MUCH + 4);
    assert_eq!(one.events().last(), Some(&Event::Lost(None)));
}

#[test]
fn open_or_closing_and_aborted_it_ends_at_once_and_is_told_so_once() {
    for make in [closing, Program::open] {
        let program = Program::new();
        let (one, mut peer) = make(&program);
        program.write(&one, b"dropped");
        program.abort(&one);
        program.abort(&one);
        assert_eq!((one.unsent_bytes(), program.count(), program.orders()), (0, 0, 1));
        assert_eq!(one.events(), [], "not while the protocol works with it");
        program.turn();
        program.turn();
        assert_eq!(one.events(), [Event::Lost(None)]);
        peer.read_all();
        assert!(peer.is_closed());
    }
}

#[test]
fn open_with_a_failing_read_it_is_lost_with_the_error() {
    let program = Program::new();
    let (one, mut peer) = program.open();
    program.write(&one, b"never read");
    program.turn();
    peer.send(b"x");
    program.turn();
    assert_eq!(one.events(), [bytes(b"x")]);
    drop(peer);
    program.turn();
    assert_eq!(one.events(), [Event::Lost(Some(Failure::Socket(ErrorKind::ConnectionReset)))]);
    assert_eq!(program.count(), 0);
}

#[test]
fn open_or_closing_with_a_failing_send_it_is_lost_with_the_error() {
    for is_closing in [false, true] {
        let program = Program::new();
        let (one, peer) = program.open();
        one.pause_reading();
        drop(peer);
        program.write(&one, b"never sent");
        if is_closing {
            program.close(&one);
        }
        program.turn();
        program.turn();
        assert_eq!(one.events(), [Event::Lost(Some(Failure::Socket(ErrorKind::BrokenPipe)))]);
        assert_eq!((program.count(), program.failures()), (0, vec![]));
    }
}

#[test]
fn a_protocol_that_fails_or_panics_loses_its_connection() {
    for failure in [Failure::Protocol, Failure::Panic] {
        let program = Program::new();
        let (one, mut peer) = program.open();
        one.reacts(move |_, one| {
            one.reacts_no_longer();
            assert!(failure != Failure::Panic, "a protocol that panics");
            Err(failure)
        });
        peer.send(b"x");
        program.turn();
        assert_eq!(one.events(), [bytes(b"x"), Event::Lost(None)]);
        assert_eq!((program.failures(), program.count()), (vec![failure], 0));
        assert!(peer.is_closed());
    }
}

#[test]
fn held_with_a_protocol_that_fails_it_ends_with_its_transport() {
    let program = Program::new();
    let (one, mut peer) = program.hold();
    one.reacts(|_, one| {
        one.reacts_no_longer();
        Err(Failure::Protocol)
    });
    program.write(&one, &vec![0; HIGH_BYTES + 1]);
    program.turn();
    assert_eq!(one.events(), [Event::Paused, Event::Aborted, Event::Lost(None)]);
    assert_eq!((program.failures(), peer.is_closed()), (vec![Failure::Protocol], true));
}

#[test]
fn a_failure_that_ends_the_program_is_returned_and_loses_no_connection() {
    let program = Program::new();
    let (one, mut peer) = program.open();
    one.reacts(|_, _| Err(Failure::EndOfProgram));
    peer.send(b"x");
    assert_eq!(program.try_turn(), Err(Failure::EndOfProgram));
    assert_eq!((program.failures(), program.count()), (vec![], 1));
}

#[test]
fn a_failure_about_the_loss_is_reported_and_the_loss_is_not_told_again() {
    let program = Program::new();
    let (one, _peer) = program.open();
    one.reacts(|_, _| Err(Failure::Protocol));
    program.abort(&one);
    program.turn();
    program.turn();
    assert_eq!(one.events(), [Event::Lost(None)]);
    assert_eq!(program.failures(), [Failure::Protocol]);
}

#[test]
fn lost_or_gone_it_does_nothing() {
    let program = Program::new();
    let (one, _peer) = program.open();
    program.abort(&one);
    for orders in [1, 0] {
        program.write(&one, b"dropped");
        program.close(&one);
        program.abort(&one);
        connection::open(&program, &one).unwrap();
        connection::resume_reading(&program, &one).unwrap();
        assert_eq!((one.unsent_bytes(), one.events(), program.orders()), (0, vec![], orders));
        program.turn();
        let told = if orders == 1 { vec![Event::Lost(None)] } else { vec![] };
        assert_eq!(one.events(), told);
    }
}
