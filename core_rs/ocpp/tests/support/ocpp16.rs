//! The one OCPP 1.6 of a test program.

use std::sync::LazyLock;

use ocpp_core::protocol::Protocol;

/// OCPP 1.6, made at the first use.
pub fn ocpp16() -> &'static Protocol {
    static OCPP16: LazyLock<&'static Protocol> = LazyLock::new(Protocol::v16);
    *OCPP16
}
