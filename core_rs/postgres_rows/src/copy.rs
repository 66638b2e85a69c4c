//! The binary format of `PostgreSQL`'s COPY.

const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// 2000-01-01, the epoch of `PostgreSQL`, in microseconds since 1970.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// The data of one COPY as it grows.
#[derive(Debug, Default)]
pub(crate) struct Copy {
    data: Vec<u8>,
}

impl Copy {
    /// Begin a row; its columns follow, each by one call.
    pub(crate) fn row(&mut self, columns: usize) {
        if self.data.is_empty() {
            self.data.extend_from_slice(HEAD);
        }
        self.data.extend_from_slice(&u16::try_from(columns).unwrap_or(u16::MAX).to_be_bytes());
    }

    /// Add a `bigint`.
    pub(crate) fn bigint(&mut self, number: i64) {
        self.bytes(&number.to_be_bytes());
    }

    /// Add a `timestamptz`, from microseconds since 1970.
    pub(crate) fn timestamp(&mut self, at_us: i64) {
        self.bigint(at_us.saturating_sub(POSTGRES_EPOCH_US));
    }

    /// Add a `text` without NUL.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Add a `bytea`. `write` adds its bytes to those before.
    pub(crate) fn bytea(&mut self, write: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let length_at = self.data.len();
        self.length(0);
        let from = self.data.len();
        self.data = write(std::mem::take(&mut self.data));
        let length = u32::try_from(self.data.len() - from).unwrap_or(u32::MAX);
        self.data[length_at..from].copy_from_slice(&length.to_be_bytes());
    }

    /// The whole COPY; empty when it has no row.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if !self.data.is_empty() {
            self.data.extend_from_slice(&TRAILER);
        }
        self.data
    }

    fn bytes(&mut self, data: &[u8]) {
        self.length(data.len());
        self.data.extend_from_slice(data);
    }

    /// A frame is shorter than its limit, which is far below the greatest length.
    fn length(&mut self, bytes: usize) {
        self.data.extend_from_slice(&u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes());
    }
}
