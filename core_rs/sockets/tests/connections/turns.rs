//! What one turn of the event loop does for many connections.

use std::cell::RefCell;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use stationmaster_sockets::{connection, connections};

use crate::program::{Event, Failure, Handle, Program};

/// What one read takes at most.
const READ_BYTES: usize = 65_536;

fn bytes(bytes: &[u8]) -> Event {
    Event::Bytes(bytes.to_vec())
}

fn read_bytes(one: &Handle) -> usize {
    let count = |event: Event| match event {
        Event::Bytes(bytes) => bytes.len(),
        other => panic!("{other:?}"),
    };
    one.events().into_iter().map(count).sum()
}

#[test]
fn many_writes_between_two_turns_order_one_settling() {
    let program = Program::new();
    let mut pairs: Vec<_> = (0..3).map(|_| program.open()).collect();
    for text in [b"a", b"b"] {
        for (one, _) in &pairs {
            program.write(one, text);
        }
    }
    assert_eq!(program.orders(), 1);
    program.turn();
    for (_, peer) in &mut pairs {
        assert_eq!(peer.read(100), b"ab");
    }
    assert_eq!(program.orders(), 0);
}

#[test]
fn an_answer_is_sent_in_the_turn_that_read_the_question() {
    let program = Program::new();
    let (one, mut peer) = program.open();
    one.reacts(|program, one| {
        program.write(one, b"answer");
        Ok(())
    });
    peer.send(b"question");
    connections::serve(&program).unwrap();
    assert_eq!((peer.read(100), program.orders()), (b"answer".to_vec(), 0));
}

#[test]
fn one_that_sends_without_end_is_read_once_by_each_part_of_a_turn() {
    let program = Program::new();
    let (busy, mut sender) = program.open();
    let (other, mut peer) = program.open();
    sender.send(&vec![0; 2 * READ_BYTES + 2_000]);
    peer.send(b"x");
    connections::serve(&program).unwrap();
    assert_eq!(read_bytes(&busy), 2 * READ_BYTES, "once when it was ready, once when it was pending");
    assert_eq!((other.events(), program.orders()), (vec![bytes(b"x")], 1));
    connections::settle(&program).unwrap();
    assert_eq!((read_bytes(&busy), program.orders()), (2_000, 1));
}

#[test]
fn a_settling_that_is_ordered_is_not_ordered_again_by_a_turn_before_it() {
    let program = Program::new();
    let (one, mut peer) = program.open();
    peer.send(&vec![0; 2 * READ_BYTES + 2_000]);
    program.write(&one, b"x");
    assert_eq!(program.orders(), 1);
    connections::serve(&program).unwrap();
    assert_eq!(program.orders(), 1, "the loop has not made the ordered call yet");
}

#[test]
fn a_failure_of_one_costs_no_other() {
    let program = Program::new();
    let mut pairs: Vec<_> = (0..3).map(|_| program.open()).collect();
    pairs[1].0.reacts(|_, _| Err(Failure::Protocol));
    for (_, peer) in &mut pairs {
        peer.send(b"x");
    }
    program.turn();
    assert_eq!(program.count(), 2);
    for index in [0, 2] {
        let (one, peer) = &mut pairs[index];
        assert_eq!(one.events(), [bytes(b"x")]);
        program.write(one, b"y");
        program.turn();
        assert_eq!(peer.read(100), b"y");
    }
}

#[test]
fn a_failure_that_ends_the_program_comes_after_all_others_are_served() {
    let program = Program::new();
    let mut pairs: Vec<_> = (0..3).map(|_| program.open()).collect();
    pairs[0].0.reacts(|_, _| Err(Failure::EndOfProgram));
    for (_, peer) in &mut pairs {
        peer.send(b"x");
    }
    assert_eq!(program.try_turn(), Err(Failure::EndOfProgram));
    for (one, _) in &pairs {
        assert_eq!(one.events(), [bytes(b"x")]);
    }
}

#[test]
fn one_that_is_aborted_earlier_in_the_turn_is_not_served() {
    let program = Program::new();
    let pairs = [program.open(), program.open()];
    for ((one, _), (other, _)) in [(&pairs[0], &pairs[1]), (&pairs[1], &pairs[0])] {
        let other = Rc::downgrade(other);
        one.reacts(move |program, _| {
            program.abort(&other.upgrade().unwrap());
            Ok(())
        });
    }
    let handles = pairs.each_ref().map(|(one, _)| Rc::clone(one));
    for (_, mut peer) in pairs {
        peer.send(b"x");
        peer.end();
    }
    connections::serve(&program).unwrap();
    let mut told = handles.map(|one| one.events());
    told.sort_by_key(|events| events[0] == Event::Lost(None));
    assert_eq!(told, [vec![bytes(b"x"), Event::Lost(None)], vec![Event::Lost(None)]]);
}

#[test]
fn what_the_system_says_of_a_lost_one_does_not_reach_the_next_one_in_its_place() {
    let program = Program::new();
    let (first, mut peer) = program.open();
    let (second, mut other) = program.open();
    let held: Rc<RefCell<Option<(Handle, _)>>> = Rc::default();
    for (one, replaced) in [(&first, &second), (&second, &first)] {
        let (replaced, held) = (Rc::downgrade(replaced), Rc::clone(&held));
        one.reacts(move |program, one| {
            one.reacts_no_longer();
            program.abort(&replaced.upgrade().unwrap());
            let (next, mut peer) = program.hold();
            peer.send(b"not yet");
            *held.borrow_mut() = Some((next, peer));
            Ok(())
        });
    }
    peer.send(b"x");
    other.send(b"x");
    connections::serve(&program).unwrap();
    let (next, _peer) = held.take().unwrap();
    assert_eq!((next.events(), program.count()), (vec![], 2));
    connection::open(&program, &next).unwrap();
    program.turn();
    assert_eq!(next.events(), [bytes(b"not yet")]);
}

#[test]
fn a_small_emptied_buffer_is_used_for_the_next_write_of_any_connection() {
    for (reserved, is_kept) in [(3_000, true), (5_000, false)] {
        let program = Program::new();
        let (one, _peer) = program.open();
        let (other, _other_peer) = program.open();
        let write = |handle, reserved| {
            let mut capacity = 0;
            let append = |unsent: &mut Vec<u8>| {
                assert!(unsent.is_empty());
                capacity = unsent.capacity();
                unsent.reserve(reserved);
                unsent.push(b'x');
            };
            connection::write(&program, handle, append).unwrap();
            capacity
        };
        assert_eq!(write(&one, reserved), 0);
        program.turn();
        assert_eq!(write(&other, 0) >= reserved, is_kept);
    }
}

#[test]
fn the_descriptor_is_readable_while_a_turn_has_something_to_serve() {
    let program = Program::new();
    let (one, mut peer) = program.open();
    assert!(!program.is_readable());
    peer.send(b"x");
    assert!(program.is_readable());
    program.turn();
    assert!(!program.is_readable());
    assert_eq!(one.events(), [bytes(b"x")]);
}

#[test]
fn a_lost_one_is_not_watched_even_if_another_descriptor_has_its_connection() {
    let program = Program::new();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let other = ours.try_clone().unwrap();
    let one = program.adopt(OwnedFd::from(ours));
    connection::open(&program, &one).unwrap();
    program.turn();
    program.abort(&one);
    program.turn();
    theirs.write_all(b"x").unwrap();
    assert!(!program.is_readable());
    drop(other);
}

#[test]
fn the_end_sends_what_was_written_and_ends_all() {
    let program = Program::new();
    let (open, mut peer) = program.open();
    let (stuck, _deaf) = program.open();
    let (held, mut waiting) = program.hold();
    program.write(&open, b"the server is going away");
    program.write(&stuck, &vec![0; 1_000_000]);
    program.close(&stuck);
    connections::close(&program).unwrap();
    assert_eq!(program.count(), 0);
    assert_eq!(peer.read(100), b"the server is going away");
    assert!(peer.is_closed() && waiting.is_closed());
    assert_eq!(open.events(), [Event::Lost(None)]);
    assert_eq!(stuck.events(), [Event::Paused, Event::Lost(None)]);
    assert_eq!(held.events(), [Event::Aborted, Event::Lost(None)]);
}

#[test]
fn the_end_returns_a_failure_of_the_report_and_still_ends_all() {
    let program = Program::new();
    program.report.set(Err(Failure::Protocol));
    let (failing, _peer) = program.open();
    let (other, _other_peer) = program.open();
    failing.reacts(|_, _| Err(Failure::Protocol));
    program.abort(&failing);
    assert_eq!(connections::close(&program), Err(Failure::Protocol));
    assert_eq!((other.events(), program.count()), (vec![Event::Lost(None)], 0));
}
