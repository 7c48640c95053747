//! What may stand in a person's fields: one set of rules for forms, programs and imports.

use crate::kernel::error::FieldError;
use serde_json::Value;

/// Why a value is not acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Stable code.
    pub code: &'static str,
    /// What to do about it.
    pub detail: &'static str,
}

impl Fault {
    /// As an error of `field`.
    pub fn at(self, field: &str) -> FieldError {
        FieldError {
            field: field.to_owned(),
            code: self.code.into(),
            detail: self.detail.to_owned(),
        }
    }
}

const BLANK: Fault = Fault {
    code: "blank",
    detail: "This cannot be empty.",
};
const TOO_LONG: Fault = Fault {
    code: "too_long",
    detail: "This is too long; shorten it.",
};
const CONTROL: Fault = Fault {
    code: "control_character",
    detail: "This holds a control character; remove it.",
};
const NOT_EMAIL: Fault = Fault {
    code: "not_an_address",
    detail: "This is not an e-mail address; write it as name@example.com.",
};
const NOT_URL: Fault = Fault {
    code: "not_a_url",
    detail: "Give the picture's address, beginning with https:// or http://.",
};
const NOT_OBJECT: Fault = Fault {
    code: "not_an_object",
    detail: "This is a JSON object of at most 16 KiB, without NUL characters.",
};

/// Longest JSON of `metadata` and `employment_equity`, in bytes.
const LONGEST_JSON: usize = 16 * 1024;

/// An address as it is kept: trimmed and lower-case. Quoted local parts, which no mail provider gives out, are refused.
pub fn email(raw: &str) -> Result<String, Fault> {
    let email = raw.trim().to_lowercase();
    if email.is_empty() {
        return Err(BLANK);
    }
    if email.chars().count() > 320 {
        return Err(TOO_LONG);
    }
    let (local, domain) = email.split_once('@').ok_or(NOT_EMAIL)?;
    if is_local(local) && is_domain(domain) {
        Ok(email)
    } else {
        Err(NOT_EMAIL)
    }
}

fn is_local(local: &str) -> bool {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || "@\"(),:;<>[\\]".contains(c);
    !local.contains(forbidden) && local.len() <= 64 && local.split('.').all(|atom| !atom.is_empty())
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    domain.len() <= 255 && domain.split('.').all(is_label) && (domain.contains('.') || domain == "localhost")
}

/// A name: trimmed, 1 to 200 characters.
pub fn name(raw: &str) -> Result<String, Fault> {
    line(raw, 200)?.ok_or(BLANK)
}

/// A phone number as written, at most 64 characters; empty is none.
pub fn phone(raw: &str) -> Result<Option<String>, Fault> {
    line(raw, 64)
}

/// A department, at most 200 characters; empty is none.
pub fn department(raw: &str) -> Result<Option<String>, Fault> {
    line(raw, 200)
}

/// A picture's URL, at most 2000 characters; empty is none.
pub fn profile_image(raw: &str) -> Result<Option<String>, Fault> {
    let url = line(raw, 2_000)?;
    match &url {
        Some(url) if !(url.starts_with("https://") || url.starts_with("http://")) => Err(NOT_URL),
        _ => Ok(url),
    }
}

/// A reason: trimmed, 1 to 2000 characters; lines may break.
pub fn reason(raw: &str) -> Result<String, Fault> {
    let reason = raw.trim();
    if reason.is_empty() {
        return Err(BLANK);
    }
    if reason.chars().count() > 2_000 {
        return Err(TOO_LONG);
    }
    if reason
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(CONTROL);
    }
    Ok(reason.to_owned())
}

/// An object that PostgreSQL can keep.
pub fn object(value: Value) -> Result<Value, Fault> {
    if value.is_object() && value.to_string().len() <= LONGEST_JSON && !holds_nul(&value) {
        Ok(value)
    } else {
        Err(NOT_OBJECT)
    }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(map) => map
            .iter()
            .any(|(key, item)| key.contains('\0') || holds_nul(item)),
        _ => false,
    }
}

fn line(raw: &str, longest: usize) -> Result<Option<String>, Fault> {
    let text = raw.trim();
    if text.chars().count() > longest {
        return Err(TOO_LONG);
    }
    if text.chars().any(char::is_control) {
        return Err(CONTROL);
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_trimmed_and_lower_case() {
        assert_eq!(
            email("  Ada.Lovelace+x@Example.COM ").unwrap(),
            "ada.lovelace+x@example.com"
        );
        assert_eq!(email("jürgen@müller.de").unwrap(), "jürgen@müller.de");
        assert_eq!(email("owner@localhost").unwrap(), "owner@localhost");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "nobody",
            "@x.io",
            "a@",
            "a@b",
            "a b@x.io",
            "a@x..io",
            "a@-x.io",
            "a.@x.io",
            "a@@x.io",
            "a@x.io,b@x.io",
            "<a@x.io>",
            "a\0@x.io",
            "a@x_y.io",
            "a@x.io\nbcc:b@x.io",
        ] {
            assert_eq!(email(text), Err(NOT_EMAIL), "{text:?}");
        }
        assert_eq!(email(" "), Err(BLANK));
        assert_eq!(email(&format!("a@{}.io", "x".repeat(330))), Err(TOO_LONG));
    }

    #[test]
    fn empty_is_none_and_control_characters_are_refused() {
        assert_eq!(phone("  "), Ok(None));
        assert_eq!(name(" "), Err(BLANK));
        assert_eq!(name("a\u{7}b"), Err(CONTROL));
        assert_eq!(department(&"x".repeat(201)), Err(TOO_LONG));
        assert_eq!(profile_image("javascript:alert(1)"), Err(NOT_URL));
        assert_eq!(object(serde_json::json!({"a": ["\0"]})), Err(NOT_OBJECT));
        assert_eq!(object(serde_json::json!([])), Err(NOT_OBJECT));
        assert_eq!(reason("spam\nagain").unwrap(), "spam\nagain");
    }
}
