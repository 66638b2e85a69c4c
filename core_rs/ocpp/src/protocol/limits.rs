//! How much of a frame is read.

/// Limits of one frame. A frame beyond them is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the text in bytes.
    pub bytes: usize,
    /// Depth of nested arrays and objects. The frame's own array counts as one.
    pub depth: usize,
    /// Items of one array.
    pub items: usize,
    /// Members of one object.
    pub members: usize,
}

impl Default for Limits {
    /// 256 KiB hold the transaction data of a long session. The other limits are far above any message of the
    /// standard and far below what could stall a worker.
    fn default() -> Self {
        Self { bytes: 262_144, depth: 16, items: 4_096, members: 64 }
    }
}
