//! The certificates of the server, and whom it trusts, as OpenSSL needs them.
//!
//! Certificates of the same names share a context, in which OpenSSL chooses RSA or ECDSA by the suites that the client
//! offers. The name that the client asks for (SNI) chooses the context. Without a name, or with an unknown one, the
//! first certificate serves.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::ssl::{
    NameType, SniError, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslMode, SslOptions, SslRef,
    SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509NameRef, X509Ref, X509StoreContextRef, X509VerifyResult};

/// The suites of TLS 1.2. The whitepaper (edition 3, A00.FR.317) requires those with ECDHE-ECDSA and those without
/// ECDHE. Those with ECDHE-RSA have forward secrecy with an RSA certificate.
const SUITES: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
    ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:AES128-GCM-SHA256:AES256-GCM-SHA384";
/// The suites of TLS 1.3 that use the same primitives.
const SUITES_13: &str = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
/// 112 bits: RSA keys of 2048 bits, no SHA-1 in signatures. The default of distributions differs.
const SECURITY_LEVEL: u32 = 2;
/// Names of trust anchors are sent to each client. A longer list would not fit into small charge points.
const MOST_NAMES_SENT: usize = 32;

/// A certificate of the server with its chain, and the private key: paths of PEM files.
pub struct ServerCertificate {
    /// The certificate, then its intermediate ones.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The certificates of clients that are accepted.
pub struct ClientTrust {
    /// Trust anchors, PEM, one after the other.
    pub anchors: Vec<u8>,
    /// Revoked certificates: the issuer's name (DER) and the serial number (big endian, without zeros in front).
    pub revoked: HashSet<(Vec<u8>, Vec<u8>)>,
    /// Certificates that lead to no anchor are accepted, too. Then the program must verify them before it trusts them.
    pub accepts_unverified: bool,
}

/// The contexts for new connections. It does not change; another one takes its place.
pub struct TlsContext {
    first: SslContext,
}

impl TlsContext {
    /// Read the files and make the contexts. `finish` may change each one.
    ///
    /// # Errors
    /// A file cannot be read, a key is not that of its certificate, or there is no certificate.
    pub fn new(
        certificates: &[ServerCertificate],
        trust: Option<ClientTrust>,
        finish: impl Fn(&mut SslContextBuilder) -> Result<(), ErrorStack>,
    ) -> Result<Self, TlsError> {
        let trust = trust.map(Trust::read).transpose()?;
        let mut builders: Vec<(Vec<String>, SslContextBuilder)> = Vec::new();
        for certificate in certificates {
            let names = names_of(certificate)?;
            let place = if let Some(place) = builders.iter().position(|(known, _)| *known == names) {
                place
            } else {
                builders.push((names, builder(trust.as_ref())?));
                builders.len() - 1
            };
            let context = &mut builders[place].1;
            context.set_certificate_chain_file(&certificate.chain)?;
            context.set_private_key_file(&certificate.key, SslFiletype::PEM)?;
            context.check_private_key()?;
        }
        for (_, context) in &mut builders {
            finish(context)?;
        }
        if builders.is_empty() {
            return Err(TlsError("there is no certificate".to_owned()));
        }
        let (first_names, mut first) = builders.remove(0);
        let mut by_name: HashMap<String, SslContext> = HashMap::new();
        for (names, context) in builders {
            let context = context.build();
            for name in names.into_iter().filter(|name| !first_names.contains(name)) {
                by_name.entry(name).or_insert_with(|| context.clone());
            }
        }
        if !by_name.is_empty() {
            first.set_servername_callback(move |ssl, _| choose(ssl, &by_name));
        }
        Ok(Self { first: first.build() })
    }

    pub(crate) fn context(&self) -> &SslContext {
        &self.first
    }
}

/// Why the contexts cannot be made.
#[derive(Debug)]
pub struct TlsError(String);

impl std::fmt::Display for TlsError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

impl From<ErrorStack> for TlsError {
    fn from(stack: ErrorStack) -> Self {
        let reason = stack.errors().first().and_then(openssl::error::Error::reason);
        Self(reason.unwrap_or("OpenSSL gives no reason").to_owned())
    }
}

struct Trust {
    anchors: Vec<X509>,
    revoked: Arc<HashSet<(Vec<u8>, Vec<u8>)>>,
    accepts_unverified: bool,
}

impl Trust {
    fn read(trust: ClientTrust) -> Result<Self, TlsError> {
        Ok(Self {
            anchors: X509::stack_from_pem(&trust.anchors)?,
            revoked: Arc::new(trust.revoked),
            accepts_unverified: trust.accepts_unverified,
        })
    }

    fn install(&self, context: &mut SslContextBuilder) -> Result<(), TlsError> {
        let mut store = X509StoreBuilder::new()?;
        // An anchor may be an intermediate certificate: the operator trusts it, and not its root.
        store.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        let mut names = Stack::new()?;
        for anchor in &self.anchors {
            store.add_cert(anchor.clone())?;
            // A client may keep back a certificate that leads to none of the names. No name means any.
            if self.anchors.len() <= MOST_NAMES_SENT && !self.accepts_unverified {
                names.push(anchor.subject_name().to_owned()?)?;
            }
        }
        context.set_verify_cert_store(store.build())?;
        context.set_client_ca_list(names);
        let revoked = Arc::clone(&self.revoked);
        let accepts_unverified = self.accepts_unverified;
        // Without a certificate the session goes on: the login then needs a password (profile 2).
        context.set_verify_callback(SslVerifyMode::PEER, move |is_valid, chain| {
            if is_valid { is_current(chain, &revoked) } else { accepts_unverified }
        });
        // A resumed session would not be verified again, so a revoked certificate would live on in it. `finish` of
        // `TlsContext::new` may allow tickets again, if it refuses those with a certificate.
        context.set_options(SslOptions::NO_TICKET);
        Ok(())
    }
}

fn builder(trust: Option<&Trust>) -> Result<SslContextBuilder, TlsError> {
    let mut context = SslContextBuilder::new(SslMethod::tls_server())?;
    context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    context.set_security_level(SECURITY_LEVEL);
    context.set_cipher_list(SUITES)?;
    context.set_ciphersuites(SUITES_13)?;
    context.set_options(
        SslOptions::NO_COMPRESSION
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::CIPHER_SERVER_PREFERENCE
            // See `Session`: the end of the socket is an ordinary end.
            | SslOptions::IGNORE_UNEXPECTED_EOF,
    );
    context.set_mode(
        // An idle connection keeps no buffers. What waits to be sent may move and grow in memory.
        SslMode::RELEASE_BUFFERS | SslMode::ENABLE_PARTIAL_WRITE | SslMode::ACCEPT_MOVING_WRITE_BUFFER,
    );
    // Sessions live in tickets, which any worker reads.
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_session_id_context(b"stationmaster")?;
    if let Some(trust) = trust {
        trust.install(&mut context)?;
    }
    Ok(context)
}

/// Tell whether the certificate that is verified now is not revoked.
fn is_current(chain: &mut X509StoreContextRef, revoked: &HashSet<(Vec<u8>, Vec<u8>)>) -> bool {
    if revoked.is_empty() {
        return true;
    }
    let is_current = chain
        .current_cert()
        .is_some_and(|certificate| number_of(certificate).is_ok_and(|number| !revoked.contains(&number)));
    if !is_current {
        chain.set_error(X509VerifyResult::APPLICATION_VERIFICATION);
    }
    is_current
}

fn number_of(certificate: &X509Ref) -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
    Ok((certificate.issuer_name().to_der()?, certificate.serial_number().to_bn()?.to_vec()))
}

/// Return the DNS names of a certificate, sorted, in lower case; without any, its common names.
fn names_of(certificate: &ServerCertificate) -> Result<Vec<String>, TlsError> {
    let pem = std::fs::read(&certificate.chain)
        .map_err(|error| TlsError(format!("{}: {error}", certificate.chain.display())))?;
    let leaf = X509::from_pem(&pem)?;
    let mut names: Vec<String> = leaf.subject_alt_names().map_or_else(Vec::new, |all| {
        all.iter().filter_map(|name| name.dnsname().map(str::to_ascii_lowercase)).collect()
    });
    if names.is_empty() {
        names = common_names(leaf.subject_name());
    }
    names.sort();
    names.dedup();
    Ok(names)
}

fn common_names(name: &X509NameRef) -> Vec<String> {
    name.entries_by_nid(openssl::nid::Nid::COMMONNAME)
        .filter_map(|entry| entry.data().to_string().ok().map(|text| text.to_ascii_lowercase()))
        .collect()
}

/// Change to the context of the name that the client asks for: exactly that name, or a wildcard for its first label.
fn choose(ssl: &mut SslRef, by_name: &HashMap<String, SslContext>) -> Result<(), SniError> {
    let Some(name) = ssl.servername(NameType::HOST_NAME).map(str::to_ascii_lowercase) else { return Ok(()) };
    let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
    let found = by_name.get(&name).or_else(|| wildcard.and_then(|wildcard| by_name.get(&wildcard)));
    found.map_or(Ok(()), |context| ssl.set_ssl_context(context).map_err(|_| SniError::ALERT_FATAL))
}
