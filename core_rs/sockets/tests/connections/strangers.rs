//! What strangers do at the port of TLS, and what must not harm others.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;

use crate::program::{Event, Failure, Program};
use crate::tls::{begun, connected, server};

#[test]
fn the_end_of_the_peer_within_the_handshake_is_an_error() {
    // Nothing, a part of a record, a part of the handshake.
    for begun_with in [&b""[..], b"\x16\x03", b"\x16\x03\x01\x00\x05\x01\x00\x01\x00\x03"] {
        let program = Program::new();
        let (one, mut peer) = begun(&program, &server("half", None));
        peer.write_all(begun_with).unwrap();
        program.turn();
        peer.shutdown(Shutdown::Write).unwrap();
        for _ in 0..3 {
            program.turn();
            assert!(!one.is_established());
        }
        assert!(matches!(one.events()[..], [Event::Lost(Some(Failure::Socket(_)))]), "{begun_with:?}");
        assert_eq!(program.count(), 0);
    }
}

#[test]
fn a_handshake_message_that_is_announced_to_be_huge_ends_the_connection() {
    let huge = [1, 1, 0xff, 0xff];
    let one = [&[22, 3, 1, 0, 4], &huge[..]].concat();
    let split = [&[22, 3, 1, 0, 1], &huge[..1], &[22, 3, 1, 0, 3], &huge[1..]].concat();
    // Behind a whole message, and behind a ChangeCipherSpec, as a second ClientHello comes.
    let second = [&[22, 3, 1, 0, 8, 1, 0, 0, 0], &huge[..]].concat();
    let changed = [&[22, 3, 1, 0, 4, 1, 0, 0, 0, 20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 4], &huge[..]].concat();
    for (bytes, step) in [(&one, 1), (&split, 1), (&one, 9), (&split, 99), (&second, 99), (&changed, 99)] {
        let program = Program::new();
        let (one, mut peer) = begun(&program, &server("huge", None));
        for some in bytes.chunks(step) {
            assert_eq!(one.events(), []);
            peer.write_all(some).unwrap();
            program.turn();
        }
        program.turn();
        assert_eq!(one.events(), [Event::Lost(Some(Failure::Socket(ErrorKind::InvalidData)))], "{bytes:?}");
        assert_eq!(peer.read(&mut [0; 9]).unwrap_or(0), 0, "OpenSSL has answered: {bytes:?}");
    }
}

#[test]
fn an_error_that_another_call_of_openssl_has_left_ends_no_session() {
    let program = Program::new();
    let (one, mut client) = connected(&program, &server("left", None));
    let leave = || openssl::x509::X509::from_der(b"no certificate").unwrap_err().put();
    leave();
    client.stream.write_all(b"question").unwrap();
    leave();
    program.turn();
    assert_eq!(one.events(), [Event::Bytes(b"question".to_vec())]);
    // More than the socket takes.
    program.write(&one, &vec![1; 3_000_000]);
    leave();
    program.turn();
    leave();
    program.turn();
    assert_eq!(one.events(), [Event::Paused]);
    assert_eq!(program.count(), 1);
    drop(openssl::error::ErrorStack::get());
}

#[test]
fn bytes_that_are_not_tls_are_an_error() {
    let program = Program::new();
    let (one, mut peer) = begun(&program, &server("http", None));
    peer.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    program.turn();
    program.turn();
    assert_eq!(one.events(), [Event::Lost(Some(Failure::Socket(ErrorKind::InvalidData)))]);
}
