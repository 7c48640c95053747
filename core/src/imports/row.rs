//! One record: acceptable and staged, or rejected with its reason.

use super::columns::{FIELDS, Places};
use super::decode::Record;
use crate::kernel::id::UserId;
use crate::users::check;

/// A value in a report is cut after so many characters.
const LONGEST_VALUE: usize = 200;

/// A line that may become a person. What its file does not have, or has empty, is `None` and leaves what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// Where the record begins.
    pub line: u32,
    /// The id it takes if it becomes somebody new.
    pub id: UserId,
    /// Trimmed and lower-case.
    pub email: String,
    /// Name, phone, department, picture.
    pub rest: [Option<String>; 4],
}

/// A line that may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Where the record begins.
    pub line: u32,
    /// One of [`FIELDS`], or empty for the line as a whole.
    pub field: &'static str,
    /// What stands there, cut and without NUL.
    pub value: String,
    /// Why, and what to do.
    pub reason: String,
}

impl Reject {
    /// Of a line with the address of somebody who was erased. The report does not hold it anew.
    pub(super) fn erased(line: u32) -> Self {
        Self {
            line,
            field: FIELDS[0].name,
            value: String::new(),
            reason: "Whoever had this address was erased, and it may not be used again here.".to_owned(),
        }
    }
}

/// Checks one record of a file with `columns` columns, by the rules that forms and programs meet too.
pub fn judge(record: Record<'_>, columns: usize, Places(places): Places) -> Result<Staged, Reject> {
    if record.len() != columns {
        let (found, s) = (record.len(), if columns == 1 { "" } else { "s" });
        return Err(Reject {
            line: record.line,
            field: "",
            value: String::new(),
            reason: format!("This line has {found} fields, but the header has {columns} column{s}."),
        });
    }
    let cell = |n: usize| -> Result<&str, Reject> {
        let bytes = places[n].and_then(|place| record.get(place)).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| {
            reject(
                record.line,
                n,
                &String::from_utf8_lossy(bytes),
                "This is not UTF-8 text; save the file as UTF-8.",
            )
        })
    };
    let text = cell(0)?;
    let email = check::email(text).map_err(|fault| reject(record.line, 0, text, fault.detail))?;
    let mut rest = [const { None }; 4];
    for (n, value) in rest.iter_mut().enumerate() {
        let text = cell(n + 1)?;
        let checked = match n {
            _ if text.trim().is_empty() => Ok(None),
            0 => check::name(text).map(Some),
            1 => check::phone(text),
            2 => check::department(text),
            _ => check::profile_image(text),
        };
        *value = checked.map_err(|fault| reject(record.line, n + 1, text, fault.detail))?;
    }
    Ok(Staged {
        line: record.line,
        id: UserId::new(),
        email,
        rest,
    })
}

fn reject(line: u32, field: usize, value: &str, reason: &str) -> Reject {
    let value = value.chars().take(LONGEST_VALUE);
    Reject {
        line,
        field: FIELDS[field].name,
        value: value
            .map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c })
            .collect(),
        reason: reason.to_owned(),
    }
}
