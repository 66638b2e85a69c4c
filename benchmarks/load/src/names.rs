//! What charge points are called, and how they log in.

use std::collections::HashMap;

const PLACE: &str = "{}";

/// How charge points authenticate.
#[derive(Debug)]
pub enum Passwords {
    /// Not at all.
    None,
    /// All alike.
    Same(String),
    /// Each with its own, by identity.
    Each(HashMap<String, String>),
}

impl Passwords {
    /// Read `{"passwords": {identity: password}}`.
    ///
    /// # Errors
    /// A text for people: the JSON is another one.
    pub fn parse(json: &str) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        struct File {
            passwords: HashMap<String, String>,
        }
        serde_json::from_str::<File>(json)
            .map(|file| Self::Each(file.passwords))
            .map_err(|error| error.to_string())
    }
}

/// Makes names from numbers.
#[derive(Debug)]
pub struct Names {
    /// `{}` is replaced by the number of the charge point, with at least five digits.
    pub identity: String,
    /// The same.
    pub id_tag: String,
    /// Of the first charge point, from 0.
    pub first: usize,
    /// How they log in.
    pub passwords: Passwords,
}

impl Names {
    /// The identity of the charge point with this index.
    #[must_use]
    pub fn identity(&self, index: usize) -> String {
        self.fill(&self.identity, index)
    }

    /// The id tag that is used there.
    #[must_use]
    pub fn id_tag(&self, index: usize) -> String {
        self.fill(&self.id_tag, index)
    }

    /// The password; the inner None: it logs in without one, the outer None: it should have one.
    #[must_use]
    #[expect(clippy::option_option, reason = "both are answers")]
    pub fn password(&self, identity: &str) -> Option<Option<&str>> {
        match &self.passwords {
            Passwords::None => Some(None),
            Passwords::Same(password) => Some(Some(password)),
            Passwords::Each(passwords) => passwords.get(identity).map(|password| Some(password.as_str())),
        }
    }

    fn fill(&self, pattern: &str, index: usize) -> String {
        pattern.replacen(PLACE, &format!("{:05}", self.first + index), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_number_in_their_place() {
        let passwords = Passwords::parse(r#"{"passwords":{"CP-00012":"secret"}}"#).unwrap();
        let names = Names { identity: "CP-{}".to_owned(), id_tag: "ONE".to_owned(), first: 10, passwords };
        assert_eq!((names.identity(2).as_str(), names.id_tag(2).as_str()), ("CP-00012", "ONE"));
        assert_eq!(names.password("CP-00012"), Some(Some("secret")));
        assert_eq!(names.password("CP-00013"), None);
        assert!(Passwords::parse("{}").is_err());
    }
}
