//! Session tickets (RFC 5077, RFC 8446 4.6.1): keys that all workers share, and none for sessions with a client
//! certificate.
//!
//! The crate `openssl` has no functions for this, so here are calls of OpenSSL 3 itself.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_uchar, c_void};
use std::ptr;

use openssl::error::ErrorStack;
use openssl::ssl::SslContextBuilder;
use openssl_sys::{SSL, SSL_CTX, SSL_SESSION, X509};

/// Bytes of the name, the HMAC key and the AES-256 key.
pub const KEYS_BYTES: usize = 80;

/// `SSL_CTRL_SET_TLSEXT_TICKET_KEYS` of <openssl/ssl.h>.
const SET_KEYS: c_int = 59;
/// `SSL_TICKET_SUCCESS` and `SSL_TICKET_SUCCESS_RENEW`: the ticket was decrypted.
const SUCCESS: c_int = 5;
const SUCCESS_RENEW: c_int = 6;
/// `SSL_TICKET_RETURN_...`: do a whole handshake and give a new ticket, or use this one.
const IGNORE_RENEW: c_int = 2;
const USE: c_int = 3;
const USE_RENEW: c_int = 4;

type Generate = extern "C" fn(*mut SSL, *mut c_void) -> c_int;
type Decrypted =
    extern "C" fn(*mut SSL, *mut SSL_SESSION, *const c_uchar, usize, c_int, *mut c_void) -> c_int;

unsafe extern "C" {
    /// `SSL_CTX_set_session_ticket_cb(3)`
    fn SSL_CTX_set_session_ticket_cb(
        context: *mut SSL_CTX,
        generate: Option<Generate>,
        decrypted: Option<Decrypted>,
        argument: *mut c_void,
    ) -> c_int;
    /// `SSL_SESSION_get0_peer(3)`
    fn SSL_SESSION_get0_peer(session: *mut SSL_SESSION) -> *mut X509;
}

/// Set the keys that tickets are encrypted with. `keys` has `KEYS_BYTES`.
pub fn share_keys(context: &mut SslContextBuilder, keys: &[u8]) -> Result<(), ErrorStack> {
    let mut copied = [0_u8; KEYS_BYTES];
    copied.copy_from_slice(keys);
    // SAFETY: the call copies the 80 bytes, and keeps no pointer to them (SSL_CTX_set_tlsext_ticket_key_cb(3)).
    let done =
        unsafe { openssl_sys::SSL_CTX_ctrl(context.as_ptr(), SET_KEYS, 80, copied.as_mut_ptr().cast()) };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Resume no session whose client has shown a certificate: it would not be verified again.
pub fn refuse_those_with_certificate(context: &mut SslContextBuilder) {
    // SAFETY: the context is valid, and the function lives as long as the program. It gets no argument.
    unsafe { SSL_CTX_set_session_ticket_cb(context.as_ptr(), None, Some(decrypted), ptr::null_mut()) };
}

/// Decide about one ticket. `status`: whether OpenSSL could read it.
extern "C" fn decrypted(
    _: *mut SSL,
    session: *mut SSL_SESSION,
    _: *const c_uchar,
    _: usize,
    status: c_int,
    _: *mut c_void,
) -> c_int {
    if session.is_null() || (status != SUCCESS && status != SUCCESS_RENEW) {
        return IGNORE_RENEW;
    }
    // SAFETY: OpenSSL gives a valid session for the time of this call; the certificate is only compared with null.
    let has_certificate = !unsafe { SSL_SESSION_get0_peer(session) }.is_null();
    match status {
        _ if has_certificate => IGNORE_RENEW,
        SUCCESS => USE,
        _ => USE_RENEW,
    }
}
