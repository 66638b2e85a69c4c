//! All charge points of this process on one epoll: connecting, reading, answering. What is measured is in `load`.
//!
//! Theory of operation. `turn` waits for events and serves them; whoever wants something to happen (`connect`
//! here, `run` in `load`) makes turns until it has. A charge point has one CALL out at most; when its answer is
//! judged right, `answered` says what comes next. Nothing is allocated on that way.

use std::io;
use std::net::Ipv4Addr;
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags, sockopt};

use crate::answer::{Expect, Judgement, judge, judge_unasked};
use crate::charge_point::{ChargePoint, Outstanding, Purpose, Stage, begin_connection};
use crate::failure::{Failure, Failures};
use crate::frame::{self, Received};
use crate::handshake::{self, Response, Target};
use crate::load::Load;
use crate::opening::Opening;
use crate::scenario::{Kind, Templates};
use crate::template::{Filling, write_id};

/// Stands for a transaction where nobody answers with one.
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
    templates: Templates,
    poll: OwnedFd,
    events: Vec<epoll::Event>,
    begun: Instant,
    mask: u32,
    text: Vec<u8>,
    bytes: Vec<u8>,
    buffer: Box<[u8]>,
}

impl Fleet {
    /// A fleet without connections.
    ///
    /// # Errors
    /// The system gives no epoll.
    pub fn new(options: FleetOptions) -> io::Result<Self> {
        Ok(Self {
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
            Ok((socket, there))
        });
        match begun {
            Ok((socket, there)) => {
                let charge_point = &mut self.charge_points[index];
                charge_point.socket = Some(socket);
                charge_point.stage = Stage::Connecting;
                if there {
                    self.send_handshake(index);
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
                self.send_handshake(index);
            }
            return;
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
        while let Some(socket) = &self.charge_points[index].socket {
            match net::recv(socket, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => self.lose(index, Failure::Closed, "end of the connection"),
                Ok((count, _)) => {
                    self.take(index, &buffer[..count]);
                    // A short read has emptied the socket.
                    if count < buffer.len() {
                        break;
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => self.lose(index, Failure::Closed, &error.to_string()),
            }
        }
        self.buffer = buffer;
    }

    fn take(&mut self, index: usize, bytes: &[u8]) {
        let mut kept = std::mem::take(&mut self.charge_points[index].received);
        if kept.is_empty() {
            let used = self.take_all(index, bytes);
            kept.extend_from_slice(&bytes[used..]);
        } else {
            kept.extend_from_slice(bytes);
            let used = self.take_all(index, &kept);
            kept.drain(..used);
        }
        if self.charge_points[index].socket.is_some() {
            self.charge_points[index].received = kept;
        }
    }

    /// Take what is whole; returns how many bytes that was.
    fn take_all(&mut self, index: usize, bytes: &[u8]) -> usize {
        let mut used = 0;
        if self.charge_points[index].stage == Stage::Upgrading {
            match handshake::judge(bytes, self.options.expect == Expect::Result) {
                Response::Incomplete => return 0,
                Response::Refused(text) => {
                    self.lose(index, Failure::Refused, &text);
                    return bytes.len();
                }
                Response::Opened(length) => used = length,
            }
            self.charge_points[index].stage = Stage::Up;
            let since_ns = self.now_ns();
            self.send_call(index, Kind::BootNotification, Purpose::Boot, since_ns);
        }
        while self.charge_points[index].socket.is_some() {
            match frame::read(&bytes[used..]) {
                Received::Incomplete => return used,
                Received::Frame { head, payload, length } => {
                    self.on_frame(index, head, payload);
                    used += length;
                }
                Received::Broken(text) => self.lose(index, Failure::Wrong, text),
            }
        }
        bytes.len()
    }

    fn on_frame(&mut self, index: usize, head: u8, payload: &[u8]) {
        match head {
            frame::TEXT => self.on_text(index, payload),
            frame::PING => self.send(index, frame::PONG, payload),
            frame::PONG => {}
            frame::CLOSE => {
                let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
                self.lose(index, Failure::Closed, &reason);
            }
            // A central system has no reason to fragment its short answers.
            _ => self.lose(index, Failure::Wrong, "a frame that is no whole text message"),
        }
    }

    fn on_text(&mut self, index: usize, text: &[u8]) {
        let waiting = self.charge_points[index].outstanding;
        let judgement = match waiting {
            None => judge_unasked(text),
            Some(waiting) if self.options.expect == Expect::Echo => {
                self.write_text(index, waiting.kind, waiting.number);
                if self.text == text { Judgement::Answer { transaction_id: None } } else { Judgement::Wrong }
            }
            Some(waiting) => {
                self.text.clear();
                write_id(self.options.run, waiting.number, &mut self.text);
                judge(waiting.kind, &self.text, text)
            }
        };
        match (judgement, waiting) {
            (Judgement::Answer { transaction_id }, Some(waiting)) => {
                let charge_point = &mut self.charge_points[index];
                charge_point.outstanding = None;
                match waiting.kind {
                    Kind::StartTransaction => {
                        charge_point.transaction_id = transaction_id.unwrap_or_default();
                    }
                    Kind::StopTransaction => charge_point.transaction_id = 0,
                    _ => {}
                }
                self.answered(index, waiting);
            }
            (Judgement::CallError, Some(waiting)) => {
                self.failures.add(Failure::CallError, &String::from_utf8_lossy(text));
                self.charge_points[index].outstanding = None;
                self.answered(index, waiting);
            }
            (Judgement::Call(id), _) => {
                self.commands += 1;
                self.send(index, frame::TEXT, format!(r#"[3,{id},{{"status":"Accepted"}}]"#).as_bytes());
            }
            _ => self.lose(index, Failure::Wrong, &String::from_utf8_lossy(text)),
        }
    }

    /// Say what comes after an answer.
    fn answered(&mut self, index: usize, answered: Outstanding) {
        match answered.purpose {
            Purpose::Boot => self.opened(index),
            Purpose::Prepare | Purpose::Load => self.load_answered(index, answered),
        }
    }

    /// Send a CALL. `since_ns`: what its latency counts from.
    pub(crate) fn send_call(&mut self, index: usize, kind: Kind, purpose: Purpose, since_ns: u64) {
        let charge_point = &mut self.charge_points[index];
        charge_point.number += 1;
        let number = charge_point.number;
        charge_point.outstanding = Some(Outstanding { kind, number, since_ns, purpose });
        self.write_text(index, kind, number);
        let text = std::mem::take(&mut self.text);
        self.send(index, frame::TEXT, &text);
        self.text = text;
    }

    fn write_text(&mut self, index: usize, kind: Kind, number: u64) {
        let charge_point = &self.charge_points[index];
        let filling = Filling {
            run: self.options.run,
            number,
            start_ms: self.options.start_ms,
            transaction_id: charge_point.transaction_id,
            id_tag: &charge_point.id_tag,
        };
        self.templates.of(kind).write(&filling, &mut self.text);
    }

    fn send(&mut self, index: usize, head: u8, payload: &[u8]) {
        // xorshift: a key that differs from frame to frame; nobody has to be unable to guess it here.
        self.mask ^= self.mask << 13;
        self.mask ^= self.mask >> 17;
        self.mask ^= self.mask << 5;
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        frame::write(head, payload, self.mask.to_ne_bytes(), &mut bytes);
        self.write(index, &bytes);
        self.bytes = bytes;
    }

    fn write(&mut self, index: usize, bytes: &[u8]) {
        let charge_point = &mut self.charge_points[index];
        let Some(socket) = &charge_point.socket else { return };
        if !charge_point.unsent.is_empty() {
            charge_point.unsent.extend_from_slice(bytes);
            return;
        }
        let sent = match net::send(socket.as_fd(), bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => sent,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(error) => return self.lose(index, Failure::Closed, &error.to_string()),
        };
        if sent < bytes.len() {
            charge_point.unsent.extend_from_slice(&bytes[sent..]);
            self.watch(index, epoll::EventFlags::IN | epoll::EventFlags::OUT);
        }
    }

    /// Count a failure and give the connection up.
    fn lose(&mut self, index: usize, failure: Failure, text: &str) {
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
