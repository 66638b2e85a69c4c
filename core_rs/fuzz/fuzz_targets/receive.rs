//! Any bytes into a link: no panic, every answer is JSON, what strict mode reads serde_json reads too, and the
//! direct reader changes no verdict.
#![no_main]

#[path = "../../ocpp/tests/frame/agreement.rs"]
mod agreement;
#[path = "../../ocpp/tests/support/ocpp16.rs"]
mod ocpp16;

use libfuzzer_sys::fuzz_target;
use ocpp_core::link::{Effect, Link, Options, Role};
use ocpp_core::protocol::validate::Mode;

use crate::ocpp16::ocpp16;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for mode in [Mode::Strict, Mode::Tolerant] {
        let options = Options {
            protocol: ocpp16(),
            role: Role::CentralSystem,
            mode,
            limits: ocpp16().limits(),
            queue_limit: 4,
            raw_sampled_values: false,
        };
        let mut link = Link::new(options);
        let _ = link.call("a", "Reset", r#"{"type":"Soft"}"#, 0.0, 30.0);
        let mut dispatched = false;
        for effect in link.receive(text, 0.0) {
            match effect {
                Effect::Send(answer) => {
                    serde_json::from_str::<serde_json::Value>(&answer).expect("answers are JSON");
                }
                Effect::Dispatch { .. } => dispatched = true,
                _ => {}
            }
        }
        if dispatched && mode == Mode::Strict {
            serde_json::from_str::<serde_json::Value>(text).expect("strict mode takes JSON only");
        }
        let _ = link.receive(text, 1.0);
        let _ = link.disconnect();
    }
    for answered in ["GetConfiguration", "GetCompositeSchedule"] {
        agreement::agrees_in_every_way(text, answered);
    }
    let _ = ocpp_core::frame::redact::redact(text);
});
