//! Finds a name among a few, such as those of one object or enumeration, directly in the text.
//!
//! `Token` compares with the expected name. `scan` and `Names` find any other: `scan` finds the end of a string and
//! its hash, eight bytes at a time, and no two names of a table share a place.

/// A few names, and the meaning of each.
#[derive(Debug)]
pub(crate) struct Names<T> {
    slots: Vec<Option<Slot<T>>>,
    seed: u64,
    shift: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot<T> {
    hash: u64,
    name: &'static str,
    meaning: T,
}

/// A run of bytes up to a quote.
#[derive(Clone, Copy)]
pub(crate) struct Scanned<'a> {
    /// The bytes before the quote.
    pub(crate) run: &'a [u8],
    hash: u64,
}

impl<T: Copy> Names<T> {
    /// The table of a few names, all different.
    ///
    /// # Panics
    /// When two names have the same hash.
    pub(crate) fn new(names: &[(&'static str, T)]) -> Self {
        const SEEDS: u64 = 64;
        const MOST_BITS: u32 = 12;
        let slots: Vec<Slot<T>> = names
            .iter()
            .map(|(name, meaning)| Slot { hash: Scanned::of(name).hash, name, meaning: *meaning })
            .collect();
        let least_bits = names.len().next_power_of_two().trailing_zeros().max(1);
        (least_bits..=MOST_BITS)
            .flat_map(|bits| (1..=SEEDS).map(move |seed| (bits, seed)))
            .find_map(|(bits, seed)| Self::filled(&slots, bits, seed.wrapping_mul(GOLDEN) | 1))
            .expect("a hash tells the names of the definition apart")
    }

    fn filled(named: &[Slot<T>], bits: u32, seed: u64) -> Option<Self> {
        let mut table = Self { slots: vec![None; 1 << bits], seed, shift: u64::BITS - bits };
        for slot in named {
            let place = table.place(slot.hash);
            if table.slots[place].replace(*slot).is_some() {
                return None;
            }
        }
        Some(table)
    }

    /// Find the meaning of a name.
    #[inline(always)]
    pub(crate) fn find(&self, scanned: Scanned<'_>) -> Option<T> {
        let slot = self.slots.get(self.place(scanned.hash))?.as_ref()?;
        if slot.hash != scanned.hash || slot.name.len() != scanned.run.len() {
            return None;
        }
        // The hash of less than eight bytes is these bytes.
        (scanned.run.len() < 8 || scanned.run == slot.name.as_bytes()).then_some(slot.meaning)
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // At most twelve bits are left.
    fn place(&self, hash: u64) -> usize {
        hash.wrapping_mul(self.seed).wrapping_shr(self.shift) as usize
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const ONES: u64 = u64::from_le_bytes([1; 8]);
const TOPS: u64 = u64::from_le_bytes([0x80; 8]);

/// Scan `rest` up to its first quote; `None`: there is none.
#[inline(always)]
pub(crate) fn scan(rest: &[u8]) -> Option<Scanned<'_>> {
    let mut hash = 0_u64;
    let mut at = 0_usize;
    loop {
        let ahead = rest.get(at..)?;
        let word = ahead.first_chunk::<8>().map_or_else(|| padded(ahead), |chunk| u64::from_le_bytes(*chunk));
        let differs = word ^ (ONES * u64::from(b'"'));
        // The lowest bit marks the first quote; borrows only reach bytes above it.
        let quotes = differs.wrapping_sub(ONES) & !differs & TOPS;
        if quotes != 0 {
            let bits = quotes.trailing_zeros() & !7;
            let tail = word & !(u64::MAX << bits);
            let run = rest.get(..at.wrapping_add((bits / 8) as usize))?;
            return Some(Scanned { run, hash: hash ^ tail });
        }
        hash = (hash ^ word).wrapping_mul(GOLDEN);
        at = at.wrapping_add(8);
    }
}

impl<'a> Scanned<'a> {
    /// A whole text, as if it had been scanned.
    pub(crate) fn of(text: &'a str) -> Self {
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        let step = |hash: u64, word: &[u8; 8]| (hash ^ u64::from_le_bytes(*word)).wrapping_mul(GOLDEN);
        Self { run: text.as_bytes(), hash: words.iter().fold(0, step) ^ padded(rest) }
    }
}

/// The last bytes of a text, fewer than eight, with zeros behind them.
fn padded(rest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(bytes)
}

/// A member's name in its most frequent form, ready to be compared: a comma before it, in quotes, a colon behind it,
/// and the first quote of its value if that is a string.
#[derive(Debug)]
pub(crate) struct Token {
    words: Words,
    masks: Words,
    /// The length in bytes.
    pub(crate) length: usize,
}

/// The bytes of a text that are compared with a token.
pub(crate) type Words = [u64; 4];

impl Token {
    /// The bytes that are compared.
    pub(crate) const REACH: usize = size_of::<Words>();

    /// The token of a name. That of a long name matches no text, so that the name is looked up.
    pub(crate) fn of(name: &str, is_string: bool) -> Self {
        let text = format!(",\"{name}\":{}", if is_string { "\"" } else { "" });
        let (mut bytes, mut mask) = ([u8::MAX; Self::REACH], [u8::MAX; Self::REACH]);
        if text.len() <= Self::REACH {
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            mask[text.len()..].fill(0);
        }
        Self { words: words(&bytes), masks: words(&mask), length: text.len() }
    }

    /// Whether a text begins with this token.
    #[inline(always)]
    pub(crate) fn begins(&self, words: Words) -> bool {
        let differs = |place: usize| (words[place] ^ self.words[place]) & self.masks[place];
        differs(0) == 0 && (differs(1) | differs(2) | differs(3)) == 0
    }
}

#[inline(always)]
pub(crate) fn words(bytes: &[u8; Token::REACH]) -> Words {
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|place| u64::from_le_bytes(words[place]))
}
