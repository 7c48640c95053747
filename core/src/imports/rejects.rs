//! The report of rejected lines, as CSV that no spreadsheet takes for formulas.

use super::columns::FIELDS;
use super::store;
use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{ImportId, OrganizationId};
use crate::live::view::ViewClass;

/// Lines read at a time.
const PAGE: i64 = 5_000;
const HEADER: [&str; 4] = ["line", "column", "value", "reason"];
/// Shown instead of a value that the viewer may not see.
const HIDDEN: &str = "(hidden)";

/// Reads the report piece by piece, in constant memory.
#[derive(Debug)]
pub struct RejectReport {
    pub(super) store: Store,
    pub(super) organization: OrganizationId,
    pub(super) import: ImportId,
    pub(super) class: ViewClass,
    /// Last line given; `None` before the header.
    pub(super) after: Option<i32>,
}

impl RejectReport {
    pub(super) fn new(store: &Store, ctx: &Ctx, import: ImportId) -> Self {
        Self {
            store: store.clone(),
            organization: ctx.organization,
            import,
            class: ViewClass::of(&ctx.permissions),
            after: None,
        }
    }

    /// Passes where somebody with the rights of `ctx` would be given the same: what stands in it stays.
    pub async fn may_go_on(&self, ctx: &Ctx) -> Result<()> {
        super::service::get(&self.store, ctx, self.import).await?;
        if ViewClass::of(&ctx.permissions) == self.class {
            return Ok(());
        }
        Err(Error::new(
            Kind::Forbidden,
            "import.sees_otherwise",
            "What you may see has changed while the report was on its way. Fetch it again.",
        ))
    }

    /// The next bytes of the report, its header first; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(after) = self.after else {
            self.after = Some(0);
            return encode([HEADER.map(str::to_owned)].into_iter()).map(Some);
        };
        let mut tx = self.store.db.read(self.organization).await?;
        let page = store::rejects(&mut tx, self.organization, self.import, after, PAGE).await?;
        let Some((last, ..)) = page.last() else {
            return Ok(None);
        };
        self.after = Some(*last);
        let rows = page.into_iter().map(|(line, field, value, reason)| {
            let hidden = !field.is_empty() && !self.class.sees("user", &field);
            let value = if hidden { HIDDEN.to_owned() } else { value };
            let label = FIELDS.iter().find(|known| known.name == field);
            [
                line.to_string(),
                label.map_or(String::new(), |known| known.label.to_owned()),
                value,
                reason,
            ]
        });
        encode(rows).map(Some)
    }
}

fn encode(rows: impl Iterator<Item = [String; 4]>) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for row in rows {
        writer.write_record(row.map(harmless)).map_err(Error::internal)?;
    }
    writer
        .into_inner()
        .map_err(|error| Error::internal(error.to_string()))
}

/// A spreadsheet runs what begins with one of these; an apostrophe before it makes it text (OWASP, CSV injection).
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{cell}")
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_of_a_report_begins_like_a_formula_and_every_cell_reads_back() {
        let cells = [
            "=1+1",
            "+49",
            "-1",
            "@SUM",
            "\tx",
            "\rx",
            "\nx",
            "a,\"b\"\r\nc",
            "ä",
        ];
        let bytes = encode(cells.iter().map(|cell| [cell, "", *cell, ""].map(str::to_owned))).unwrap();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(&bytes[..]);
        for (record, cell) in reader.records().map(Result::unwrap).zip(cells) {
            assert!(
                !record[2].starts_with(['=', '+', '-', '@', '\t', '\r', '\n']),
                "{cell:?}"
            );
            assert_eq!(record[2].trim_start_matches('\''), cell);
        }
    }
}
