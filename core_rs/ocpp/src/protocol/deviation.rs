//! The codes of all deviations that are repaired or kept. `app/deviations/entries` says what each one means.

use std::fmt::{Display, Formatter, Result};

macro_rules! deviation_codes {
    ($($code:ident = $text:literal),* $(,)?) => {
        /// The code of a deviation from the standard.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // The dictionary says what each one means.
        pub enum DeviationCode {
            $($code),*
        }

        impl DeviationCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$code),*];

            /// The code as text, part of the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $text),*
                }
            }
        }
    };
}

deviation_codes! {
    // Of the WebSocket message.
    BinaryFrame = "binary_frame",
    NotUtf8 = "not_utf8",
    OverLimit = "over_limit",
    // Around and between frames.
    ByteOrderMark = "byte_order_mark",
    LeadingNul = "leading_nul",
    TrailingNul = "trailing_nul",
    TrailingText = "trailing_text",
    TwoFrames = "two_frames",
    // Of the JSON text.
    StrayComma = "stray_comma",
    MissingValue = "missing_value",
    ControlCharacter = "control_character",
    LoneSurrogate = "lone_surrogate",
    // Of the JSON text of a damaged billing message.
    Damaged = "damaged",
    BareWord = "bare_word",
    Bracket = "bracket",
    CutOff = "cut_off",
    Name = "name",
    String = "string",
    Surplus = "surplus",
    TooDeep = "too_deep",
    // Of the elements of a frame.
    UniqueIdNumeric = "unique_id_numeric",
    UniqueIdTooLong = "unique_id_too_long",
    UniqueIdSpelling = "unique_id_spelling",
    ActionSpelling = "action_spelling",
    ErrorCodeSpelling = "error_code_spelling",
    MissingPayload = "missing_payload",
    ExtraElements = "extra_elements",
    PayloadIsArray = "payload_is_array",
    NotAnObject = "not_an_object",
    // Of the fields of a payload.
    UnknownField = "unknown_field",
    FieldSpelling = "field_spelling",
    MissingField = "missing_field",
    NullField = "null_field",
    DuplicateField = "duplicate_field",
    FieldDropped = "field_dropped",
    NotAnArray = "not_an_array",
    ItemDropped = "item_dropped",
    TooFewItems = "too_few_items",
    TooManyItems = "too_many_items",
    // Of single values.
    NotAString = "not_a_string",
    TooLong = "too_long",
    EnumerationSpelling = "enumeration_spelling",
    UnknownValue = "unknown_value",
    BadDateTime = "bad_date_time",
    NotAnInteger = "not_an_integer",
    NumberAsString = "number_as_string",
    OutOfRange = "out_of_range",
    TooPrecise = "too_precise",
    NotABoolean = "not_a_boolean",
}

impl Display for DeviationCode {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::DeviationCode;

    #[test]
    fn no_two_codes_are_written_alike() {
        let mut texts: Vec<_> = DeviationCode::ALL.iter().map(|code| code.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), DeviationCode::ALL.len());
    }
}
