//! What may stand in a profile.

use super::model::Profile;
use crate::kernel::error::{Error, FieldError, Result};
use crate::users::check;
use serde::{Deserialize, Deserializer};

/// Longest words about oneself, in characters.
const BIO: usize = 2_000;

/// What is to change: absent stays, null empties.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileChange {
    /// Name to be called by, at most 200 characters.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub display_name: Option<Option<String>>,
    /// Title, at most 200 characters.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub title: Option<Option<String>>,
    /// Words about oneself, at most 2,000 characters; lines may break.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub bio: Option<Option<String>>,
    /// Time zone, by its IANA name.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub time_zone: Option<Option<String>>,
    /// Language and region (BCP 47).
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub locale: Option<Option<String>>,
    /// Address of a picture, https:// or http://.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub avatar_url: Option<Option<String>>,
}

#[expect(
    clippy::option_option,
    reason = "absent, null and a value are three things in a PATCH"
)]
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// One field's rule: what is kept of a text, or why it is not acceptable.
type Rule = fn(&str) -> Result<Option<String>, (&'static str, &'static str)>;

/// A field: its name, what is wanted of it, where it is kept, and its rule.
#[expect(
    clippy::option_option,
    reason = "absent, null and a value are three things in a PATCH"
)]
struct Field<'a>(
    &'static str,
    &'a Option<Option<String>>,
    &'a mut Option<String>,
    Rule,
);

impl ProfileChange {
    /// What `profile` would be afterwards.
    pub(super) fn applied_to(&self, profile: &Profile) -> Result<Profile> {
        let mut after = profile.clone();
        let mut errors = Vec::new();
        let Profile {
            display_name,
            title,
            bio: words,
            time_zone: zone,
            locale: language,
            avatar_url,
            ..
        } = &mut after;
        let fields = [
            Field("display_name", &self.display_name, display_name, line),
            Field("title", &self.title, title, line),
            Field("bio", &self.bio, words, bio),
            Field("time_zone", &self.time_zone, zone, time_zone),
            Field("locale", &self.locale, language, locale),
            Field("avatar_url", &self.avatar_url, avatar_url, picture),
        ];
        for Field(field, wanted, kept, rule) in fields {
            let Some(wanted) = wanted else { continue };
            match rule(wanted.as_deref().unwrap_or_default()) {
                Ok(value) => *kept = value,
                Err((code, detail)) => errors.push(FieldError {
                    field: field.to_owned(),
                    code: code.into(),
                    detail: detail.to_owned(),
                }),
            }
        }
        if errors.is_empty() {
            Ok(after)
        } else {
            Err(Error::invalid(errors))
        }
    }
}

fn line(text: &str) -> Result<Option<String>, (&'static str, &'static str)> {
    check::department(text).map_err(|fault| (fault.code, fault.detail))
}

fn picture(text: &str) -> Result<Option<String>, (&'static str, &'static str)> {
    check::profile_image(text).map_err(|fault| (fault.code, fault.detail))
}

fn bio(text: &str) -> Result<Option<String>, (&'static str, &'static str)> {
    let text = text.trim();
    if text.chars().count() > BIO {
        return Err(("too_long", "At most 2,000 characters."));
    }
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(("control_character", "This holds a control character; remove it."));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// The form of an IANA name, such as `America/Argentina/Buenos_Aires`. Whether there is such a zone the reader's own list
/// says: it grows with the years.
fn time_zone(text: &str) -> Result<Option<String>, (&'static str, &'static str)> {
    let text = text.trim();
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+'))
    };
    if text.is_empty() {
        Ok(None)
    } else if text.len() <= 64 && text.split('/').all(part) {
        Ok(Some(text.to_owned()))
    } else {
        Err(("not_a_time_zone", "Name a time zone, such as Europe/Berlin."))
    }
}

/// The form of a language tag (RFC 5646), such as `zh-Hant-TW`.
fn locale(text: &str) -> Result<Option<String>, (&'static str, &'static str)> {
    let text = text.trim();
    let mut parts = text.split('-');
    let language = parts.next().is_some_and(|first| {
        (2..=8).contains(&first.len()) && first.chars().all(|c| c.is_ascii_alphabetic())
    });
    let rest =
        parts.all(|part| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric()));
    if text.is_empty() {
        Ok(None)
    } else if text.len() <= 35 && language && rest {
        Ok(Some(text.to_owned()))
    } else {
        Err(("not_a_locale", "Name a language, such as de or de-DE."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_absent_stays_null_empties_and_what_is_wrong_is_said_all_at_once() {
        let before = Profile {
            title: Some("Engineer".into()),
            bio: Some("Hello".into()),
            ..Profile::default()
        };
        let change: ProfileChange =
            serde_json::from_str(r#"{"bio": null, "locale": " de-DE ", "time_zone": "Europe/Berlin"}"#)
                .unwrap();
        let after = change.applied_to(&before).unwrap();
        assert_eq!(after.title.as_deref(), Some("Engineer"));
        assert_eq!((after.bio, after.locale.as_deref()), (None, Some("de-DE")));
        let wrong: ProfileChange = serde_json::from_str(
            r#"{"time_zone": "nowhere/..", "locale": "x", "avatar_url": "javascript:alert(1)", "title": "a\u0007b"}"#,
        )
        .unwrap();
        let errors = wrong.applied_to(&before).unwrap_err().errors;
        let codes: Vec<&str> = errors.iter().map(|error| error.code.as_ref()).collect();
        assert_eq!(
            codes,
            [
                "control_character",
                "not_a_time_zone",
                "not_a_locale",
                "not_a_url"
            ]
        );
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_kept_within_the_columns_or_refused(text in any::<String>()) {
            for (rule, longest) in [(line as Rule, 200), (bio, 2_000), (time_zone, 64), (locale, 35), (picture, 2_000)] {
                if let Ok(Some(kept)) = rule(&text) {
                    prop_assert!(kept.chars().count() <= longest && !kept.contains('\0'));
                }
            }
        }
    }
}
