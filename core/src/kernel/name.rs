//! Names that people give to things.

use super::error::{Error, Result};

/// Characters of a name at most.
const LONGEST: usize = 100;

/// `raw` without the spaces around it, where that is a name. `what` begins the sentence that says what is wrong, such as
/// "A role's name".
///
/// # Errors
/// Invalid, in field `name`: empty, longer than 100 characters, or with a control character.
pub fn checked(raw: &str, what: &str) -> Result<String> {
    let name = raw.trim();
    let good = !name.is_empty() && name.chars().count() <= LONGEST && !name.chars().any(char::is_control);
    if good {
        return Ok(name.to_owned());
    }
    let detail = format!("{what} has 1 to {LONGEST} characters, none of them control characters.");
    Err(Error::field("name", "unusable", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_neither_empty_nor_long_nor_of_more_than_one_line() {
        assert_eq!(checked(" Night ", "A role's name").unwrap(), "Night");
        for wrong in ["", "  ", "a\nb", "a\0b", &"x".repeat(101)] {
            let refused = checked(wrong, "A role's name").unwrap_err();
            assert!(refused.errors[0].detail.starts_with("A role's name has 1 to 100"));
        }
        assert!(checked(&"x".repeat(100), "A role's name").is_ok());
    }
}
