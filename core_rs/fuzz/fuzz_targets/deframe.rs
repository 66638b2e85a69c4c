//! Any bytes into both sides of a WebSocket: no panic, the same events however the bytes are cut, bounded memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ocpp_core::websocket::{Deframer, Limits, Side};

const LIMITS: Limits = Limits { message_bytes: 4096, fragments: 8 };

fn events(side: Side, bytes: &[u8], piece_bytes: usize) -> Vec<String> {
    let mut deframer = Deframer::new(side, LIMITS);
    let (mut scratch, mut answer, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for mut data in bytes.chunks(piece_bytes) {
        while let Some(event) = deframer.next(&mut data, &mut scratch) {
            event.answer_into(&mut answer, None);
            events.push(format!("{event:?}"));
        }
        assert!(data.is_empty());
        assert!(deframer.held_bytes() <= LIMITS.message_bytes + 512);
    }
    events
}

fuzz_target!(|data: &[u8]| {
    let Some((&piece_bytes, bytes)) = data.split_first() else { return };
    for side in [Side::Server, Side::Client] {
        let whole = events(side, bytes, bytes.len().max(1));
        assert_eq!(whole, events(side, bytes, usize::from(piece_bytes).max(1)));
        assert_eq!(whole, events(side, bytes, 1));
    }
});
