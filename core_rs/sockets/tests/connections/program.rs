//! A program around the connections, as Python is in the server. It lends its state as strictly as Python does:
//! a call at the wrong moment panics.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use mio::unix::SourceFd;
use stationmaster_sockets::{
    ClientChain, Connection, Connections, Host, Session, Socket, connection, connections,
};

/// What the program has been told about one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Bytes(Vec<u8>),
    Paused,
    Resumed,
    Lost(Option<Failure>),
    /// The transport was aborted.
    Aborted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Socket(ErrorKind),
    Protocol,
    Panic,
    EndOfProgram,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Socket(error.kind())
    }
}

type Events = Rc<RefCell<Vec<Event>>>;
type Reaction = Rc<dyn Fn(&Program, &Handle) -> Result<(), Failure>>;
pub type Handle = Rc<One>;

/// One connection of the program.
pub struct One {
    connection: RefCell<Connection<Events, Failure>>,
    events: Events,
    /// What the protocol does when it is told something.
    reaction: RefCell<Reaction>,
}

impl One {
    pub fn reacts(&self, reaction: impl Fn(&Program, &Handle) -> Result<(), Failure> + 'static) {
        *self.reaction.borrow_mut() = Rc::new(reaction);
    }

    pub fn reacts_no_longer(&self) {
        self.reacts(|_, _| Ok(()));
    }

    /// Take what was told since the last call.
    pub fn events(&self) -> Vec<Event> {
        self.events.take()
    }

    pub fn unsent_bytes(&self) -> usize {
        self.connection.borrow().unsent_bytes()
    }

    /// Tell whether the handshake of TLS is complete.
    pub fn is_established(&self) -> bool {
        let connection = self.connection.borrow();
        connection.socket().and_then(Socket::tls).is_some_and(Session::is_established)
    }

    /// Return the verified chain of the client, if there is one.
    pub fn client_chain(&self) -> Option<ClientChain> {
        self.connection.borrow().socket()?.tls()?.client_chain()
    }

    pub fn pause_reading(&self) {
        self.connection.borrow_mut().pause_reading();
    }
}

pub struct Program {
    connections: RefCell<Connections<Handle>>,
    orders: Cell<usize>,
    failures: RefCell<Vec<Failure>>,
    /// What `failed` returns.
    pub report: Cell<Result<(), Failure>>,
}

impl Program {
    pub fn new() -> Self {
        Self {
            connections: RefCell::new(Connections::new().unwrap()),
            orders: Cell::new(0),
            failures: RefCell::default(),
            report: Cell::new(Ok(())),
        }
    }

    /// Add a connection that its transport still has; return the other end, too.
    pub fn hold(&self) -> (Handle, Peer) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        (self.adopt(OwnedFd::from(ours)), Peer(theirs))
    }

    pub fn adopt(&self, descriptor: OwnedFd) -> Handle {
        self.adopt_socket(Socket::new(descriptor).unwrap())
    }

    pub fn adopt_socket(&self, socket: Socket) -> Handle {
        let events = Events::default();
        let mut all = self.connections.borrow_mut();
        let handle = Rc::new(One {
            connection: RefCell::new(Connection::new(socket, all.next_place(), Rc::clone(&events))),
            events,
            reaction: RefCell::new(Rc::new(|_, _| Ok(()))),
        });
        all.add(Rc::clone(&handle));
        handle
    }

    /// Add an open connection, about which the system has nothing to say at first.
    pub fn open(&self) -> (Handle, Peer) {
        let (handle, peer) = self.hold();
        connection::open(self, &handle).unwrap();
        self.turn();
        assert_eq!(self.orders(), 0);
        (handle, peer)
    }

    pub fn write(&self, handle: &Handle, bytes: &[u8]) {
        connection::write(self, handle, |unsent| unsent.extend_from_slice(bytes)).unwrap();
    }

    pub fn close(&self, handle: &Handle) {
        connection::close(self, handle).unwrap();
    }

    pub fn abort(&self, handle: &Handle) {
        connection::abort(self, handle).unwrap();
    }

    /// Do what the event loop does in one turn.
    pub fn turn(&self) {
        self.try_turn().unwrap();
    }

    pub fn try_turn(&self) -> Result<(), Failure> {
        let ordered = if self.orders.take() > 0 { connections::settle(self) } else { Ok(()) };
        ordered.and(connections::serve(self))
    }

    /// Count the calls of `settle` that were asked for and not made yet.
    pub fn orders(&self) -> usize {
        self.orders.get()
    }

    pub fn count(&self) -> usize {
        self.connections.borrow().count()
    }

    /// Tell whether the event loop would see that there is something to serve.
    pub fn is_readable(&self) -> bool {
        let descriptor = self.connections.borrow().as_raw_fd();
        let mut poll = mio::Poll::new().unwrap();
        let mut events = mio::Events::with_capacity(1);
        let interest = mio::Interest::READABLE;
        poll.registry().register(&mut SourceFd(&descriptor), mio::Token(0), interest).unwrap();
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        !events.is_empty()
    }

    /// Take the failures that were reported since the last call.
    pub fn failures(&self) -> Vec<Failure> {
        self.failures.take()
    }

    fn tell(&self, handle: &Handle, event: Event) -> Result<(), Failure> {
        handle.events.borrow_mut().push(event);
        let reaction = Rc::clone(&handle.reaction.borrow());
        reaction(self, handle)
    }
}

impl Host for Program {
    type Handle = Handle;
    type Transport = Events;
    type Error = Failure;

    fn connections<R>(&self, work: impl FnOnce(&mut Connections<Handle>) -> R) -> R {
        work(&mut self.connections.borrow_mut())
    }

    fn connection<R>(&self, handle: &Handle, work: impl FnOnce(&mut Connection<Events, Failure>) -> R) -> R {
        work(&mut handle.connection.borrow_mut())
    }

    fn copy(&self, handle: &Handle) -> Handle {
        Rc::clone(handle)
    }

    fn settle_soon(&self) -> Result<(), Failure> {
        self.orders.set(self.orders.get() + 1);
        Ok(())
    }

    fn deliver(&self, handle: &Handle, bytes: &[u8]) -> Result<(), Failure> {
        self.tell(handle, Event::Bytes(bytes.to_vec()))
    }

    fn pause_writing(&self, handle: &Handle) -> Result<(), Failure> {
        self.tell(handle, Event::Paused)
    }

    fn resume_writing(&self, handle: &Handle) -> Result<(), Failure> {
        self.tell(handle, Event::Resumed)
    }

    fn lost(&self, handle: &Handle, error: Option<Failure>) -> Result<(), Failure> {
        self.tell(handle, Event::Lost(error))
    }

    fn abort(&self, transport: Events) -> Result<(), Failure> {
        transport.borrow_mut().push(Event::Aborted);
        Ok(())
    }

    fn failed(&self, error: Failure) -> Result<(), Failure> {
        self.failures.borrow_mut().push(error);
        self.report.get()
    }

    fn panicked(&self) -> Failure {
        Failure::Panic
    }

    fn ends_program(&self, error: &Failure) -> bool {
        *error == Failure::EndOfProgram
    }
}

/// The other end of a connection. It never waits.
pub struct Peer(UnixStream);

impl Peer {
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Send nothing more, and still read.
    pub fn end(&self) {
        self.0.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Read what is there, at most so many bytes. A reset counts as nothing, because it comes after all bytes.
    pub fn read(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let count = match self.0.read(&mut bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionReset) => 0,
            read => read.unwrap(),
        };
        bytes.truncate(count);
        bytes
    }

    /// Read everything that is there.
    pub fn read_all(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            match self.read(1 << 20) {
                bytes if bytes.is_empty() => return all,
                bytes => all.extend(bytes),
            }
        }
    }

    /// Tell whether the connection is closed. If the other side left bytes unread, this shows first as a reset.
    pub fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}
