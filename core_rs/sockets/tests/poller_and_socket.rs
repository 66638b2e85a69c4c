//! `Poller` and `Socket` over real sockets of the loopback.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use stationmaster_sockets::{Poller, Read, Readiness, Socket};

const PLACE: usize = 7;

struct Connection {
    poller: Poller,
    socket: Socket,
    peer: Option<TcpStream>,
}

impl Connection {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let socket = Socket::new(OwnedFd::from(accepted)).unwrap();
        let poller = Poller::new(16).unwrap();
        poller.add(&socket, PLACE).unwrap();
        Self { poller, socket, peer: Some(peer) }
    }

    fn peer(&mut self) -> &mut TcpStream {
        self.peer.as_mut().unwrap()
    }

    /// Look until the system reports something that `fits`.
    fn wait(&mut self, fits: impl Fn(&Readiness) -> bool) -> Readiness {
        let mut found = Vec::new();
        loop {
            self.poller.look(&mut found).unwrap();
            if let Some(readiness) = found.iter().find(|readiness| fits(readiness)) {
                assert_eq!(readiness.place, PLACE);
                self.socket.note(*readiness);
                return *readiness;
            }
            thread::yield_now();
        }
    }

    fn read(&mut self, most: usize) -> Vec<u8> {
        let mut buffer = vec![0; most];
        match self.socket.read(&mut buffer).unwrap() {
            Read::Bytes(count) => buffer[..count].to_vec(),
            nothing => panic!("{nothing:?}"),
        }
    }
}

#[test]
fn what_arrives_is_reported_once_and_read_once() {
    let mut connection = Connection::open();
    connection.peer().write_all(b"one").unwrap();
    connection.wait(|readiness| readiness.is_readable);
    assert!(connection.socket.may_be_read());
    assert_eq!(connection.read(100), b"one");
    assert!(!connection.socket.may_be_read(), "a short read has emptied the socket");
    let mut found = Vec::new();
    connection.poller.look(&mut found).unwrap();
    assert!(found.is_empty(), "{found:?}");

    connection.peer().write_all(b"two").unwrap();
    connection.wait(|readiness| readiness.is_readable);
    assert_eq!(connection.read(100), b"two");
    assert_eq!(connection.socket.read(&mut [0; 8]).unwrap(), Read::Nothing);
}

#[test]
fn what_arrives_before_the_socket_is_added_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.write_all(b"early").unwrap();
    let (accepted, _) = listener.accept().unwrap();
    let mut bytes = [0; 5];
    while accepted.peek(&mut bytes).unwrap() < bytes.len() {}
    let socket = Socket::new(OwnedFd::from(accepted)).unwrap();
    let poller = Poller::new(16).unwrap();
    poller.add(&socket, PLACE).unwrap();
    let mut connection = Connection { poller, socket, peer: Some(peer) };
    connection.wait(|readiness| readiness.is_readable);
    assert_eq!(connection.read(100), b"early");
}

#[test]
fn a_full_buffer_leaves_something_to_read() {
    let mut connection = Connection::open();
    connection.peer().write_all(b"abcdef").unwrap();
    connection.wait(|readiness| readiness.is_readable);
    let mut bytes = connection.read(4);
    assert!(connection.socket.may_be_read());
    while bytes.len() < 6 {
        bytes.extend(connection.read(4));
    }
    assert_eq!(bytes, b"abcdef");
    assert!(!connection.socket.may_be_read());
}

#[test]
fn the_end_is_found_behind_the_last_bytes() {
    let mut connection = Connection::open();
    connection.peer().write_all(b"last").unwrap();
    connection.peer().shutdown(Shutdown::Write).unwrap();
    let readiness = connection.wait(|readiness| readiness.is_ended);
    assert!(readiness.is_readable);
    assert_eq!(connection.read(100), b"last");
    assert!(connection.socket.may_be_read(), "the end is not reported again");
    assert_eq!(connection.socket.read(&mut [0; 8]).unwrap(), Read::End);
    assert!(!connection.socket.may_be_read());
}

#[test]
fn a_broken_connection_is_reported_and_an_error() {
    let mut connection = Connection::open();
    // The peer has not read everything, so its close is a reset.
    connection.socket.unsent(Vec::new).extend_from_slice(b"unread");
    connection.socket.flush().unwrap();
    let mut first = [0];
    connection.peer().read_exact(&mut first).unwrap();
    drop(connection.peer.take());
    connection.wait(|readiness| readiness.is_ended);
    let error = connection.socket.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn what_the_peer_does_not_take_is_kept_in_order() {
    let mut connection = Connection::open();
    let all: Vec<u8> = (0..8_000_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
    let mut given = 0;
    for piece in all.chunks(100_000) {
        connection.socket.unsent(Vec::new).extend_from_slice(piece);
        given += piece.len();
        assert!(connection.socket.unsent_bytes() <= given);
        let spare = connection.socket.flush().unwrap();
        assert_eq!(spare.is_some(), connection.socket.unsent_bytes() == 0);
    }
    assert!(connection.socket.unsent_bytes() > 0, "more than both buffers hold");

    let mut peer = connection.peer().try_clone().unwrap();
    let wanted = all.len();
    let reading = thread::spawn(move || {
        let mut bytes = vec![0; wanted];
        peer.read_exact(&mut bytes).unwrap();
        bytes
    });
    while connection.socket.unsent_bytes() > 0 {
        connection.wait(|readiness| readiness.is_writable);
        connection.socket.flush().unwrap();
    }
    assert!(reading.join().unwrap() == all);
}

#[test]
fn an_empty_buffer_comes_back() {
    let mut connection = Connection::open();
    let spare = || Vec::with_capacity(64);
    connection.socket.unsent(spare).extend_from_slice(b"hello");
    let back = connection.socket.flush().unwrap().unwrap();
    assert!(back.is_empty() && back.capacity() >= 64);
    assert_eq!(connection.socket.flush().unwrap(), None, "there is none to give back");
    let mut bytes = [0; 5];
    connection.peer().read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
}

#[test]
fn a_removed_socket_is_not_reported() {
    let mut connection = Connection::open();
    connection.wait(|readiness| readiness.is_writable);
    connection.poller.remove(&connection.socket).unwrap();
    connection.peer().set_nodelay(true).unwrap();
    connection.peer().write_all(b"not reported").unwrap();
    let mut buffer = [0; 100];
    while connection.socket.read(&mut buffer).unwrap() == Read::Nothing {
        thread::sleep(Duration::from_millis(1));
    }
    let mut found = Vec::new();
    connection.poller.look(&mut found).unwrap();
    assert!(found.is_empty(), "{found:?}");
}
