//! The beginning of a file: is it CSV text at all, and what are its columns.

use super::decode::{Decoder, Place, TooLong, guess_delimiter};
use crate::kernel::error::{Error, Kind, Result};

/// Records shown in a preview.
const SHOWN: usize = 20;
/// Where binary files give themselves away.
const LOOKED_AT: usize = 8 * 1_024;

/// Header and first records of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The header's names, trimmed.
    pub columns: Vec<String>,
    /// Between columns.
    pub delimiter: u8,
    /// The first records.
    pub rows: Vec<Vec<String>>,
}

/// Reads the head from a file's first chunk. `whole`: there is no other chunk.
pub fn read(bytes: &[u8], whole: bool) -> Result<Head> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(refuse(
            "import.empty_file",
            "This file is empty. Choose one with a header and a line per person.",
        ));
    }
    if text.starts_with(b"\xff\xfe")
        || text.starts_with(b"\xfe\xff")
        || bytes[..bytes.len().min(LOOKED_AT)].contains(&0)
    {
        return Err(refuse(
            "import.binary_file",
            "This is not a text file. In your spreadsheet choose \"CSV UTF-8\" when saving, and upload that.",
        ));
    }
    let delimiter = guess_delimiter(text.trim_ascii_start());
    let mut records = records(bytes, delimiter, whole)?;
    if records.len() < 2 {
        return Err(refuse(
            "import.no_rows",
            "This file has no line besides its header. The first line names the columns; people come below.",
        ));
    }
    let header = records.remove(0);
    let columns: Option<Vec<String>> = header
        .into_iter()
        .map(|name| String::from_utf8(name).ok().map(|name| name.trim().to_owned()))
        .collect();
    let columns = columns.ok_or_else(|| {
        refuse(
            "import.not_utf8",
            "The file's first line is not UTF-8 text. In your spreadsheet choose \"CSV UTF-8\" when saving.",
        )
    })?;
    let rows = records.into_iter().map(|record| {
        let cells = record
            .iter()
            .map(|cell| String::from_utf8_lossy(cell).into_owned());
        cells.collect()
    });
    Ok(Head {
        columns,
        delimiter,
        rows: rows.collect(),
    })
}

fn records(bytes: &[u8], delimiter: u8, whole: bool) -> Result<Vec<Vec<Vec<u8>>>> {
    let mut decoder = Decoder::new(delimiter, Place::default());
    let (mut input, mut records) = (bytes, Vec::new());
    while records.len() <= SHOWN {
        let record = match decoder.next(&mut input) {
            Ok(None) if whole => return last(decoder, records),
            Ok(None) => break,
            Ok(Some(record)) => record,
            Err(error) => return Err(endless(error)),
        };
        records.push(record.fields().map(<[u8]>::to_vec).collect());
    }
    Ok(records)
}

fn last(mut decoder: Decoder, mut records: Vec<Vec<Vec<u8>>>) -> Result<Vec<Vec<Vec<u8>>>> {
    let last = decoder.finish().map_err(endless)?;
    records.extend(last.map(|record| record.fields().map(<[u8]>::to_vec).collect()));
    Ok(records)
}

/// The record that begins at `line` does not end.
pub fn endless(TooLong { line }: TooLong) -> Error {
    refuse(
        "import.unreadable",
        format!(
            "The record that begins in line {line} does not end; most likely a quotation mark is not closed."
        ),
    )
}

pub fn refuse(code: &'static str, detail: impl Into<String>) -> Error {
    Error::new(Kind::Invalid, code, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_csv_is_refused_with_what_to_do() {
        for (bytes, code) in [
            (&b""[..], "import.empty_file"),
            (b"\xef\xbb\xbf \r\n\t\n", "import.empty_file"),
            (b"PK\x03\x04\x14\x00\x06\x00", "import.binary_file"),
            (b"\xff\xfeE\x00-\x00", "import.binary_file"),
            (b"E-mail,Name\n", "import.no_rows"),
            (b"E-mail,Stra\xdfe\na@b.co,x\n", "import.not_utf8"),
        ] {
            assert_eq!(read(bytes, true).unwrap_err().code, code, "{bytes:?}");
        }
    }

    #[test]
    fn a_head_has_the_columns_and_the_first_twenty_records() {
        let mut file = "\u{feff}\"E-mail\"; Full name \r\n".to_owned();
        for n in 0..30 {
            file += &format!("p{n}@example.com;\"Person\n{n}\"\r\n");
        }
        let head = read(file.as_bytes(), true).unwrap();
        assert_eq!(
            (head.columns, head.delimiter),
            (vec!["E-mail".to_owned(), "Full name".to_owned()], b';')
        );
        assert_eq!(head.rows.len(), 20);
        assert_eq!(head.rows[19], ["p19@example.com", "Person\n19"]);
        let one = read(b"mail\na@b.co", true).unwrap();
        assert_eq!(one.rows, [["a@b.co"]]);
    }
}
