//! The two sides of a connection.

use crate::protocol::definition::Sender;

/// One side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The server.
    CentralSystem,
    /// The client.
    ChargePoint,
}

impl Role {
    /// Whether this side may send a request that `sender` sends.
    #[must_use]
    pub fn may_send(self, sender: Sender) -> bool {
        match sender {
            Sender::Both => true,
            Sender::CentralSystem => self == Self::CentralSystem,
            Sender::ChargePoint => self == Self::ChargePoint,
        }
    }

    /// The other side.
    #[must_use]
    pub fn peer(self) -> Self {
        match self {
            Self::CentralSystem => Self::ChargePoint,
            Self::ChargePoint => Self::CentralSystem,
        }
    }
}
