//! The cases of `tests/vectors/websocket`, made into bytes.

use ocpp_core::websocket::Limits;
use serde::Deserialize;

const FILES: [&str; 6] = [
    include_str!("../../../../tests/vectors/websocket/framing.toml"),
    include_str!("../../../../tests/vectors/websocket/fragmentation.toml"),
    include_str!("../../../../tests/vectors/websocket/control.toml"),
    include_str!("../../../../tests/vectors/websocket/closing.toml"),
    include_str!("../../../../tests/vectors/websocket/utf8.toml"),
    include_str!("../../../../tests/vectors/websocket/limits.toml"),
];
const SEQUENCES: &str = include_str!("../../../../tests/vectors/websocket/utf8_sequences.toml");
const KEY: [u8; 4] = [0x12, 0xA4, 0x00, 0xFF];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    message_bytes: Option<usize>,
    fragments: Option<usize>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    section: String,
    #[serde(rename = "autobahn")]
    _autobahn: Option<String>,
    send: Vec<Frame>,
    /// For servers that look at whole frames only.
    #[serde(default, rename = "rest")]
    _rest: Vec<Frame>,
    expect: Vec<Frame>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Opcode {
    Name(String),
    Number(u8),
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    opcode: Option<Opcode>,
    payload: Option<String>,
    payload_hex: Option<String>,
    repeat: Option<usize>,
    times: Option<usize>,
    fin: Option<bool>,
    #[serde(default)]
    reserved: u8,
    masked: Option<bool>,
    key: Option<String>,
    length: Option<u64>,
    length_in: Option<usize>,
    hex: Option<String>,
    code: Option<u16>,
}

/// A frame that the server must send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub opcode: u8,
    /// Of a close frame: its code alone, big-endian, or nothing.
    pub payload: Vec<u8>,
}

pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PONG: u8 = 0xA;

#[derive(Deserialize)]
struct Sequences {
    sequences: Vec<Sequence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sequence {
    name: String,
    #[serde(rename = "autobahn")]
    _autobahn: String,
    bytes: String,
    valid: bool,
}

/// Every case, and the limits they suppose.
pub fn read() -> (Limits, Vec<Case>) {
    let mut limits = None;
    let mut cases = Vec::new();
    for text in FILES {
        let file: File = toml::from_str(text).expect("the cases are TOML");
        if let (Some(message_bytes), Some(fragments)) = (file.message_bytes, file.fragments) {
            limits = Some(Limits { message_bytes, fragments });
        }
        cases.extend(file.case);
    }
    let file: Sequences = toml::from_str(SEQUENCES).expect("the sequences are TOML");
    cases.extend(file.sequences.iter().flat_map(Sequence::cases));
    for case in &cases {
        assert!(!case.section.is_empty(), "{}", case.name);
    }
    (limits.expect("one file has the limits"), cases)
}

impl Case {
    /// The bytes that are sent.
    pub fn bytes(&self) -> Vec<u8> {
        self.send.iter().flat_map(Frame::bytes).collect()
    }

    /// The expected answers.
    pub fn answers(&self) -> Vec<Answer> {
        self.expect.iter().flat_map(|frame| vec![frame.answer(); frame.times.unwrap_or(1)]).collect()
    }
}

impl Sequence {
    fn cases(&self) -> [Case; 2] {
        let named = |opcode: &str| Some(Opcode::Name(opcode.to_owned()));
        let whole =
            Frame { opcode: named("text"), payload_hex: Some(self.bytes.clone()), ..Frame::default() };
        let count = self.bytes.len() / 2;
        let fragments = (0..count).map(|n| Frame {
            opcode: named(if n == 0 { "text" } else { "continuation" }),
            payload_hex: Some(self.bytes[2 * n..2 * n + 2].to_owned()),
            fin: Some(n + 1 == count),
            ..Frame::default()
        });
        let expected = if self.valid {
            whole.clone()
        } else {
            Frame { opcode: named("close"), code: Some(1007), ..Frame::default() }
        };
        [
            (self.name.clone(), vec![whole.clone()]),
            (format!("{}, in fragments", self.name), fragments.collect()),
        ]
        .map(|(name, send)| Case {
            name,
            section: "8.1".to_owned(),
            _autobahn: None,
            send,
            _rest: Vec::new(),
            expect: vec![expected.clone()],
        })
    }
}

impl Frame {
    fn opcode(&self) -> u8 {
        match self.opcode.as_ref().expect("a frame has an opcode") {
            Opcode::Number(number) => *number,
            Opcode::Name(name) => match name.as_str() {
                "continuation" => 0,
                "text" => TEXT,
                "binary" => BINARY,
                "close" => CLOSE,
                "ping" => 0x9,
                "pong" => PONG,
                other => panic!("{other} is not an opcode"),
            },
        }
    }

    fn payload(&self) -> Vec<u8> {
        let once = match (&self.payload, &self.payload_hex) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(digits)) => from_hex(digits),
            (None, None) => Vec::new(),
            (Some(_), Some(_)) => panic!("a frame has one payload"),
        };
        once.repeat(self.repeat.unwrap_or(1))
    }

    fn bytes(&self) -> Vec<u8> {
        if let Some(digits) = &self.hex {
            return from_hex(digits).repeat(self.repeat.unwrap_or(1));
        }
        let mut payload = self.payload();
        let mut out = vec![u8::from(self.fin.unwrap_or(true)) << 7 | self.reserved << 4 | self.opcode()];
        let masked = self.masked.unwrap_or(true);
        let length = self.length.unwrap_or(payload.len() as u64);
        let shortest = match length {
            0..126 => 0,
            126..65_536 => 2,
            _ => 8,
        };
        let extra = self.length_in.unwrap_or(shortest);
        let bytes = length.to_be_bytes();
        let short = match extra {
            0 => bytes[7],
            2 => 126,
            8 => 127,
            other => panic!("no length has {other} bytes"),
        };
        out.push(u8::from(masked) << 7 | short);
        out.extend_from_slice(&bytes[8 - extra..]);
        if masked {
            let key = self.key.as_ref().map_or(KEY.to_vec(), |digits| from_hex(digits));
            out.extend_from_slice(&key);
            payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        }
        out.extend_from_slice(&payload);
        out.repeat(self.times.unwrap_or(1))
    }

    fn answer(&self) -> Answer {
        let payload = match self.code {
            None => self.payload(),
            Some(1005) => Vec::new(),
            Some(code) => code.to_be_bytes().to_vec(),
        };
        Answer { opcode: self.opcode(), payload }
    }
}

fn from_hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| *byte != b' ').collect();
    assert!(digits.len().is_multiple_of(2));
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit");
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0]) << 4 | digit(pair[1])).expect("two digits");
    digits.chunks(2).map(byte).collect()
}
