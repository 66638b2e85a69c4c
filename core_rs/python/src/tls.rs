//! Certificates and trust anchors for TLS as Python classes.

use std::path::PathBuf;

use openssl::ssl::{SslContextBuilder, SslOptions};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use stationmaster_sockets::{self as core, ClientTrust, ServerCertificate};

use crate::tls_tickets::{self as tickets, KEYS_BYTES};

#[pyclass(frozen, module = "app._core")]
pub struct TlsContext {
    pub context: core::TlsContext,
}

#[pyclass(frozen, get_all, module = "app._core")]
pub struct Encryption {
    pub is_established: bool,
    pub is_resumed: bool,
    pub version: &'static str,
    pub suite: &'static str,
    pub certificate: Option<Py<PyBytes>>,
    pub others: Vec<Py<PyBytes>>,
    pub anchor: Option<Py<PyBytes>>,
}

#[pymethods]
impl TlsContext {
    #[new]
    fn new(
        certificates: Vec<(PathBuf, PathBuf)>,
        ticket_keys: &[u8],
        anchors: Option<Vec<u8>>,
        revoked: Vec<(Vec<u8>, Vec<u8>)>,
        accepts_unverified: bool,
    ) -> PyResult<Self> {
        if ticket_keys.len() != KEYS_BYTES {
            return Err(PyValueError::new_err("ticket_keys must have 80 bytes"));
        }
        let certificates: Vec<_> =
            certificates.into_iter().map(|(chain, key)| ServerCertificate { chain, key }).collect();
        let trust = anchors.map(|anchors| ClientTrust {
            anchors,
            revoked: revoked.into_iter().collect(),
            accepts_unverified,
        });
        let finish = |context: &mut SslContextBuilder| {
            tickets::share_keys(context, ticket_keys)?;
            tickets::refuse_those_with_certificate(context);
            context.clear_options(SslOptions::NO_TICKET);
            Ok(())
        };
        core::TlsContext::new(&certificates, trust, finish)
            .map(|context| Self { context })
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }
}
