//! The state of one charge point: its socket, the CALL that waits, the transaction that runs.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use crate::scenario::Kind;
use crate::wire::Wire;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// There is none.
    Down,
    /// TCP is on its way.
    Connecting,
    /// The handshake of TLS is on its way.
    Securing,
    /// The handshake is sent.
    Upgrading,
    /// It is a WebSocket.
    Up,
}

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The connection is ready when its boot is answered.
    Boot,
    /// A transaction has to run, or to end, before the measurement.
    Prepare,
    /// The measurement.
    Load,
}

/// A CALL that waits for its answer; OCPP-J 4.1.1 allows one.
#[derive(Clone, Copy, Debug)]
pub struct Outstanding {
    /// What was sent.
    pub kind: Kind,
    /// Of the frame, from which its message id follows.
    pub number: u64,
    /// When it was sent; in an open loop when it should have been sent.
    pub since_ns: u64,
    /// Whom the answer is for.
    pub purpose: Purpose,
}

/// One charge point.
pub struct ChargePoint {
    /// Its socket; None before and after.
    pub socket: Option<Wire>,
    /// How far the connection has come.
    pub stage: Stage,
    /// When the connection was begun.
    pub opened_ns: u64,
    /// Of the last frame.
    pub number: u64,
    /// Of the transaction that runs; 0: none does.
    pub transaction_id: i64,
    /// Of its id tag.
    pub id_tag: Box<str>,
    /// The CALL that waits.
    pub outstanding: Option<Outstanding>,
    /// Its place in the scenario.
    pub step: usize,
    /// Open loop: when the waiting CALLs should have been sent.
    pub due_ns: VecDeque<u64>,
    /// The beginning of a frame whose end has not come.
    pub received: Vec<u8>,
    /// What the kernel did not take yet.
    pub unsent: Vec<u8>,
}

impl ChargePoint {
    /// One that has never connected.
    #[must_use]
    pub fn new(id_tag: Box<str>, transaction_id: i64) -> Self {
        Self {
            socket: None,
            stage: Stage::Down,
            opened_ns: 0,
            number: 0,
            transaction_id,
            id_tag,
            outstanding: None,
            step: 0,
            due_ns: VecDeque::new(),
            received: Vec::new(),
            unsent: Vec::new(),
        }
    }

    /// Forget the connection; what the central system knows of the charge point stays.
    pub fn hang_up(&mut self) {
        self.socket = None;
        self.stage = Stage::Down;
        self.outstanding = None;
        self.due_ns.clear();
        self.received.clear();
        self.unsent.clear();
    }
}

/// Begin a TCP connection. source: the local address; None leaves it to the kernel. true: it is there already.
///
/// # Errors
/// The system refuses it; no descriptor or no local port is left, for instance.
pub fn begin_connection(target: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<(OwnedFd, bool)> {
    let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let Some(source) = source {
        net::bind(&socket, &SocketAddr::new(IpAddr::V4(source), 0))?;
    }
    match net::connect(&socket, &target) {
        Ok(()) => Ok((socket, true)),
        Err(Errno::INPROGRESS) => Ok((socket, false)),
        Err(error) => Err(error.into()),
    }
}
