//! Characters of which two fit into a byte: those of numbers and times, and hexadecimal digits.

/// Sixteen characters.
#[derive(Debug)]
pub(super) struct Alphabet {
    characters: &'static [u8; 16],
    /// The place of each byte among the characters; 16: it is another one.
    places: [u8; 256],
}

pub(super) static NUMBER: Alphabet = Alphabet::of(b"0123456789.-:TZ+");
pub(super) static HEX_LOWER: Alphabet = Alphabet::of(b"0123456789abcdef");
pub(super) static HEX_UPPER: Alphabet = Alphabet::of(b"0123456789ABCDEF");

impl Alphabet {
    const fn of(characters: &'static [u8; 16]) -> Self {
        let mut places = [16; 256];
        let mut place = 0;
        while place < 16 {
            places[characters[place as usize] as usize] = place;
            place += 1;
        }
        Self { characters, places }
    }

    /// How many of the first bytes are of this alphabet, at most `limit`.
    pub(super) fn run(&self, bytes: &[u8], limit: usize) -> usize {
        bytes.iter().take(limit).take_while(|byte| self.has(**byte)).count()
    }

    /// Write characters of this alphabet, two in a byte.
    pub(super) fn pack(&self, characters: &[u8], packed: &mut Vec<u8>) {
        packed.extend(characters.chunks(2).map(|pair| {
            let place = |byte: u8| self.places[usize::from(byte)];
            place(pair[0]) << 4 | pair.get(1).map_or(0, |byte| place(*byte))
        }));
    }

    /// Add the first `length` characters of packed ones.
    pub(super) fn unpack(&self, packed: &[u8], length: usize, text: &mut Vec<u8>) {
        let places = packed.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        text.extend(places.take(length).map(|place| self.characters[usize::from(place)]));
    }

    fn has(&self, byte: u8) -> bool {
        self.places[usize::from(byte)] < 16
    }
}

/// Whether a text begins with a UUID in small letters.
pub(super) fn is_uuid(text: &[u8]) -> bool {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    text.get(8) == Some(&b'-')
        && text.first_chunk::<36>().is_some_and(|text| {
            text.iter().enumerate().all(|(place, byte)| {
                if HYPHENS.contains(&place) { *byte == b'-' } else { HEX_LOWER.has(*byte) }
            })
        })
}
