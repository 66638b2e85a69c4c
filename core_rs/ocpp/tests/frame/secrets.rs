//! Secrets in frames: none is shown, and nothing else is hidden.

use ocpp_core::frame::redact::redact;
use ocpp_core::frame::secrets::is_secret_name;
use ocpp_core::link::{Effect, Link, Options, Outcome, Role};
use ocpp_core::protocol::Limits;
use ocpp_core::protocol::validate::Mode;

use crate::ocpp16::ocpp16;

const ID: &str = "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11";

#[test]
fn the_only_secret_key_of_the_standard_is_the_authorization_key() {
    let names: Vec<_> = ocpp16().definition().configuration_keys.keys().map(String::as_str).collect();
    let secret: Vec<_> = names.iter().filter(|name| is_secret_name(name)).collect();
    assert_eq!(secret, [&"AuthorizationKey"], "{names:?}");
}

#[test]
fn a_secret_is_hidden_wherever_it_is() {
    for text in [
        r#"[2,"1","ChangeConfiguration",{"key":"StationPassword","value":"hunter2"}]"#,
        r#"[2,"1","ChangeConfiguration",{"value":"hunter2","key":" Authorization Key "}]"#,
        r#"[3,"1",{"configurationKey":[{"key":"A","readonly":true,"value":"1"},{"key":"G_CardPin","readonly":false,"value":"hunter2"}]}]"#,
        r#"[3,"1",{"configurationKey":{"key":"wifi_psk","value":"hunter2"}}]"#,
        r#"[3,"1",{"configurationKey":[{"key":"G_CardPin","value":"hunter2"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":{"user":"a","password":"hunter2"}}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"{\"user\":\"a\",\"pass\u0077ord\":\"hunter2\"}"}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"{\"config\":\"{\\\"key\\\":\\\"pin\\\",\\\"value\\\":\\\"hunter2\\\"}\"}"}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"AuthorizationKey=hunter2"}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"set password hunter2"}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":{"name":"APN_PASS","set":{"to":"hunter2"}}}]"#,
        r#"[4,"1","PropertyConstraintViolation","hunter2 is not an AuthorizationKey",{}]"#,
        r#"[4,"1","GenericError","",{"AuthorizationKey":"hunter2"}]"#,
        r#"[4,"1","GenericError","",{"info":"AuthorizationKey: 'hunter2'"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"ftp://user:hunter2@host/logs"}]"#,
        r#"[2,"1","UpdateFirmware",{"location":"https://user:a/b@hunter2@host:8080/f?x=1","retrieveDate":"2026-01-01T00:00:00Z"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"https://tokenhunter2tokenhunter2@host/logs"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"https://host/logs?x=1&X-Amz-Signature=hunter2&y=2"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"https://host/logs?sv=1&sig=hunter2"}]"#,
        r#"[2,"1","GetLog",{"log":{"remoteLocation":"https://host/?access_token=hunter2"}}]"#,
        r#"[4,"1","GenericError","cannot reach https://host/logs?token=hunter2 in time",{}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"from sftp://u:hunter2@h to ftp://u:hunter2@h"}]"#,
        // Some encoders escape each slash.
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"ftp:\/\/u:hunter2@h"}]"#,
        r#"[3,"1",{"status":"Accepted","data":"ftp:\/\/u:hunter2@h\/f"}]"#,
        r#"[4,"1","InternalError","cannot reach ftp:\/\/u:hunter2@h",{"url":"ftp:\/\/u:hunter2@h"}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"{\"url\":\"ftp:\\\/\\\/u:hunter2@h\"}"}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"ftp:\/\/u:hunter2@h"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"ftp://u:hunter2@h"#,
        // Frequent messages have texts, too.
        r#"[2,"1","StatusNotification",{"connectorId":1,"info":"ftp://u:hunter2@h","status":"Faulted"}]"#,
        r#"[2,"1","StatusNotification",{"connectorId":1,"info":"ftp:\/\/u:hunter2@h","status":"Faulted"}]"#,
        r#"[2,"1","StartTransaction",{"connectorId":1,"x":"https:\/\/h\/?token=hunter2"}]"#,
        // Odd spellings of URLs.
        r#"[2,"1","GetDiagnostics",{"location":"ftp:/u:hunter2@h"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"ftp:\\\\u:hunter2@h"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"//u:hunter2@h/f"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"ftp://u%3Ahunter2@h"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"FTP://u:hunter2@[::1]:21/f"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"https://h/f?%74oken=hunter2"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"https://h/f?a=1;token=hunter2"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"https://h/f;token=hunter2/g"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"https://h/f#x=1&id_sig=hunter2"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"https://h/?to=ftp%3A%2F%2Fu%3Ahunter2%40h"}]"#,
        // Other texts.
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"<user>a</user><password>hunter2</password>"}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"Authorization: Basic hunter2hunter2=="}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":{"Authorization":"Bearer hunter2hunter2"}}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":{"WifiKey":"hunter2","refresh_token":"hunter2"}}]"#,
    ] {
        let shown = redact(text);
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(redact(&shown), shown);
    }
}

#[test]
fn the_work_for_a_long_text_grows_with_its_length_only() {
    // With the square of it, each of these would take many minutes.
    for part in [
        "://a",
        "//a",
        "://a@b",
        "basic ",
        "?a=b",
        "://h?a=%2",
        "/transfers/",
        "://h?a=//h%3Fa=",
        "@//:",
        r"\\\\a",
    ] {
        let text = format!(
            r#"[2,"1","DataTransfer",{{"vendorId":"v","data":"{}ftp://u:hunter2@h"}}]"#,
            part.repeat(1_000_000 / part.len())
        );
        assert!(!redact(&text).contains("hunter2"), "{part}");
    }
    let mut nested = r#"{"pin":"hunter2"}"#.to_owned();
    for _ in 0..14 {
        nested = format!(r#"{{"a":"{}"}}"#, nested.replace('\\', r"\\").replace('"', "\\\""));
    }
    assert!(!redact(&nested).contains("hunter2"));
    let mut nested = "https://h/?token=hunter2".to_owned();
    for _ in 0..300 {
        nested = format!("https://h/?to={}", nested.replace('%', "%25").replace('?', "%3F"));
    }
    let _ = redact(&format!(r#"[2,"1","DataTransfer",{{"vendorId":"v","data":"{nested}"}}]"#));
}

#[test]
fn nothing_else_is_hidden() {
    for text in [
        r#"[2,"1","GetConfiguration",{"key":["AuthorizationKey","StationPassword"]}]"#,
        r#"[3,"1",{"unknownKey":["AuthorizationKey"]}]"#,
        r#"[3,"1",{"configurationKey":[{"key":"StationPassword","readonly":false}]}]"#,
        r#"[3,"1",{"configurationKey":[{"key":"WebSocketPingInterval","readonly":false,"value":"60"}]}]"#,
        r#"[4,"1","NotSupported","the AuthorizationKey cannot be changed",{}]"#,
        r#"[2,"1","UpdateFirmware",{"location":"https://host:8080/firmware@2"}]"#,
        r#"[2,"1","UpdateFirmware",{"location":"https://host/firmware.bin?version=1.2&model=x"}]"#,
        r#"[2,"1","UpdateFirmware",{"location":"ftp://anonymous@host/firmware.bin"}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"{\"idToken\":\"1\"}"}]"#,
        r#"[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available","info":"http://x"}]"#,
        r#"[2,"1","StatusNotification",{"connectorId":1,"info":"http:\/\/x@2","status":"Available"}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"Basic charging at C:\\dir\\a@b, a//b;x=1, 10:/5"}]"#,
        r#"[2,"1","UpdateFirmware",{"location":"ftp://[::1]:21/f;type=i#part=2&c=3?d"}]"#,
        r#"[2,"1","DataTransfer",{"vendorId":"v","data":"https://h/?to=https%3A%2F%2Fg%2Ff%3Fx%3D1"}]"#,
        r#"[2,"1","BootNotification",{"chargePointModel":"Pinnacle 3000","chargePointVendor":"Secret Garden"}]"#,
    ] {
        assert_eq!(redact(text), text);
    }
    let shown = redact(r#"[2,"1","GetDiagnostics",{"location":"ftp://user:hunter2@host/logs"}]"#);
    assert_eq!(shown, r#"[2,"1","GetDiagnostics",{"location":"ftp://user:***@host/logs"}]"#);
    let shown = redact(r#"[2,"1","GetDiagnostics",{"location":"https://host/a?x=1&sig=hunter2&y=2"}]"#);
    assert_eq!(shown, r#"[2,"1","GetDiagnostics",{"location":"https://host/a?x=1&sig=***&y=2"}]"#);
}

#[test]
fn the_token_of_our_own_urls_is_hidden() {
    let token = "0123456789abcdef".repeat(4);
    for (location, shown) in [
        (format!("https://host/transfers/{token}/"), "https://host/transfers/***/"),
        (format!("http://host:8080/a/transfers/{token}/fw.bin"), "http://host:8080/a/transfers/***/fw.bin"),
        (format!("ftp://u:hunter2@h/transfers/{token}"), "ftp://u:***@h/transfers/***"),
        ("https://host/transfers/short/fw.bin".to_owned(), "https://host/transfers/short/fw.bin"),
    ] {
        let text = format!(r#"[2,"1","GetDiagnostics",{{"location":"{location}"}}]"#);
        assert_eq!(redact(&text), format!(r#"[2,"1","GetDiagnostics",{{"location":"{shown}"}}]"#));
    }
}

fn asked(text: &str) -> Link {
    let mut link = Link::new(Options {
        protocol: ocpp16(),
        role: Role::CentralSystem,
        mode: Mode::Tolerant,
        limits: Limits::default(),
        queue_limit: 3,
        raw_sampled_values: false,
    });
    link.call(ID, "ChangeConfiguration", text, 0.0, 30.0).expect("a valid call");
    link
}

#[test]
fn an_answer_that_repeats_the_secret_of_our_call_is_shown_without_it() {
    for (answer, outcome) in [
        (
            format!(r#"[4,"{ID}","PropertyConstraintViolation","LetMeIn is too short",{{}}]"#),
            Outcome::CallError,
        ),
        (format!(r#"[3,"{ID}",{{"status":"Rejected","reason":"letmein"}}]"#), Outcome::Result),
        (format!(r#"[3,"{ID}",{{"status":"letmein"}}]"#), Outcome::Result),
        (format!(r#"[3,"{ID}",{{"value":"letmein"}}]"#), Outcome::InvalidResult),
        (format!(r#"[3,"{ID}",{{"value":"letmein"#), Outcome::UnreadableAnswer),
    ] {
        let mut link = asked(r#"{"key":"StationPassword","value":"letmein"}"#);
        assert!(!link.shown(&answer).to_ascii_lowercase().contains("letmein"));
        let effects = link.receive(&answer, 1.0);
        let [Effect::Resolve(ended)] = effects.as_slice() else { panic!("{effects:?}") };
        assert_eq!(ended.outcome, outcome, "{answer}");
        let payload = ended.payload.as_ref().map(|payload| payload.to_json(usize::MAX));
        let shown =
            format!("{:?} {:?} {:?} {payload:?}", ended.error_description, ended.text, ended.deviations);
        assert!(!shown.to_ascii_lowercase().contains("letmein"), "{shown}");
    }
}

#[test]
fn an_answer_to_a_call_without_a_secret_is_shown_as_it_came() {
    let answer = format!(r#"[4,"{ID}","GenericError","letmein","x"]"#);
    assert_eq!(asked(r#"{"key":"Name","value":"letmein"}"#).shown(&answer), answer);
}
