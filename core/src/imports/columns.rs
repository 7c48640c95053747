//! Which column holds what: a file's header is read by its words, or as the uploader says.

use crate::kernel::error::{Error, FieldError, Kind, Result};
use std::collections::BTreeMap;

/// Something a column can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Field {
    /// `email`, `name`, ...
    pub name: &'static str,
    /// As people call it.
    pub label: &'static str,
    /// Without it there is no import.
    pub required: bool,
}

/// Everything an import can fill, and what else its column may be called: lower-case letters and digits alone.
pub const FIELDS: &[Field] = &[
    field("email", "E-mail", true),
    field("name", "Name", false),
    field("phone", "Phone", false),
    field("department", "Department", false),
    field("profile_image", "Profile image", false),
];

const ALIASES: &[(&str, &[&str])] = &[
    (
        "email",
        &[
            "email",
            "mail",
            "emailaddress",
            "mailaddress",
            "emails",
            "useremail",
            "workemail",
        ],
    ),
    (
        "name",
        &["name", "fullname", "displayname", "realname", "personname"],
    ),
    (
        "phone",
        &[
            "phone",
            "phonenumber",
            "telephone",
            "tel",
            "mobile",
            "mobilephone",
            "cell",
            "cellphone",
        ],
    ),
    (
        "department",
        &["department", "dept", "division", "unit", "departmentname"],
    ),
    (
        "profile_image",
        &[
            "profileimage",
            "profilepicture",
            "image",
            "picture",
            "photo",
            "avatar",
            "avatarurl",
            "imageurl",
        ],
    ),
];

const fn field(name: &'static str, label: &'static str, required: bool) -> Field {
    Field {
        name,
        label,
        required,
    }
}

/// Field to column header, as it is shown and stored.
pub type Mapping = BTreeMap<String, String>;

/// What the header's words say. Of two columns with the same meaning the first counts.
pub fn guess(header: &[String]) -> Mapping {
    let mut mapping = Mapping::new();
    for column in header {
        let plain: String = column
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric())
            .collect();
        if let Some((field, _)) = ALIASES.iter().find(|(_, names)| names.contains(&plain.as_str())) {
            mapping
                .entry((*field).to_owned())
                .or_insert_with(|| column.clone());
        }
    }
    mapping
}

/// Where each of [`FIELDS`] stands in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places(pub [Option<usize>; 5]);

/// Finds the columns of `mapping`, or says what is wrong with it.
pub fn places(header: &[String], mapping: &Mapping) -> Result<Places> {
    let mut places = [None; 5];
    let mut errors = Vec::new();
    for (name, column) in mapping {
        let place = FIELDS.iter().position(|field| field.name == name);
        let at = header.iter().position(|there| there == column);
        match (place, at) {
            (Some(place), Some(at)) => places[place] = Some(at),
            (None, _) => errors.push(fault(name, "unknown_field", "There is no such field to fill.")),
            (_, None) => errors.push(fault(
                name,
                "unknown_column",
                "The file has no column of this name.",
            )),
        }
    }
    if !errors.is_empty() {
        return Err(Error::invalid(errors));
    }
    if places[0].is_none() {
        return Err(Error::new(
            Kind::Invalid,
            "import.no_email_column",
            "No column holds e-mail addresses. Name one \"E-mail\" in the file's first line, or say in mapping which one it is.",
        ));
    }
    Ok(Places(places))
}

fn fault(name: &str, code: &'static str, detail: &str) -> FieldError {
    FieldError {
        field: format!("mapping.{name}"),
        code: code.into(),
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn headers_are_known_by_their_words_however_they_are_written() {
        let header = header(&[
            "Full name",
            "E-mail",
            "DEPARTMENT",
            "Phone number",
            "Shoe size",
            "avatar_url",
            "Mail",
        ]);
        let mapping = guess(&header);
        let expected = [
            ("department", "DEPARTMENT"),
            ("email", "E-mail"),
            ("name", "Full name"),
            ("phone", "Phone number"),
            ("profile_image", "avatar_url"),
        ];
        assert_eq!(mapping, expected.map(|(a, b)| (a.into(), b.into())).into());
        assert_eq!(
            places(&header, &mapping).unwrap(),
            Places([Some(1), Some(0), Some(3), Some(2), Some(5)])
        );
    }

    #[test]
    fn a_mapping_that_names_what_is_not_there_is_refused_by_field() {
        let header = header(&["E-mail"]);
        let wrong = Mapping::from([("email".into(), "Mail".into()), ("shoe".into(), "E-mail".into())]);
        let error = places(&header, &wrong).unwrap_err();
        let named: Vec<_> = error
            .errors
            .iter()
            .map(|e| (e.field.as_str(), e.code.as_ref()))
            .collect();
        assert_eq!(
            named,
            [
                ("mapping.email", "unknown_column"),
                ("mapping.shoe", "unknown_field")
            ]
        );
        assert_eq!(
            places(&header, &Mapping::new()).unwrap_err().code,
            "import.no_email_column"
        );
    }
}
