//! Which names say that a value is secret: configuration keys, members of vendor data, words in a text.
//!
//! OCPP 1.6 has one secret key, `AuthorizationKey`. Vendors have more, such as `StationPassword`, `G_CardPin` or
//! `WLAN_PSK`, and spell each in several ways. So a name is compared by its words and without regard to case,
//! blanks and punctuation. To hide a value too many costs little.

/// Parts that say it wherever they are in a name, written together and in lower case.
const PARTS: [&str; 28] = [
    "passw",
    "pasword",
    "passphrase",
    "passcode",
    "passkey",
    "secret",
    "credential",
    "authorizationkey",
    "authorisationkey",
    "authkey",
    "privatekey",
    "sharedkey",
    "encryptionkey",
    "apikey",
    "accesskey",
    "authtoken",
    "accesstoken",
    "refreshtoken",
    "sessiontoken",
    "bearertoken",
    "apitoken",
    "masterkey",
    "signingkey",
    "networkkey",
    "wifikey",
    "wlankey",
    "wpakey",
    "kennwort",
];
/// Short words: as a whole word of the name, or at its end.
const WORDS: [&str; 6] = ["pass", "pwd", "psk", "pin", "puk", "pincode"];

/// The longest name that is looked at; longer texts are not names. In bytes.
const NAME_LIMIT: usize = 128;

/// Whether a name says that its value is secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    if name.len() > NAME_LIMIT {
        return false;
    }
    let folded: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    if PARTS.iter().any(|part| folded.contains(part)) {
        return true;
    }
    let end = folded.trim_end_matches(|letter: char| letter.is_ascii_digit());
    WORDS.iter().any(|word| end.ends_with(word)) || words(name).any(|word| WORDS.contains(&word.as_str()))
}

/// Whether the last word of a text about a fault, or the last two together, end as the name of a secret.
pub(super) fn ends_with_part(text: &str) -> bool {
    let letters = |word: &str| -> String {
        word.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let mut back = text.split_whitespace().rev().map(letters);
    let (Some(last), before) = (back.next(), back.next().unwrap_or_default()) else { return false };
    let both = format!("{before}{last}");
    // A name before the last word names something else: `password error`.
    PARTS.iter().any(|part| both.rfind(part).is_some_and(|at| at + part.len() > before.len()))
}

/// Whether the last word of a text about a fault is a short word that names a secret. `pin` and `bypass` are none.
pub(super) fn ends_with_word(text: &str) -> bool {
    let last = text.split_whitespace().next_back().unwrap_or_default();
    words(last).any(|word| matches!(word.as_str(), "pass" | "pwd" | "psk" | "puk"))
}

/// Ends of the names of parameters of URLs that let their holder in: `X-Amz-Signature`, `sig`, `access_token`.
const PARAMETER_ENDS: [&str; 7] = ["token", "signature", "sig", "key", "auth", "jwt", "code"];

/// Whether the value of a parameter of a URL is secret. More are than members of a message: a `key` is one here.
pub(super) fn is_secret_parameter(name: &str) -> bool {
    let folded: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    PARAMETER_ENDS.iter().any(|end| folded.ends_with(end)) || is_secret_name(name)
}

/// Texts without which no name is secret, in lower case and without punctuation.
const HINTS: [&[u8]; 13] = [
    b"pass", b"pasw", b"pin", b"psk", b"puk", b"pwd", b"secret", b"credent", b"key", b"kennw", b"token",
    b"basic", b"bearer",
];

/// Whether a text may hold a secret name. `false` is certain, and found in one pass, without reading JSON.
pub(super) fn may_name_secret(text: &str) -> bool {
    // A letter may be written as an escape, and the password of a URL has no name.
    if has_escaped_letter(text) || may_hold_url(text) {
        return true;
    }
    // A blank may be anywhere, as in `Pass word`.
    let mut folded = Vec::with_capacity(text.len());
    folded.extend(text.bytes().filter(u8::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()));
    folded.iter().enumerate().any(|(place, letter)| {
        matches!(letter, b'p' | b's' | b'c' | b'k' | b't' | b'b')
            && HINTS.iter().any(|hint| folded[place..].starts_with(hint))
    })
}

/// Whether a letter may be written as an escape.
pub(super) fn has_escaped_letter(text: &str) -> bool {
    memchr::memchr(b'\\', text.as_bytes()).is_some() && text.contains("\\u")
}

/// Whether a text may hold a URL. `false` is certain. JSON may write a slash as `\/`, as the encoder of PHP does.
pub(super) fn may_hold_url(text: &str) -> bool {
    let bytes = text.as_bytes();
    // A backslash is written as two, and one before a quotation mark is none of a URL.
    memchr::memchr_iter(b'/', bytes)
        .any(|at| at.checked_sub(1).is_some_and(|before| matches!(bytes[before], b'/' | b':' | b'\\')))
        || memchr::memmem::find(bytes, b"\\\\").is_some()
}

/// The words of a name in lower case: `G_CardPIN2` has `g`, `card` and `pin`.
pub(super) fn words(name: &str) -> impl Iterator<Item = String> {
    let mut found = vec![String::new()];
    let mut previous = ' ';
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let begins = letter.is_ascii_uppercase()
            && (previous.is_ascii_lowercase() || letters.peek().is_some_and(char::is_ascii_lowercase));
        if begins || !letter.is_ascii_alphabetic() {
            found.push(String::new());
        }
        if letter.is_ascii_alphabetic() {
            found.last_mut().expect("never empty").push(letter.to_ascii_lowercase());
        }
        previous = letter;
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::{HINTS, PARTS, WORDS, is_secret_name, may_name_secret};

    #[test]
    fn every_hint_is_found_wherever_it_is_and_however_it_is_spelled() {
        for hint in HINTS.map(|hint| std::str::from_utf8(hint).expect("it is ASCII")) {
            let spaced: String = hint.chars().flat_map(|letter| [letter, '_']).collect();
            for spelled in [hint, &hint.to_uppercase(), &spaced, &format!("\u{e4}{hint}")] {
                for text in
                    [spelled.to_owned(), format!("[3,\"1\",{{\"My{spelled}\":1}}]"), format!("p{spelled}")]
                {
                    assert!(may_name_secret(&text), "{text}");
                }
            }
        }
        for text in [r"\u0050in", "ftp://host", r"ftp:\/\/host", "ftp:/host", r"ftp:\\\\host", "//host"] {
            assert!(may_name_secret(text), "{text}");
        }
    }

    #[test]
    fn no_secret_name_is_without_a_hint() {
        for name in PARTS.into_iter().chain(WORDS) {
            assert!(is_secret_name(name) && may_name_secret(name), "{name}");
        }
    }

    #[test]
    fn plain_answers_have_no_hint() {
        for text in [
            r#"[3,"00000000-0000-4000-8000-000000000000",{"currentTime":"2026-03-01T08:00:00.000Z"}]"#,
            r#"[3,"1",{"transactionId":100001,"idTagInfo":{"status":"Accepted"}}]"#,
            r#"[3,"1",{}]"#,
            "pas pi ke toke",
            "",
        ] {
            assert!(!may_name_secret(text), "{text}");
        }
    }

    #[test]
    fn a_secret_name_is_found_in_any_spelling() {
        for name in [
            "AuthorizationKey",
            " authorizationkey ",
            "Authorization Key",
            "AUTHORIZATION_KEY",
            "StationPassword",
            "stationpassword2",
            "Pass word",
            "WiFi-Passwort",
            "FTP_PASS",
            "passwd",
            "G_CardPin",
            "G_CARD_PIN",
            "cardpin",
            "PIN",
            "Pin1",
            "SimPINCode",
            "SIMPin",
            "WLAN_PSK",
            "ApiSecret",
            "client.secret.value",
            "OcppAuthKey",
            "VendorPrivateKeyPem",
            "Kennwort",
            "WifiKey",
            "MasterKey",
            "refresh_token",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn other_names_are_not_secret() {
        for name in [
            "",
            "Key",
            "WebSocketPingInterval",
            "Spinning",
            "ShippingMode",
            "SupportedFeatureProfiles",
            "LocalAuthorizeOffline",
            "GetConfigurationMaxKeys",
            "BypassMode",
            "CompassHeading",
            "idToken",
            "MeterPublicKey",
            "AuthorizationCacheEnabled",
            &"AuthorizationKey ".repeat(20),
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
