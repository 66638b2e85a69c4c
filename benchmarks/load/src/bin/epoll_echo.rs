//! `epoll_echo PORT`: sends each text back, with the least that a WebSocket server can do: one epoll, and one `recv`, one
//! pass that unmasks and one `send` for each text. No other server on one socket per charge point can take less CPU.
//!
//! It is only for the load of this package, which it trusts: it knows the one key of its handshakes, and gives up
//! who does not read, sends something else than whole texts, or closes.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says so by failing"))]

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::ExitCode;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n";
const HEAD_END: &[u8] = b"\r\n\r\n";
const TEXT: u8 = 0x81;
const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
const READ_BYTES: usize = 65_536;
const EVENTS: usize = 256;
const BACKLOG: i32 = 4096;
const LISTENER: u64 = u64::MAX;

fn main() -> ExitCode {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let Some(port) = port else {
        let _ = writeln!(io::stderr(), "epoll_echo: the argument is a port");
        return ExitCode::from(2);
    };
    match Echo::new(port).and_then(Echo::serve) {
        Ok(never) => match never {},
        Err(error) => {
            let _ = writeln!(io::stderr(), "epoll_echo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All connections, by their place.
struct Echo {
    poll: OwnedFd,
    listener: OwnedFd,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
}

struct Connection {
    socket: OwnedFd,
    is_open: bool,
    /// The beginning of what has not come whole.
    unread: Vec<u8>,
}

impl Echo {
    fn new(port: u16) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let listener = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&listener, true)?;
        net::bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
        net::listen(&listener, BACKLOG)?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&poll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
        Ok(Self { poll, listener, connections: Vec::new(), free: Vec::new() })
    }

    fn serve(mut self) -> io::Result<std::convert::Infallible> {
        let mut events = Vec::with_capacity(EVENTS);
        let (mut buffer, mut out) = (vec![0; READ_BYTES], Vec::new());
        loop {
            events.clear();
            match epoll::wait(&self.poll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    place => self.echo(usize::try_from(place).unwrap_or(usize::MAX), &mut buffer, &mut out),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let socket = match net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
            {
                Ok(socket) => socket,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(error) => return Err(error.into()),
            };
            sockopt::set_tcp_nodelay(&socket, true)?;
            let place = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let data = epoll::EventData::new_u64(place as u64);
            epoll::add(&self.poll, &socket, data, epoll::EventFlags::IN)?;
            self.connections[place] = Some(Connection { socket, is_open: false, unread: Vec::new() });
        }
    }

    fn echo(&mut self, place: usize, buffer: &mut [u8], out: &mut Vec<u8>) {
        let Some(connection) = self.connections.get_mut(place).and_then(Option::as_mut) else { return };
        if connection.turn(buffer, out).is_none() {
            // The epoll forgets a closed socket by itself.
            self.connections[place] = None;
            self.free.push(place);
        }
    }
}

impl Connection {
    /// Read once and answer. `None`: the connection is given up.
    fn turn(&mut self, buffer: &mut [u8], out: &mut Vec<u8>) -> Option<()> {
        let count = match net::recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((count, _)) if count > 0 => count,
            Err(Errno::AGAIN | Errno::INTR) => return Some(()),
            _ => return None,
        };
        out.clear();
        if self.unread.is_empty() {
            let taken = answer(&mut self.is_open, &mut buffer[..count], out)?;
            self.unread.extend_from_slice(&buffer[taken..count]);
        } else {
            self.unread.extend_from_slice(&buffer[..count]);
            let taken = answer(&mut self.is_open, &mut self.unread, out)?;
            self.unread.drain(..taken);
        }
        if out.is_empty() {
            return Some(());
        }
        let sent = net::send(&self.socket, out, SendFlags::NOSIGNAL).ok()?;
        (sent == out.len()).then_some(())
    }
}

/// Answer all that has come whole; returns how many bytes that was. `None`: it is neither a request nor texts.
fn answer(is_open: &mut bool, bytes: &mut [u8], out: &mut Vec<u8>) -> Option<usize> {
    let mut taken = 0;
    if !*is_open {
        let Some(end) = bytes.windows(HEAD_END.len()).position(|window| window == HEAD_END) else {
            return (bytes.len() < READ_BYTES).then_some(0);
        };
        *is_open = true;
        out.extend_from_slice(RESPONSE);
        taken = end + HEAD_END.len();
    }
    while let Some(length) = echo_text(&mut bytes[taken..], out)? {
        taken += length;
    }
    Some(taken)
}

/// Unmask the first text and write it; returns its length, `Some(None)` if it has not come whole.
#[allow(clippy::option_option)] // `?` gives up the connection.
fn echo_text(bytes: &mut [u8], out: &mut Vec<u8>) -> Option<Option<usize>> {
    let [head, second, rest @ ..] = &*bytes else { return Some(None) };
    if *head != TEXT || second & MASKED == 0 {
        return None;
    }
    let (wide, announced) = match second & !MASKED {
        LENGTH_16 => (2, rest.first_chunk().map(|length| usize::from(u16::from_be_bytes(*length)))),
        LENGTH_64 => (8, rest.first_chunk().map(|length| usize::from_be_bytes(*length))),
        short => (0, Some(usize::from(short))),
    };
    let (Some(length), Some(mask)) = (announced, rest.get(wide..).and_then(|rest| rest.first_chunk::<4>()))
    else {
        return Some(None);
    };
    let (mask, start) = (*mask, 2 + wide + 4);
    let end = start.checked_add(length)?;
    let lengths = 2..2 + wide;
    let Some((header, payload)) = bytes.get_mut(..end).map(|frame| frame.split_at_mut(start)) else {
        return Some(None);
    };
    unmask(payload, mask);
    out.extend_from_slice(&[TEXT, header[1] & !MASKED]);
    out.extend_from_slice(&header[lengths]);
    out.extend_from_slice(payload);
    Some(Some(end))
}

fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Ok(eight) = <[u8; 8]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u64::from_ne_bytes(eight) ^ wide).to_ne_bytes());
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [1, 2, 3, 255];

    fn masked(text: &[u8]) -> Vec<u8> {
        let mut frame = vec![TEXT];
        match u16::try_from(text.len()) {
            Ok(length) if length < 126 => frame.push(MASKED | length.to_be_bytes()[1]),
            Ok(length) => {
                frame.push(MASKED | LENGTH_16);
                frame.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                frame.push(MASKED | LENGTH_64);
                frame.extend_from_slice(&(text.len() as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&MASK);
        let start = frame.len();
        frame.extend_from_slice(text);
        unmask(&mut frame[start..], MASK);
        frame
    }

    #[test]
    fn texts_of_every_length_come_back_unmasked() {
        for length in [0, 1, 7, 8, 125, 126, 65_535, 65_536] {
            let text = vec![b'x'; length];
            let mut bytes = [masked(&text), masked(b"next")].concat();
            let (mut out, whole) = (Vec::new(), bytes.len());
            assert_eq!(answer(&mut true, &mut bytes, &mut out), Some(whole));
            assert!(out.ends_with(&[&text[..], &[TEXT, 4], b"next"].concat()), "{length}");
            let header = if length < 126 {
                2
            } else if length < 65_536 {
                4
            } else {
                10
            };
            assert_eq!(out.len(), header + length + 6, "{length}");
        }
    }

    #[test]
    fn what_has_not_come_whole_waits() {
        let whole = masked(&[b'x'; 200]);
        for length in 0..whole.len() {
            let mut out = Vec::new();
            assert_eq!(answer(&mut true, &mut whole[..length].to_vec(), &mut out), Some(0));
            assert!(out.is_empty());
        }
    }

    #[test]
    fn a_handshake_is_answered_before_texts() {
        let (mut is_open, mut out) = (false, Vec::new());
        let mut bytes = [b"GET /echo/A HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), masked(b"a")].concat();
        let whole = bytes.len();
        assert_eq!(answer(&mut is_open, &mut bytes[..20].to_vec(), &mut out), Some(0));
        assert_eq!(answer(&mut is_open, &mut bytes, &mut out), Some(whole));
        assert!(is_open && out == [RESPONSE, &[TEXT, 1, b'a']].concat());
    }

    #[test]
    fn anything_else_gives_up_the_connection() {
        for bytes in [
            &[0x88, 0x80, 1, 2, 3, 4][..],
            &[TEXT, 1, b'a'],
            &[TEXT, 0xFF, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0],
        ] {
            assert_eq!(answer(&mut true, &mut bytes.to_vec(), &mut Vec::new()), None);
        }
        assert_eq!(answer(&mut false, &mut vec![b'x'; READ_BYTES], &mut Vec::new()), None);
    }
}
