//! Compressed messages (RFC 7692): each by itself, because the peer was told to keep no context.

use miniz_oxide::inflate::{self, TINFLStatus};

use super::fault::Fault;

/// The bytes that a peer leaves out at the end of each message (RFC 7692 7.2.1), and an empty last block.
const TAIL: [u8; 9] = [0x00, 0x00, 0xFF, 0xFF, 0x01, 0x00, 0x00, 0xFF, 0xFF];

/// Inflate a compressed payload, to at most `limit_bytes`.
pub(super) fn inflate(payload: &mut Vec<u8>, limit_bytes: usize) -> Result<(), Fault> {
    payload.extend_from_slice(&TAIL);
    *payload =
        inflate::decompress_to_vec_with_limit(payload, limit_bytes).map_err(|error| match error.status {
            TINFLStatus::HasMoreOutput => Fault::TooBig,
            _ => Fault::NotDeflated,
        })?;
    Ok(())
}
