//! The Python extension `app._core`: converts in, calls `ocpp-core`, converts out.
//!
//! Its documentation for Python is `app/_core.pyi`, which is checked against this module.
#![deny(unsafe_code)]
#![allow(missing_docs)] // The stub documents what Python sees.

mod clock;
mod conversation;
mod convert;
mod counters;
mod effects;
mod errors;
mod frame_log;
mod link;
mod meter_queue;
mod protocol;
mod schedule;
mod site;
mod socket;
mod sockets;
mod tls;
mod tls_tickets;

mod websocket;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _core {
    use ocpp_core::protocol::deviation::DeviationCode;
    use pyo3::prelude::*;
    use pyo3::types::PyTuple;

    #[pymodule_export]
    use super::conversation::{Conversation, Notice};
    #[pymodule_export]
    use super::counters::Counters;
    #[pymodule_export]
    use super::effects::{CallSent, Deviation, Dispatch, Ignored, Refused, Resolve, Send, Violation};
    #[pymodule_export]
    use super::frame_log::{FrameBuffer, is_secret_name, redact, redact_fault_text, unpack_frames};
    #[pymodule_export]
    use super::link::Link;
    #[pymodule_export]
    use super::meter_queue::{MeterBatch, MeterQueue, meter_digest, pack_samples, unpack_samples};
    #[pymodule_export]
    use super::protocol::{FrameVerdict, Protocol, Verdict};
    #[pymodule_export]
    use super::schedule::{CompositeQuestion, CompositeSchedule, composite_schedules};
    #[pymodule_export]
    use super::site::{
        SiteDistribution, SiteFault, SiteMemory, SiteNode, SiteOverload, SiteReserve, SiteSession, SiteShare,
        distribute_site,
    };
    #[pymodule_export]
    use super::socket::Socket;
    #[pymodule_export]
    use super::sockets::Sockets;
    #[pymodule_export]
    use super::tls::{Encryption, TlsContext};
    #[pymodule_export]
    use super::websocket::{Control, Deframer, close_frame, ping_frame, text_frame};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let codes = PyTuple::new(module.py(), DeviationCode::ALL.iter().map(|code| code.as_str()))?;
        module.add("DEVIATION_CODES", codes)?;
        module.add("COMPILER_VERSION", env!("COMPILER_VERSION"))?;
        super::clock::set_scale(module.py())
    }
}
