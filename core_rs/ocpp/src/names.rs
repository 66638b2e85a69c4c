//! Finds a name among the few of one object or enumeration by a hash that no two of them share.
//!
//! `scan` finds the end of a string and its hash in one go, eight bytes a step, so that a name costs one look
//! into a table and one comparison, however many others there are.

/// The names of one object or enumeration, in its order.
#[derive(Debug)]
pub(crate) struct Names {
    texts: Vec<&'static str>,
    /// Place of the name of each hash; free ones hold 0, and the comparison tells.
    slots: Vec<u8>,
    seed: u64,
    shift: u32,
}

/// A run of bytes up to a quote.
#[derive(Clone, Copy)]
pub(crate) struct Scanned {
    /// Where the quote is.
    pub(crate) end: usize,
    hash: u64,
}

impl Names {
    /// The table of at most 255 names, all different.
    ///
    /// # Panics
    /// When no seed tells them apart, which the tests of this crate rule out for the definition.
    pub(crate) fn new(names: &[&'static str]) -> Self {
        const SEEDS: u64 = 64;
        let least_bits = names.len().next_power_of_two().trailing_zeros().max(1);
        for bits in least_bits..=12 {
            for seed in 1..=SEEDS {
                let mut table = Self {
                    texts: names.to_vec(),
                    slots: vec![0; 1 << bits],
                    seed: seed.wrapping_mul(GOLDEN) | 1,
                    shift: u64::BITS - bits,
                };
                if table.fill() {
                    return table;
                }
            }
        }
        panic!("no hash tells these names apart: {names:?}")
    }

    fn fill(&mut self) -> bool {
        let mut taken = vec![false; self.slots.len()];
        for (place, name) in self.texts.iter().enumerate() {
            let slot = self.slot(hash(name));
            if std::mem::replace(&mut taken[slot], true) {
                return false;
            }
            self.slots[slot] = u8::try_from(place).expect("an object or enumeration has few names");
        }
        true
    }

    /// The place of the name that stands from `start` to the end of what was scanned.
    #[inline(always)]
    pub(crate) fn find(&self, bytes: &[u8], start: usize, scanned: Scanned) -> Option<usize> {
        let place = usize::from(*self.slots.get(self.slot(scanned.hash))?);
        let name = self.texts.get(place)?;
        (bytes.get(start..scanned.end)? == name.as_bytes()).then_some(place)
    }

    #[allow(clippy::cast_possible_truncation)] // The shift leaves at most twelve bits.
    fn slot(&self, hash: u64) -> usize {
        (hash.wrapping_mul(self.seed) >> self.shift) as usize
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const ONES: u64 = u64::from_le_bytes([1; 8]);
const TOPS: u64 = u64::from_le_bytes([0x80; 8]);

/// Run from `start` to the next quote; `None`: there is none.
#[inline(always)]
pub(crate) fn scan(bytes: &[u8], start: usize) -> Option<Scanned> {
    let mut hash = 0_u64;
    let mut at = start;
    loop {
        let rest = bytes.get(at..)?;
        let word = rest.first_chunk::<8>().map_or_else(|| padded(rest), |chunk| u64::from_le_bytes(*chunk));
        let differs = word ^ (ONES * u64::from(b'"'));
        // The lowest bit marks the first quote; borrows only reach bytes above it.
        let quotes = differs.wrapping_sub(ONES) & !differs & TOPS;
        if quotes != 0 {
            let length = quotes.trailing_zeros() / 8;
            let tail = word & !(u64::MAX << (8 * length));
            return Some(Scanned { end: at + length as usize, hash: hash ^ tail });
        }
        hash = (hash ^ word).wrapping_mul(GOLDEN);
        at += 8;
    }
}

/// The last bytes of a text, with zeros behind them.
#[cold]
fn padded(rest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(rest).for_each(|(byte, found)| *byte = *found);
    u64::from_le_bytes(bytes)
}

fn hash(name: &str) -> u64 {
    let quoted = format!("{name}\"");
    scan(quoted.as_bytes(), 0).expect("a quote stands at its end").hash
}
