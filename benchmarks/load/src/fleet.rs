//! All charge points of this process on one epoll: connecting, reading and writing. What they say is in `exchange`, what
//! is measured in `load`.
//!
//! `turn` waits for events and serves them. `opening` and `load` make turns until what they want has happened.

use std::io;
use std::net::Ipv4Addr;
use std::time::Instant;

use openssl::ssl::SslContext;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::sockopt;

use crate::answer::Expect;
use crate::charge_point::{ChargePoint, Purpose, Stage, begin_connection};
use crate::failure::{Failure, Failures};
use crate::handshake::Target;
use crate::load::Load;
use crate::opening::Opening;
use crate::scenario::Templates;
use crate::wire::{Progress, Wire, client_context};

/// The transaction id when an echo server gives none.
const ECHO_TRANSACTION: i64 = 100_001;
const EVENTS: usize = 1024;
const READ_BYTES: usize = 65_536;
const STDIN: u64 = u64::MAX;
const NANOSECONDS: u64 = 1_000_000_000;

/// What a fleet is.
pub struct FleetOptions {
    /// Where it connects to.
    pub target: Target,
    /// Makes identities, id tags and passwords.
    pub names: crate::names::Names,
    /// What the server does with a CALL.
    pub expect: Expect,
    /// Local addresses, used in turns; none leaves it to the kernel.
    pub sources: Vec<Ipv4Addr>,
    /// Milliseconds since 1970 that the records begin at.
    pub start_ms: u64,
    /// Part of each message id.
    pub run: u32,
}

/// Charge points and what they are about to do.
pub struct Fleet {
    pub(crate) options: FleetOptions,
    pub(crate) charge_points: Vec<ChargePoint>,
    pub(crate) opening: Opening,
    pub(crate) load: Option<Load>,
    pub(crate) failures: Failures,
    /// CALLs of the central system that were answered.
    pub(crate) commands: u64,
    pub(crate) templates: Templates,
    context: Option<SslContext>,
    poll: OwnedFd,
    events: Vec<epoll::Event>,
    begun: Instant,
    pub(crate) mask: u32,
    pub(crate) text: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
    buffer: Box<[u8]>,
}

impl Fleet {
    /// A fleet without connections.
    ///
    /// # Errors
    /// The system gives no epoll.
    pub fn new(options: FleetOptions) -> io::Result<Self> {
        Ok(Self {
            context: options.target.is_tls.then(client_context).transpose()?,
            mask: options.run | 1,
            options,
            charge_points: Vec::new(),
            opening: Opening::default(),
            load: None,
            failures: Failures::default(),
            commands: 0,
            templates: Templates::new(),
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS),
            begun: Instant::now(),
            text: Vec::new(),
            bytes: Vec::new(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
        })
    }

    /// Let `turn` tell when there is something on standard input.
    ///
    /// # Errors
    /// It is a file, which cannot be waited for.
    pub fn watch_stdin(&self) -> io::Result<()> {
        let data = epoll::EventData::new_u64(STDIN);
        epoll::add(&self.poll, rustix::stdio::stdin(), data, epoll::EventFlags::IN)?;
        Ok(())
    }

    /// Monotonic nanoseconds since the fleet was made.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Make sure that so many charge points are known.
    pub fn grow(&mut self, count: usize) {
        let transaction_id = if self.options.expect == Expect::Echo { ECHO_TRANSACTION } else { 0 };
        for number in self.charge_points.len()..count {
            let id_tag = self.options.names.id_tag(number).into_boxed_str();
            self.charge_points.push(ChargePoint::new(id_tag, transaction_id));
        }
    }

    /// Wait for events until a time and serve them. true: there is something on standard input.
    ///
    /// # Errors
    /// The system's, other than those of a single connection, which are counted as failures.
    pub fn turn(&mut self, until_ns: Option<u64>) -> io::Result<bool> {
        let timeout = until_ns.map(|until| {
            let left = until.saturating_sub(self.now_ns());
            // Both parts fit: the rest of a division, and some centuries.
            #[expect(clippy::cast_possible_wrap)]
            Timespec { tv_sec: (left / NANOSECONDS) as i64, tv_nsec: (left % NANOSECONDS) as i64 }
        });
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        match epoll::wait(&self.poll, spare_capacity(&mut events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut stdin = false;
        for event in &events {
            match event.data.u64() {
                STDIN => stdin = true,
                token => self.on_ready(usize::try_from(token).expect("tokens are indices"), event.flags),
            }
        }
        self.events = events;
        Ok(stdin)
    }

    /// Begin to connect one charge point.
    pub(crate) fn open(&mut self, index: usize) {
        let now = self.now_ns();
        let sources = &self.options.sources;
        let source = (!sources.is_empty()).then(|| sources[index % sources.len()]);
        self.charge_points[index].opened_ns = now;
        let begun = begin_connection(self.options.target.address, source).and_then(|(socket, there)| {
            let data = epoll::EventData::new_u64(index as u64);
            let flags =
                if there { epoll::EventFlags::IN } else { epoll::EventFlags::IN | epoll::EventFlags::OUT };
            epoll::add(&self.poll, &socket, data, flags)?;
            Ok((Wire::new(socket, self.context.as_ref())?, there))
        });
        match begun {
            Ok((socket, there)) => {
                let charge_point = &mut self.charge_points[index];
                charge_point.socket = Some(socket);
                charge_point.stage = Stage::Connecting;
                if there {
                    self.secure(index);
                }
            }
            Err(error) => self.lose(index, Failure::Refused, &error.to_string()),
        }
    }

    /// Drop all connections.
    pub fn hang_up(&mut self) {
        self.charge_points.iter_mut().for_each(ChargePoint::hang_up);
    }

    fn on_ready(&mut self, index: usize, flags: epoll::EventFlags) {
        let charge_point = &mut self.charge_points[index];
        let Some(socket) = &charge_point.socket else { return };
        if charge_point.stage == Stage::Connecting {
            if let Ok(Err(error)) = sockopt::socket_error(socket) {
                self.lose(index, Failure::Refused, &error.to_string());
            } else if flags.contains(epoll::EventFlags::OUT) {
                self.watch(index, epoll::EventFlags::IN);
                self.secure(index);
            }
            return;
        }
        if charge_point.stage == Stage::Securing {
            return self.secure(index);
        }
        if flags.contains(epoll::EventFlags::OUT) {
            let unsent = std::mem::take(&mut charge_point.unsent);
            self.watch(index, epoll::EventFlags::IN);
            self.write(index, &unsent);
        }
        self.read(index);
    }

    fn watch(&mut self, index: usize, flags: epoll::EventFlags) {
        let Some(socket) = &self.charge_points[index].socket else { return };
        let data = epoll::EventData::new_u64(index as u64);
        if let Err(error) = epoll::modify(&self.poll, socket, data, flags) {
            self.lose(index, Failure::Closed, &error.to_string());
        }
    }

    /// Go on with the handshake of TLS, if there is TLS, then send that of the WebSocket.
    fn secure(&mut self, index: usize) {
        let charge_point = &mut self.charge_points[index];
        charge_point.stage = Stage::Securing;
        let Some(socket) = &mut charge_point.socket else { return };
        match socket.secure() {
            Ok(true) => self.send_handshake(index),
            // What it has to send is small, so it waits for the server only.
            Ok(false) => {}
            Err(error) => self.lose(index, Failure::Refused, &error.to_string()),
        }
    }

    fn send_handshake(&mut self, index: usize) {
        let identity = self.options.names.identity(index);
        let Some(password) = self.options.names.password(&identity) else {
            return self.lose(index, Failure::Refused, &format!("no password is known for {identity}"));
        };
        let request = self.options.target.request(&identity, password);
        self.charge_points[index].stage = Stage::Upgrading;
        self.write(index, &request);
    }

    fn read(&mut self, index: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(socket) = &mut self.charge_points[index].socket {
            match socket.receive(&mut buffer) {
                Ok(Progress::Bytes(0)) => self.lose(index, Failure::Closed, "end of the connection"),
                Ok(Progress::Bytes(count)) => {
                    let is_emptied = socket.is_emptied_by(count, buffer.len());
                    self.take(index, &buffer[..count]);
                    if is_emptied {
                        break;
                    }
                }
                Ok(Progress::Wait) => break,
                Err(error) => self.lose(index, Failure::Closed, &error.to_string()),
            }
        }
        self.buffer = buffer;
    }

    pub(crate) fn write(&mut self, index: usize, bytes: &[u8]) {
        let charge_point = &mut self.charge_points[index];
        let Some(socket) = &mut charge_point.socket else { return };
        if !charge_point.unsent.is_empty() {
            charge_point.unsent.extend_from_slice(bytes);
            return;
        }
        let sent = match socket.send(bytes) {
            Ok(Progress::Bytes(sent)) => sent,
            Ok(Progress::Wait) => 0,
            Err(error) => return self.lose(index, Failure::Closed, &error.to_string()),
        };
        if sent < bytes.len() {
            charge_point.unsent.extend_from_slice(&bytes[sent..]);
            self.watch(index, epoll::EventFlags::IN | epoll::EventFlags::OUT);
        }
    }

    /// Count a failure and give up the connection.
    pub(crate) fn lose(&mut self, index: usize, failure: Failure, text: &str) {
        self.failures.add(failure, &format!("{}: {text}", self.options.names.identity(index)));
        let charge_point = &mut self.charge_points[index];
        let waiting = charge_point.outstanding;
        let was_opening =
            charge_point.stage != Stage::Up || waiting.is_some_and(|call| call.purpose == Purpose::Boot);
        charge_point.hang_up();
        if was_opening {
            self.not_opened();
        } else if waiting.is_some() {
            self.load_lost();
        }
    }
}
