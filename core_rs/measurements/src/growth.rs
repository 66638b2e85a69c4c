//! Whether the work of hiding secrets grows with the length of a text only, for texts made to be expensive.

use std::hint::black_box;
use std::io::Write;

use ocpp_core::frame::redact;

/// What the texts begin with. The second makes of the rest the value of a parameter, which is decoded.
const BEGINNINGS: [&str; 2] = ["", "https://h/?a="];
/// What the texts repeat.
const PIECES: [&str; 12] =
    ["://a", r"\\a", "//@", "?a=%5C%5Ca", "%5C%5Ca", "%40", ":@", ";token=", "/a", "a@", "\"", "//a:1"];
/// What they end with: it makes a user and a password of all that is before it.
const END: &str = "/@";
/// Bytes of the shortest text. The others have twice and four times as many.
const SHORTEST: usize = 8_192;
/// The most times that the second doubling may take of the first: 2 when it is linear, 4 with the square.
const MOST_TIMES: u64 = 3;

/// Hide the secrets of one text: the arguments are the beginning, the piece, and the bytes that the pieces make.
pub fn redact(arguments: &mut impl Iterator<Item = String>) {
    let mut next = || arguments.next().expect("redact takes a beginning, a piece and a length");
    let (beginning, piece, length) = (next(), next(), next());
    let length: usize = length.parse().expect("the length is a number");
    let text = format!("{beginning}{}{END}", piece.repeat(length / piece.len()));
    let quoted = text.replace('\\', r"\\").replace('"', "\\\"");
    let frame = format!(r#"[2,"1","DataTransfer",{{"vendorId":"v","data":"{quoted}"}}]"#);
    black_box(redact::redact(black_box(&frame)));
}

/// Whether it is so for all of them. `instructions`: those of a run of this program with these arguments.
pub fn is_linear(out: &mut impl Write, instructions: impl Fn(&[&str]) -> u64) -> bool {
    let mut is_linear = true;
    for beginning in BEGINNINGS {
        for piece in PIECES {
            let [first, second, third] = [1, 2, 4]
                .map(|times| instructions(&["redact", beginning, piece, &(SHORTEST * times).to_string()]));
            let is_right = third - second <= MOST_TIMES * (second - first);
            let verdict = if is_right { "" } else { "  NOT LINEAR" };
            let text = format!("{beginning}{piece}...{END}");
            let _ = writeln!(out, "{text:30} {first:9} {second:9} {third:9} instructions{verdict}");
            is_linear &= is_right;
        }
    }
    is_linear
}
