//! Answers that are damaged or break the definition: each ends its CALL, costs nothing else, and is not answered.

use ocpp_core::link::{Effect, Link, Options, Outcome, Resolution, Role};
use ocpp_core::protocol::Limits;
use ocpp_core::protocol::validate::Mode;

use crate::ocpp16::ocpp16;

const ID: &str = "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11";
const CONFIGURATION: &str = r#"{"configurationKey":[{"key":"A","readonly":false,"value":"1"}]}"#;

fn link(mode: Mode) -> Link {
    let mut link = Link::new(Options {
        protocol: ocpp16(),
        role: Role::CentralSystem,
        mode,
        limits: Limits::default(),
        queue_limit: 3,
        raw_sampled_values: false,
    });
    link.call(ID, "GetConfiguration", "{}", 0.0, 30.0).expect("a valid call");
    link.call("next", "ClearCache", "{}", 0.0, 30.0).expect("a valid call");
    link
}

/// The end of the first CALL. Its end must let the second one out, and nothing else.
fn ended<'a>(link: &mut Link, text: &'a str) -> Resolution<'a> {
    let mut effects = link.receive(text, 1.0).into_iter();
    let Some(Effect::Resolve(resolution)) = effects.next() else { panic!("{text}: the CALL has not ended") };
    assert_eq!(resolution.unique_id, ID, "{text}");
    let rest: Vec<_> = effects.collect();
    let next = [
        Effect::CallSent { unique_id: "next".to_owned() },
        Effect::Send(r#"[2,"next","ClearCache",{}]"#.to_owned()),
    ];
    assert_eq!(rest, next, "{text}");
    resolution
}

#[test]
fn an_answer_that_breaks_off_anywhere_behind_its_id_ends_its_call() {
    for whole in [
        format!(r#"[3,"{ID}",{CONFIGURATION}]"#),
        format!(r#" [ 4 , "{ID}" , "GenericError", "no, \"not\" now", {{"a":[1]}} ] "#),
    ] {
        let shortest = whole.find(ID).expect("the id") + ID.len();
        let longest = whole.trim_end().len() - 1;
        for cut in shortest..longest {
            for mode in [Mode::Tolerant, Mode::Strict] {
                let text = &whole[..cut];
                let ended = ended(&mut link(mode), text);
                assert_eq!(ended.outcome, Outcome::UnreadableAnswer, "{text}");
                assert_eq!(ended.text.as_deref().map(str::trim), Some(text.trim()), "{mode:?}");
                assert!(ended.error_description.is_some() && ended.payload.is_none() && !ended.late);
            }
        }
    }
}

#[test]
fn an_answer_that_is_damaged_otherwise_ends_its_call() {
    for text in [
        format!(r#"[4,"{ID}"]"#),
        format!(r#"[4,"{ID}",null]"#),
        format!(r#"[3,"{ID}",{{"configurationKey":[}}]"#),
        format!(r#"[3,"{ID}",{{"configurationKey":[{{"key":"A","value":"1" "readonly":true}}]}}]"#),
        format!(r#"[3,"{ID}",{{'status':'Accepted'}}]"#),
        format!(r#"[3,"{ID}",{}]"#, "[".repeat(100)),
        format!(r#"["3","{ID}",{{}}]"#),
        format!(r#"[33,"{ID}",{{}}]"#),
        format!(r#"[3.0,"{ID}",{{}}]"#),
        format!(r#"3,"{ID}",{{}}]"#),
        format!(r#"{{"messageTypeId":3,"uniqueId":"{ID}"}}"#),
    ] {
        assert_eq!(ended(&mut link(Mode::Tolerant), &text).outcome, Outcome::UnreadableAnswer, "{text}");
    }
}

#[test]
fn an_answer_under_our_id_in_another_spelling_is_ours() {
    for other in [ID.to_uppercase(), format!(" {ID}"), format!("{ID}\\n")] {
        for text in [format!(r#"[3,"{other}",{{}}]"#), format!(r#"[4,"{other}","NotSupported",""]"#)] {
            let ended = ended(&mut link(Mode::Tolerant), &text);
            assert!(matches!(ended.outcome, Outcome::Result | Outcome::CallError), "{text}");
            assert_eq!(ended.deviations[0].kind.as_str(), "unique_id_spelling");
            let strict = link(Mode::Strict).receive(&text, 1.0).len();
            assert_eq!(strict, 1, "{text}: ignored");
        }
    }
}

#[test]
fn a_damaged_answer_to_no_call_of_ours_is_ignored() {
    for text in [r#"[3,"other",{"#, r#"[4,"other"]"#, r#"[3,"ne"#, r#"[3,"next",{"#, "[3,", "[3"] {
        let mut link = link(Mode::Tolerant);
        let effects = link.receive(text, 1.0);
        assert!(matches!(effects.as_slice(), [Effect::Ignored { .. }]), "{text}: {effects:?}");
        assert_eq!(link.queued(), 1, "{text}");
    }
}

#[test]
fn a_damaged_answer_after_the_deadline_is_late() {
    let mut link = link(Mode::Tolerant);
    let _ = link.expire(30.0);
    let text = format!(r#"[3,"{ID}",{{"#);
    let effects = link.receive(&text, 31.0);
    let [Effect::Resolve(late)] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(late.late && late.outcome == Outcome::UnreadableAnswer);
}

#[test]
fn the_text_that_is_kept_is_bounded_and_holds_no_secret() {
    let long = format!(r#"[3,"{ID}",{{"configurationKey":[{}"#, r#"{"key":"é"},"#.repeat(1000));
    let kept = ended(&mut link(Mode::Tolerant), &long).text.expect("a text");
    assert!(kept.len() <= 1024 && long.starts_with(&kept));
    for text in [
        format!(r#"[3,"{ID}",{{"configurationKey":[{{"key":"AuthorizationKey","value":"hunter2"}},"#),
        format!(r#"[3,"{ID}",{{"configurationKey":{{"key":"AuthorizationKey","value":"hunter2"}}"#),
    ] {
        let kept = ended(&mut link(Mode::Tolerant), &text).text.expect("a text");
        assert!(!kept.contains("hunter2"), "{kept}");
    }
}

fn items_of(text: &str) -> (String, Vec<String>) {
    let resolution = ended(&mut link(Mode::Tolerant), text);
    assert_eq!(resolution.outcome, Outcome::Result, "{text}: {:?}", resolution.error_description);
    let deviations = resolution.deviations.iter().map(|found| format!("{} {}", found.kind, found.pointer));
    (resolution.payload.expect("a payload").to_json(usize::MAX), deviations.collect())
}

#[test]
fn a_bad_item_of_a_result_does_not_cost_its_neighbours() {
    let good = r#"{"key":"A","readonly":false,"value":"1"}"#;
    for bad in [
        "null",
        "7",
        "[]",
        r#""A""#,
        "{}",
        r#"{"key":null,"readonly":true}"#,
        r#"{"readonly":true,"value":"1"}"#,
        r#"{"key":"B","readonly":"perhaps"}"#,
        r#"{"key":"B","readonly":true,"key":"C"}"#,
    ] {
        for (place, list) in [format!("{bad},{good}"), format!("{good},{bad}")].iter().enumerate() {
            let text = format!(r#"[3,"{ID}",{{"configurationKey":[{list}]}}]"#);
            let (payload, deviations) = items_of(&text);
            assert_eq!(payload, format!(r#"{{"configurationKey":[{good}]}}"#), "{bad}");
            assert!(
                deviations.contains(&format!("item_dropped /configurationKey/{place}")),
                "{deviations:?}"
            );
        }
    }
    let text = format!(r#"[3,"{ID}",{{"configurationKey":[{}{good}]}}]"#, r#"{},{"key":null},"#.repeat(60));
    assert_eq!(items_of(&text).0, format!(r#"{{"configurationKey":[{good}]}}"#));
    let text = format!(r#"[3,"{ID}",{{"unknownKey":["A",null,{{}},3,"B"]}}]"#);
    assert_eq!(items_of(&text).0, r#"{"unknownKey":["A","{}","3","B"]}"#);
}

#[test]
fn a_configuration_key_without_readonly_is_kept() {
    let text = format!(
        r#"[3,"{ID}",{{"configurationKey":[{{"key":"A","value":"1"}},{{"key":"B","readonly":null}}]}}]"#
    );
    let (payload, deviations) = items_of(&text);
    assert_eq!(payload, r#"{"configurationKey":[{"key":"A","value":"1"},{"key":"B"}]}"#);
    assert!(deviations.contains(&"missing_field /configurationKey/0/readonly".to_owned()), "{deviations:?}");
}

#[test]
fn strict_mode_takes_no_result_with_a_bad_item() {
    let text = format!(r#"[3,"{ID}",{{"configurationKey":[{{"key":"A","value":"1"}}]}}]"#);
    let resolution = ended(&mut link(Mode::Strict), &text);
    assert_eq!(resolution.outcome, Outcome::InvalidResult);
    assert_eq!(resolution.text.as_deref(), Some(text.as_str()));
}
