//! Whom a message is to.

use crate::kernel::error::{Error, Result};
use crate::kernel::seal::Person;

/// An e-mail address, the name of whoever has it, and who that is where they are a person of the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    email: String,
    name: String,
    person: Option<Person>,
}

impl Address {
    /// Of a person of the hub: erasing them makes what was written to them unreadable.
    pub fn of(person: Person, email: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            email: email.into(),
            name: name.into(),
            person: Some(person),
        }
    }

    /// Of somebody who is no person of the hub yet.
    pub fn of_stranger(email: impl Into<String>) -> Self {
        Self {
            email: email.into(),
            name: String::new(),
            person: None,
        }
    }

    pub(super) fn email(&self) -> &str {
        &self.email
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn person(&self) -> Option<Person> {
        self.person
    }
}

/// A telephone number in the form of E.164: `+`, then 8 to 15 digits of which the first is not 0. Spaces, dots, hyphens and
/// brackets, by which people make it readable, are left out.
///
/// # Errors
/// It is none: invalid, in field `phone`.
pub fn number(text: &str) -> Result<String> {
    let bare: String = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '.' | '-' | '(' | ')'))
        .collect();
    let digits = bare.strip_prefix('+').unwrap_or_default();
    let good = (8..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    if good {
        Ok(bare)
    } else {
        let detail = "Write the number with its country, such as +49 30 123456.";
        Err(Error::field("phone", "not_a_number", detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_kept_bare_and_with_its_country() {
        assert_eq!(number("+49 (30) 123-456").unwrap(), "+4930123456");
        for text in [
            "030 123456",
            "+0 30 123456",
            "+49",
            "+49 30 123456 7890 12",
            "+4930x123456",
            "",
        ] {
            assert!(number(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_a_number_or_refused(text in any::<String>()) {
            if let Ok(number) = number(&text) {
                prop_assert!(number.len() <= 16 && number.is_ascii());
            }
        }
    }
}
