//! Limits on the size of a frame.

/// Limits of one frame. A frame beyond them is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the text.
    pub bytes: usize,
    /// Greatest depth of nested arrays and objects. The frame's own array counts as one.
    pub depth: usize,
    /// Most items of one array.
    pub items: usize,
    /// Most members of one object.
    pub members: usize,
}

impl Default for Limits {
    /// 8 MiB hold the transaction data of a night. The other limits are far above any message of the
    /// standard and far below what could stall a worker.
    fn default() -> Self {
        Self { bytes: 8_388_608, depth: 16, items: 65_536, members: 64 }
    }
}
