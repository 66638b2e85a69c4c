//! The writing side: each function appends one final frame.
//!
//! `key`: `None` for a server; for a client four unpredictable bytes, new for each frame (RFC 6455 5.3).

use super::event::{CLOSE_REASON_LIMIT_BYTES, CloseCode};
use super::head::{CONTROL_LIMIT_BYTES, FINAL, LENGTH_IN_2, LENGTH_IN_8, MASKED, Opcode};
use super::mask::{self, Key};

/// Append a text message.
pub fn text_frame_into(out: &mut Vec<u8>, text: &str, key: Option<Key>) {
    frame_into(out, Opcode::Text, text.as_bytes(), key);
}

/// Append a binary message.
pub fn binary_frame_into(out: &mut Vec<u8>, payload: &[u8], key: Option<Key>) {
    frame_into(out, Opcode::Binary, payload, key);
}

/// Append a ping. `payload`: cut to 125 bytes.
pub fn ping_frame_into(out: &mut Vec<u8>, payload: &[u8], key: Option<Key>) {
    frame_into(out, Opcode::Ping, cut(payload), key);
}

/// Append a pong. `payload`: cut to 125 bytes.
pub fn pong_frame_into(out: &mut Vec<u8>, payload: &[u8], key: Option<Key>) {
    frame_into(out, Opcode::Pong, cut(payload), key);
}

/// Append a close. `code`: `None` leaves the frame empty. `reason`: cut to 123 bytes between two characters.
pub fn close_frame_into(out: &mut Vec<u8>, code: Option<CloseCode>, reason: &str, key: Option<Key>) {
    let Some(code) = code else {
        frame_into(out, Opcode::Close, &[], key);
        return;
    };
    let reason = &reason[..reason.floor_char_boundary(CLOSE_REASON_LIMIT_BYTES)];
    let mut payload = Vec::with_capacity(2 + reason.len());
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(reason.as_bytes());
    frame_into(out, Opcode::Close, &payload, key);
}

fn cut(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().min(CONTROL_LIMIT_BYTES)]
}

fn frame_into(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], key: Option<Key>) {
    let first = FINAL | opcode as u8;
    let masked = if key.is_some() { MASKED } else { 0 };
    let length = (payload.len() as u64).to_be_bytes();
    let [.., high, low] = length;
    match payload.len() {
        0..126 => out.extend_from_slice(&[first, masked | low]),
        126..0x1_0000 => out.extend_from_slice(&[first, masked | LENGTH_IN_2, high, low]),
        0x1_0000.. => {
            out.extend_from_slice(&[first, masked | LENGTH_IN_8]);
            out.extend_from_slice(&length);
        }
    }
    if let Some(key) = key {
        out.extend_from_slice(&key);
    }
    mask::append(out, payload, key);
}
