//! TLS over real sockets: the handshake, records in pieces, ends, and a peer that does not read.

use std::collections::HashSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslStream, SslVerifyMode, SslVersion,
};
use stationmaster_sockets::{ClientTrust, ServerCertificate, Socket, TlsContext, connection};

use crate::certificates::{made, write};
use crate::program::{Event, Failure, Handle, Program};

/// The context of a server. name: of its files, different in each test.
pub fn server(name: &str, trust: Option<ClientTrust>) -> TlsContext {
    TlsContext::new(&[write(name, &made("csms.example"))], trust, |_| Ok(())).unwrap()
}

fn client_context() -> SslContextBuilder {
    let mut context = SslContextBuilder::new(SslMethod::tls_client()).unwrap();
    context.set_verify(SslVerifyMode::NONE);
    context
}

/// The side of the client.
pub struct Client {
    pub stream: SslStream<UnixStream>,
}

impl Client {
    fn new(peer: UnixStream, context: &SslContext, name: Option<&str>) -> Self {
        let mut ssl = Ssl::new(context).unwrap();
        if let Some(name) = name {
            ssl.set_hostname(name).unwrap();
        }
        Self { stream: SslStream::new(ssl, peer).unwrap() }
    }

    /// Do the handshake while the program makes turns. Return whether the server accepts.
    fn connect(&mut self, program: &Program) -> bool {
        for _ in 0..20 {
            program.turn();
            match self.stream.connect() {
                Ok(()) => {
                    program.turn();
                    return true;
                }
                Err(error) if error.code() == ErrorCode::WANT_READ => {}
                Err(_) => return false,
            }
        }
        panic!("the handshake has no end")
    }

    /// Read what is there, and whether the session was ended in order.
    fn read(&mut self) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        let mut buffer = vec![0; 70_000];
        loop {
            match self.stream.ssl_read(&mut buffer) {
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) => return (all, error.code() == ErrorCode::ZERO_RETURN),
            }
        }
    }
}

pub fn begun(program: &Program, context: &TlsContext) -> (Handle, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let handle = program.adopt_socket(Socket::with_tls(OwnedFd::from(ours), context).unwrap());
    connection::open(program, &handle).unwrap();
    (handle, theirs)
}

pub fn connected(program: &Program, context: &TlsContext) -> (Handle, Client) {
    let (handle, peer) = begun(program, context);
    let mut client = Client::new(peer, &client_context().build(), None);
    assert!(client.connect(program));
    assert!(handle.is_established());
    assert_eq!(handle.events(), []);
    (handle, client)
}

fn delivered(handle: &Handle) -> Vec<u8> {
    handle
        .events()
        .into_iter()
        .flat_map(|event| match event {
            Event::Bytes(bytes) => bytes,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn bytes_go_both_ways() {
    let program = Program::new();
    let (one, mut client) = connected(&program, &server("both", None));
    client.stream.write_all(b"question").unwrap();
    program.turn();
    assert_eq!(one.events(), [Event::Bytes(b"question".to_vec())]);
    program.write(&one, b"answer");
    program.turn();
    assert_eq!(client.read(), (b"answer".to_vec(), false));
}

#[test]
fn what_is_written_before_the_handshake_is_sent_after_it() {
    let program = Program::new();
    let (one, peer) = begun(&program, &server("early", None));
    program.write(&one, b"hello");
    let mut client = Client::new(peer, &client_context().build(), None);
    assert!(client.connect(&program));
    program.turn();
    assert_eq!(client.read().0, b"hello");
}

#[test]
fn a_handshake_and_records_may_come_byte_by_byte() {
    let program = Program::new();
    let (one, mut peer) = begun(&program, &server("bytes", None));
    // The client talks to a buffer of ours, from which single bytes go on.
    let (near, mut far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    let mut client = Client::new(near, &client_context().build(), None);
    let mut is_connected = false;
    for _ in 0..8 {
        if !is_connected {
            is_connected = client.stream.connect().is_ok();
            if is_connected {
                client.stream.write_all(&[7; 3_000]).unwrap();
            }
        }
        let mut buffer = vec![0; 100_000];
        if let Ok(count) = far.read(&mut buffer) {
            for byte in &buffer[..count] {
                peer.write_all(&[*byte]).unwrap();
                program.turn();
            }
        }
        if let Ok(count) = peer.read(&mut buffer) {
            far.write_all(&buffer[..count]).unwrap();
        }
    }
    assert_eq!(delivered(&one), [7; 3_000]);
}

#[test]
fn many_records_at_once_arrive_whole_and_in_order() {
    let program = Program::new();
    let (one, mut client) = connected(&program, &server("many", None));
    let sent: Vec<u8> = (0..2_000_u32).map(|number| (number % 251) as u8).collect();
    for some in sent.chunks(100) {
        for byte in some {
            client.stream.write_all(&[*byte]).unwrap();
        }
        program.turn();
    }
    assert_eq!(delivered(&one), sent);
}

#[test]
fn a_large_message_is_sent_as_the_peer_reads() {
    const MUCH: usize = 3_000_000;
    let program = Program::new();
    let (one, mut client) = connected(&program, &server("large", None));
    let sent: Vec<u8> = (0..MUCH).map(|number| number.to_le_bytes()[0]).collect();
    program.write(&one, &sent);
    program.turn();
    assert_eq!(one.events(), [Event::Paused]);
    // What waits may grow while OpenSSL holds a part of a record.
    program.write(&one, b"end");
    let mut got = Vec::new();
    while got.len() < MUCH + 3 {
        got.extend(client.read().0);
        program.turn();
    }
    assert!(got[..MUCH] == sent[..]);
    assert_eq!(&got[MUCH..], b"end");
    assert_eq!(one.events(), [Event::Resumed]);
}

#[test]
fn a_close_sends_what_was_written_and_close_notify() {
    let program = Program::new();
    let (one, mut client) = connected(&program, &server("close", None));
    program.write(&one, b"last");
    program.close(&one);
    program.turn();
    assert_eq!(client.read(), (b"last".to_vec(), true));
    program.turn();
    assert_eq!(one.events(), [Event::Lost(None)]);
}

#[test]
fn the_end_of_the_peer_is_close_notify_or_the_end_of_its_socket() {
    for is_polite in [true, false] {
        let program = Program::new();
        let (one, mut client) = connected(&program, &server("end", None));
        client.stream.write_all(b"last").unwrap();
        if is_polite {
            client.stream.shutdown().unwrap();
        } else {
            client.stream.get_ref().shutdown(Shutdown::Write).unwrap();
        }
        for _ in 0..4 {
            program.turn();
        }
        assert_eq!(one.events(), [Event::Bytes(b"last".to_vec()), Event::Lost(None)], "{is_polite}");
        assert_eq!(program.count(), 0);
    }
}

#[test]
fn a_close_before_the_handshake_drops_what_was_written() {
    let program = Program::new();
    let (one, mut peer) = begun(&program, &server("drop", None));
    program.write(&one, b"never");
    program.close(&one);
    program.turn();
    program.turn();
    assert_eq!(one.events(), [Event::Lost(None)]);
    assert_eq!(peer.read(&mut [0; 9]).unwrap(), 0);
}

#[test]
fn a_record_that_was_changed_is_an_error_after_what_came_before() {
    let program = Program::new();
    let (one, mut client) = connected(&program, &server("changed", None));
    client.stream.write_all(b"good").unwrap();
    client.stream.get_mut().write_all(b"\x17\x03\x03\x00\x20").unwrap();
    client.stream.get_mut().write_all(&[0; 32]).unwrap();
    for _ in 0..3 {
        program.turn();
    }
    let lost = Event::Lost(Some(Failure::Socket(ErrorKind::InvalidData)));
    assert_eq!(one.events(), [Event::Bytes(b"good".to_vec()), lost]);
}

#[test]
fn a_pause_stops_the_handshake_and_reading() {
    let program = Program::new();
    let (one, peer) = begun(&program, &server("pause", None));
    one.pause_reading();
    let mut client = Client::new(peer, &client_context().build(), None);
    assert!(client.stream.connect().is_err());
    for _ in 0..3 {
        program.turn();
    }
    assert!(!one.is_established());
    assert_eq!(program.orders(), 0);
    connection::resume_reading(&program, &one).unwrap();
    assert!(client.connect(&program));
}

#[test]
fn nothing_below_tls_1_2_is_served() {
    let program = Program::new();
    let (one, peer) = begun(&program, &server("old", None));
    let mut context = client_context();
    context.set_security_level(0);
    context.set_max_proto_version(Some(SslVersion::TLS1_1)).unwrap();
    context.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
    assert!(!Client::new(peer, &context.build(), None).connect(&program));
    program.turn();
    assert_eq!(one.events(), [Event::Lost(Some(Failure::Socket(ErrorKind::InvalidData)))]);
}

#[test]
fn the_name_chooses_the_certificate() {
    let files: Vec<_> = ["one.example", "two.example", "*.three.example"]
        .iter()
        .enumerate()
        .map(|(number, name)| write(&format!("name{number}"), &made(name)))
        .collect();
    let context = TlsContext::new(&files, None, |_| Ok(())).unwrap();
    for (asked, expected) in [
        (None, "one.example"),
        (Some("one.example"), "one.example"),
        (Some("TWO.example"), "two.example"),
        (Some("a.three.example"), "*.three.example"),
        (Some("a.b.three.example"), "one.example"),
        (Some("unknown.example"), "one.example"),
    ] {
        let program = Program::new();
        let (_, peer) = begun(&program, &context);
        let mut client = Client::new(peer, &client_context().build(), asked);
        assert!(client.connect(&program));
        let shown = client.stream.ssl().peer_certificate().unwrap();
        let name = shown.subject_name().entries().next().unwrap().data().to_string().unwrap();
        assert_eq!(name, expected, "{asked:?}");
    }
}

#[test]
fn a_client_certificate_is_verified_and_may_be_revoked() {
    let (trusted, other) = (made("CP1"), made("CP1"));
    let number = (
        trusted.certificate.issuer_name().to_der().unwrap(),
        trusted.certificate.serial_number().to_bn().unwrap().to_vec(),
    );
    for (shown, revoked, accepts_unverified, is_accepted) in [
        (&trusted, HashSet::new(), false, true),
        (&trusted, HashSet::new(), true, true),
        (&other, HashSet::new(), false, false),
        (&other, HashSet::new(), true, true),
        (&trusted, HashSet::from([number.clone()]), false, false),
        (&trusted, HashSet::from([number]), true, false),
    ] {
        let trust =
            ClientTrust { anchors: trusted.certificate.to_pem().unwrap(), revoked, accepts_unverified };
        let program = Program::new();
        let (one, peer) = begun(&program, &server("clients", Some(trust)));
        let mut context = client_context();
        context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        context.set_certificate(&shown.certificate).unwrap();
        context.set_private_key(&shown.key).unwrap();
        let mut client = Client::new(peer, &context.build(), None);
        assert_eq!(client.connect(&program), is_accepted);
        let chain = one.client_chain();
        assert_eq!(chain.as_ref().is_some_and(|chain| chain.others.is_empty()), is_accepted);
        let is_verified = chain.is_some_and(|chain| Some(chain.leaf) == chain.anchor);
        assert_eq!(is_verified, is_accepted && std::ptr::eq(shown, &raw const trusted));
    }
}

#[test]
fn a_small_buffer_leaves_nothing_behind() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let mut socket = Socket::with_tls(OwnedFd::from(ours), &server("small", None)).unwrap();
    let mut client = Client::new(theirs, &client_context().build(), None);
    let mut buffer = [0; 7];
    while client.stream.connect().is_err() {
        socket.read(&mut buffer).unwrap();
    }
    client.stream.write_all(&vec![5; 20_000]).unwrap();
    let mut count = 0;
    while count < 20_000 {
        if let stationmaster_sockets::Read::Bytes(read) = socket.read(&mut buffer).unwrap() {
            count += read;
            assert!(socket.may_be_read() || count == 20_000);
        }
    }
    assert_eq!(count, 20_000);
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (one, two) = (write("pair1", &made("one")), write("pair2", &made("two")));
    let mixed = ServerCertificate { chain: one.chain, key: two.key };
    assert!(TlsContext::new(&[mixed], None, |_| Ok(())).is_err());
    assert!(TlsContext::new(&[], None, |_| Ok(())).is_err());
}

#[test]
fn a_handshake_without_room_waits_and_does_not_keep_the_loop_busy() {
    let program = Program::new();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let mut filler = ours.try_clone().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.write(&[0; 4_096]).is_ok() {}
    let context = server("room", None);
    let one = program.adopt_socket(Socket::with_tls(OwnedFd::from(ours), &context).unwrap());
    connection::open(&program, &one).unwrap();
    let (near, mut far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    assert!(Client::new(near, &client_context().build(), None).stream.connect().is_err());
    let mut buffer = vec![0; 1 << 20];
    let hello = far.read(&mut buffer).unwrap();
    theirs.write_all(&buffer[..hello]).unwrap();
    for _ in 0..3 {
        program.turn();
    }
    assert_eq!((program.orders(), program.is_readable()), (0, false));
    while theirs.read(&mut buffer).is_ok() {}
    program.turn();
    let answer = theirs.read(&mut buffer).unwrap();
    assert_eq!(buffer[..2], [0x16, 0x03]);
    assert!(answer > 100);
    assert_eq!(one.events(), []);
}
