//! Which names say that a value is secret: configuration keys, members of vendor data, words in a text.
//!
//! OCPP 1.6 has one secret key, `AuthorizationKey`. Vendors have more, such as `StationPassword`, `G_CardPin` or
//! `WLAN_PSK`, and spell each in several ways. So a name is compared by its words and without regard to case,
//! blanks and punctuation. To hide a value too many costs little.

/// Parts that say it wherever they are in a name, written together and in lower case.
const PARTS: [&str; 18] = [
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

/// Whether a text may hold a secret name. `false` is certain, and found without reading JSON.
pub(super) fn may_name_secret(text: &str) -> bool {
    const HINTS: [&[u8]; 9] =
        [b"pass", b"pasw", b"secret", b"credent", b"key", b"token", b"pin", b"pwd", b"psk"];
    const RARE_HINTS: [&[u8]; 3] = [b"puk", b"kennw", b"://"];
    let mut folded = text.as_bytes().to_ascii_lowercase();
    let has = |folded: &[u8], hint: &[u8]| memchr::memmem::find(folded, hint).is_some();
    if RARE_HINTS.iter().chain(&HINTS).any(|hint| has(&folded, hint)) {
        return true;
    }
    // A blank may be anywhere, as in `Pass word`, and a letter may be written as an escape.
    folded.retain(u8::is_ascii_alphanumeric);
    has(text.as_bytes(), b"\\u") || RARE_HINTS.iter().chain(&HINTS).any(|hint| has(&folded, hint))
}

/// The words of a name in lower case: `G_CardPIN2` has `g`, `card` and `pin`.
fn words(name: &str) -> impl Iterator<Item = String> {
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
    use super::is_secret_name;

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
            &"AuthorizationKey ".repeat(20),
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
