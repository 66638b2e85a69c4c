//! Texts of a status or of a security event: what tells of a fault stays, secrets do not.

use ocpp_core::frame::fault_text::redact_fault_text;

#[test]
fn what_tells_of_a_fault_stays() {
    for text in [
        "Control pilot pin error 12",
        "CP pin 5 voltage low",
        "PIN short circuit E23",
        "PP pin=0V",
        "Basic 230V/16A mode",
        "rpc bearer LTE-B20/B3 lost",
        "CP pin: 1200 mV",
        "Proximity_pin=4700 ohm",
        "pilotPin:12000",
        "[CP] pin 5 low",
        "[1] pin 12",
        "PIN wrong 3 times",
        "pin: 3",
        "bypass: open",
        "self test pass: 5",
        "pass 230V/16A",
        "spin=1200",
        "password error: E12",
        "AuthorizationKey too short (E23)",
        "the password was changed",
        "AuthorizationKey",
        "password:",
        r#"{"code":12,"pilot":"low"}"#,
        "https://host/f?x=1",
        "\u{e4}\u{e4}: \u{e4} = \u{2003}\u{e4}",
        "",
    ] {
        assert_eq!(redact_fault_text(text), text);
    }
}

#[test]
fn a_secret_is_hidden() {
    for (text, shown) in [
        ("no ftp://u:hunter2@h", "no ftp://u:***@h"),
        ("https://h/?token=hunter2 failed", "https://h/?token=*** failed"),
        ("Authorization: Basic aHVudGVyMjpodW50ZXIy", "Authorization: Basic ***"),
        ("bearer hunter2hunter2hunter2 lost", "bearer *** lost"),
        ("AuthorizationKey=hunter2", "AuthorizationKey=***"),
        ("Authorization Key: hunter2 E12", "Authorization Key: *** E12"),
        ("AuthorizationKey hunter2hunter2hunter2", "AuthorizationKey ***"),
        ("CP error, StationPassword = 'hunter2 hunter2', E1", "CP error, StationPassword = '***', E1"),
        ("set \"password\": \"hunter2\"", "set \"password\": \"***\""),
        ("<password>hunter2</password>", "<password>***</password>"),
        ("login with password hunter2", "login with password ***"),
        ("wifi_psk:hunter2", "wifi_psk:***"),
        ("WLAN pwd=>hunter2", "WLAN pwd=>***"),
        ("SIM PIN=1234", "SIM PIN=***"),
        ("G_CardPin: 123456 wrong", "G_CardPin: *** wrong"),
        (r#"{"pin":"hunter2"}"#, r#"{"pin":"***"}"#),
    ] {
        assert_eq!(redact_fault_text(text), shown);
        assert_eq!(redact_fault_text(shown), shown);
    }
}

#[test]
fn the_work_for_a_long_text_grows_with_its_length_only() {
    // With the square of it, each of these would take many minutes.
    for part in ["password ", "pin=", "password '", "a:", " ", "password=", "pass\u{e4}:", "[", r"\\a"] {
        let text = format!("{}password=hunter2", part.repeat(500_000 / part.len()));
        assert!(!redact_fault_text(&text).contains("hunter2"), "{part}");
    }
}
