//! Writes frames. OCPP-J 4.2

use std::borrow::Cow;

use crate::protocol::value::{truncate, write_string};

/// The id that a CALL and its answer share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueId<'a> {
    /// The id as text.
    pub text: Cow<'a, str>,
    /// Whether the id was received as a JSON number. It is repeated in the same form.
    pub numeric: bool,
}

impl<'a> UniqueId<'a> {
    /// An id that is a string.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        Self { text: Cow::Borrowed(text), numeric: false }
    }

    /// Copy the id, so that it outlives its frame.
    #[must_use]
    pub fn into_owned(self) -> UniqueId<'static> {
        UniqueId { text: Cow::Owned(self.text.into_owned()), numeric: self.numeric }
    }

    fn write(&self, out: &mut String) {
        if self.numeric { out.push_str(&self.text) } else { write_string(&self.text, out) }
    }
}

/// `[2,"id","Action",payload]`
#[must_use]
pub fn write_call(unique_id: &str, action: &str, payload: &str) -> String {
    let mut out = String::with_capacity(payload.len() + action.len() + unique_id.len() + 16);
    out.push_str("[2,");
    write_string(unique_id, &mut out);
    out.push(',');
    write_string(action, &mut out);
    finish(out, payload)
}

/// `[3,"id",payload]`
#[must_use]
pub fn write_call_result(unique_id: &UniqueId<'_>, payload: &str) -> String {
    let mut out = String::with_capacity(payload.len() + unique_id.text.len() + 8);
    out.push_str("[3,");
    unique_id.write(&mut out);
    finish(out, payload)
}

/// `[4,"id","code","description",{}]`. `code`: in the spelling of the protocol's version.
#[must_use]
pub fn write_call_error(unique_id: &UniqueId<'_>, code: &str, description: &str) -> String {
    /// OCPP-J 4.2.3
    const DESCRIPTION_LIMIT: usize = 255;
    let mut description = description.to_owned();
    truncate(&mut description, DESCRIPTION_LIMIT);
    let mut out = String::from("[4,");
    unique_id.write(&mut out);
    out.push(',');
    write_string(code, &mut out);
    out.push(',');
    write_string(&description, &mut out);
    finish(out, "{}")
}

fn finish(mut out: String, payload: &str) -> String {
    out.push(',');
    out.push_str(payload);
    out.push(']');
    out
}
