//! OCPP 1.6J without I/O: values and `now` go in, values come out.
//!
//! No sockets, clocks, threads or Python live here. The Python extension (`core_rs/python`) and the
//! tests are the only users.
#![forbid(unsafe_code)]

pub mod definition;
