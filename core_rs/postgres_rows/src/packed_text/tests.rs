use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::{Damaged, LONGEST, Packer, Unpacker};

const FRAME: &str = include_str!("../../../../benchmarks/corpus/meter_values.json");
const ID: &str = "5f0c1d2e-8a9b-4c3d-9e0f-112233445566";

fn packed(texts: &[&str]) -> Vec<u8> {
    let mut packer = Packer::behind(Vec::new());
    for text in texts {
        packer.text(text);
        packer.end();
    }
    packer.finish()
}

fn unpacked(packed: &[u8]) -> Result<Vec<String>, Damaged> {
    let mut unpacker = Unpacker::of(packed);
    std::iter::from_fn(|| (!unpacker.is_at_end()).then(|| unpacker.text())).collect()
}

#[test]
fn the_codes_stay_what_they_are() {
    assert_eq!(xxh3_64(include_bytes!("phrases_1.txt")), PHRASES_DIGEST);
    let cases: [(&str, &[u8]); 9] = [
        ("", b""),
        ("[2,\"", b"\x00"),
        ("\u{fc}", b"\xd1\xc3\xbc"),
        ("12.5", b"\xe9\x12\xa5"),
        ("7", b"\xd0\x37"),
        ("2026-01-01T00:00:00Z", b"\xf9\x20\x26\xb0\x1b\x01\xd0\x0c\x00\xc0\x0e"),
        ("04a1b2c", b"\xe3\x07\x04\xa1\xb2\xc0"),
        ("04A1B2", b"\xe4\x06\x04\xa1\xb2"),
        (ID, b"\xe1\x5f\x0c\x1d\x2e\x8a\x9b\x4c\x3d\x9e\x0f\x11\x22\x33\x44\x55\x66"),
    ];
    for (text, codes) in cases {
        assert_eq!(packed(&[text]), [codes, b"\xe5"].concat(), "{text}");
    }
    assert_eq!(packed(&[ID, ID])[18..], *b"\xe2\xe5");
    assert_eq!(packed(&[&"\u{fc}".repeat(9)])[..2], *b"\xe0\x12");
    assert_eq!(unpacked(&packed(&[FRAME])), Ok(vec![FRAME.to_owned()]));
}

#[test]
fn meter_values_and_their_answer_take_an_eighth() {
    let frame = FRAME.trim_end();
    let id = &frame[4..40];
    let answer = format!("[3,\"{id}\",{{}}]");
    let bytes = packed(&[frame, &answer]).len();
    assert!(bytes * 8 < frame.len() + answer.len(), "{bytes}");
}

#[test]
fn a_very_long_text_is_kept_as_it_is() {
    let text = "Energy.Active.Import.Register".repeat(LONGEST);
    let bytes = packed(&[&text]);
    assert_eq!(bytes.len(), 1 + 3 + text.len() + 1);
    assert_eq!(unpacked(&bytes), Ok(vec![text]));
}

fn piece() -> impl Strategy<Value = String> {
    let phrase = r#"(","context":"Sample.Periodic"|"unit": "Wh"|\[2,"|Energy|\}\]|, |connectorId)"#;
    prop_oneof![
        phrase,
        "[0-9.:TZ+-]{1,40}",
        "[0-9a-f]{1,300}",
        "[0-9A-F]{1,20}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        Just(ID.to_owned()),
        ".{0,40}",
    ]
}

proptest! {
    #[test]
    fn every_text_comes_back(texts in prop::collection::vec(prop::collection::vec(piece(), 0..12), 0..4)) {
        let texts: Vec<String> = texts.iter().map(|pieces| pieces.concat()).collect();
        let bytes = packed(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let before: usize = texts.iter().map(|text| text.len() + text.len() / 16 + 2).sum::<usize>();
        prop_assert!(bytes.len() <= before, "{} {before}", bytes.len());
        prop_assert_eq!(unpacked(&bytes), Ok(texts));
    }

    #[test]
    fn damaged_bytes_are_an_error_at_most(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(texts) = unpacked(&bytes) {
            prop_assert!(texts.len() <= bytes.len());
        }
    }

    #[test]
    fn every_number_comes_back(number in any::<u64>()) {
        let mut packer = Packer::behind(Vec::new());
        packer.number(number);
        let bytes = packer.finish();
        prop_assert_eq!(Unpacker::of(&bytes).number(), Ok(number));
    }
}

const PHRASES_DIGEST: u64 = 12_720_738_257_261_278_854;
