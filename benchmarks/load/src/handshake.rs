//! The opening handshake: URL, request, response. RFC 6455 4, OCPP-J 3

use std::net::{SocketAddr, ToSocketAddrs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The sample of RFC 6455 1.3: a nonce protects against caches, and there is none on the way.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const SUBPROTOCOL: &str = "ocpp1.6";
/// Longest head of a response that is looked at.
const HEAD_LIMIT: usize = 16_384;

/// Where the charge points connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As in the URL, for the `Host` field.
    pub authority: String,
    /// The first of its addresses.
    pub address: SocketAddr,
    /// Path without its last part, the identity; no slash at its end.
    pub path: String,
    /// Whether TLS comes first.
    pub is_tls: bool,
}

impl Target {
    /// Read `ws://host[:port][/path]` or `wss://...`, and look the host up.
    ///
    /// # Errors
    /// A text for people: it is another scheme, or the host has no address.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (rest, port) = match (url.strip_prefix("ws://"), url.strip_prefix("wss://")) {
            (Some(rest), _) => (rest, 80),
            (_, Some(rest)) => (rest, 443),
            _ => return Err(format!("{url}: must begin with ws:// or wss://")),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let with_port =
            if has_port(authority) { authority.to_owned() } else { format!("{authority}:{port}") };
        let address = with_port
            .to_socket_addrs()
            .map_err(|error| format!("{authority}: {error}"))?
            .next()
            .ok_or_else(|| format!("{authority}: has no address"))?;
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { authority: authority.to_owned(), address, path, is_tls: port == 443 })
    }

    /// The request of one charge point. password None: no `Authorization` field.
    #[must_use]
    pub fn request(&self, identity: &str, password: Option<&str>) -> Vec<u8> {
        let authorization = password.map_or_else(String::new, |password| {
            format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{identity}:{password}")))
        });
        format!(
            "GET {}/{identity} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n{authorization}\r\n",
            self.path, self.authority
        )
        .into_bytes()
    }
}

fn has_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'))
}

/// The response to a handshake.
#[derive(Debug, PartialEq, Eq)]
pub enum Response {
    /// Not all of it is there yet.
    Incomplete,
    /// The connection is a WebSocket; what follows after so many bytes are frames.
    Opened(usize),
    /// The server refuses; the text is its first line or says what is missing.
    Refused(String),
}

/// Judge the response. subprotocol: whether `ocpp1.6` has to be agreed on (OCPP-J 3.1.2).
#[must_use]
pub fn judge(bytes: &[u8], subprotocol: bool) -> Response {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() < HEAD_LIMIT {
            Response::Incomplete
        } else {
            Response::Refused("the response has no end".to_owned())
        };
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    if !first.starts_with("HTTP/1.1 101") {
        return Response::Refused(first.to_owned());
    }
    let fields: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
        .collect();
    let field = |name| fields.iter().find(|(found, _)| found == name).map(|(_, value)| *value);
    if field("sec-websocket-accept") != Some(ACCEPT) {
        return Response::Refused("Sec-WebSocket-Accept is missing or wrong".to_owned());
    }
    if subprotocol && field("sec-websocket-protocol") != Some(SUBPROTOCOL) {
        return Response::Refused(format!("the subprotocol {SUBPROTOCOL} is not agreed on"));
    }
    Response::Opened(end + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n";

    #[test]
    fn urls_are_read() {
        let target = Target::parse("ws://127.0.0.1:8080/ocpp/acme/").unwrap();
        assert_eq!((target.address.port(), target.path.as_str()), (8080, "/ocpp/acme"));
        assert_eq!(Target::parse("ws://127.0.0.1").unwrap().address.port(), 80);
        assert_eq!(Target::parse("ws://[::1]/ocpp").unwrap().address.port(), 80);
        assert_eq!(Target::parse("ws://[::1]:9000").unwrap().address.port(), 9000);
        let secure = Target::parse("wss://127.0.0.1/ocpp").unwrap();
        assert_eq!((secure.address.port(), secure.is_tls), (443, true));
        for wrong in ["http://127.0.0.1/ocpp", "ws://", "ws://127.0.0.1:port/"] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_request_names_identity_subprotocol_and_credential() {
        let target = Target::parse("ws://127.0.0.1:8080/ocpp/acme").unwrap();
        let text = String::from_utf8(target.request("CP-1", Some("secret"))).unwrap();
        assert!(text.starts_with("GET /ocpp/acme/CP-1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"));
        assert!(text.contains("\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"));
        assert!(text.ends_with("\r\nAuthorization: Basic Q1AtMTpzZWNyZXQ=\r\n\r\n"));
        assert!(!String::from_utf8(target.request("CP-1", None)).unwrap().contains("Authorization"));
    }

    #[test]
    fn a_response_opens_the_connection_only_when_it_is_whole_and_right() {
        let frames = format!("{GOOD}\u{1}");
        assert_eq!(judge(frames.as_bytes(), true), Response::Opened(GOOD.len()));
        assert_eq!(judge(&GOOD.as_bytes()[..GOOD.len() - 1], true), Response::Incomplete);
        for (old, new, refusal) in [
            ("101", "401", "HTTP/1.1 401 Switching Protocols"),
            ("s3pP", "xxxx", "Sec-WebSocket-Accept is missing or wrong"),
            ("ocpp1.6", "ocpp2.0", "the subprotocol ocpp1.6 is not agreed on"),
        ] {
            assert_eq!(judge(GOOD.replace(old, new).as_bytes(), true), Response::Refused(refusal.to_owned()));
        }
        assert_eq!(judge(&[b'x'; HEAD_LIMIT], true), Response::Refused("the response has no end".to_owned()));
    }

    #[test]
    fn an_echo_need_not_know_the_subprotocol() {
        let plain = GOOD.replace("Sec-WebSocket-Protocol: ocpp1.6\r\n", "");
        assert_eq!(judge(plain.as_bytes(), false), Response::Opened(plain.len()));
        assert!(matches!(judge(plain.as_bytes(), true), Response::Refused(_)));
    }
}
