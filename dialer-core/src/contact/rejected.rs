//! The file of bad rows: what was wrong with each, and the row itself, ready to be mended and imported again.

use std::io::Write;

use super::import::{BadRow, Columns};

/// Writes bad rows as CSV: line, column, reason, then the list's own columns.
pub struct RejectedWriter<W: Write> {
    csv: csv::Writer<W>,
    rows: u64,
}

impl<W: Write> RejectedWriter<W> {
    /// Writes the header.
    pub fn new(out: W, columns: &Columns) -> std::io::Result<Self> {
        let mut csv = csv::WriterBuilder::new().flexible(true).from_writer(out);
        let own = ["rejected_line", "rejected_column", "rejected_reason"].into_iter().map(str::to_owned);
        csv.write_record(own.chain(columns.names().iter().map(|name| harmless(name))))?;
        Ok(Self { csv, rows: 0 })
    }

    /// Writes one row.
    pub fn write(&mut self, row: &BadRow) -> std::io::Result<()> {
        let column = row.column.as_deref().unwrap_or_default();
        let own = [row.line.to_string(), harmless(column), row.reason.to_string()];
        self.csv.write_record(own.into_iter().chain(row.fields.iter().map(|field| harmless(field))))?;
        self.rows += 1;
        Ok(())
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes out what is buffered.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.csv.flush()
    }
}

/// A cell that no spreadsheet takes for a formula: a quotation mark in front shows it as text.
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::import::{BadReason, ListReader};
    use crate::contact::number::NumberError;

    #[test]
    fn cells_that_a_spreadsheet_would_run_are_made_text() {
        let list = ListReader::new("id,number,=note\n".as_bytes(), None).unwrap();
        let mut written = Vec::new();
        let mut rejected = RejectedWriter::new(&mut written, list.columns()).unwrap();
        for cell in ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "x=1"] {
            let fields = vec!["a".into(), "1".into(), cell.into()];
            let reason = BadReason::Number(NumberError::Never);
            rejected.write(&BadRow { line: 2, column: Some("number".into()), reason, fields }).unwrap();
        }
        assert_eq!(rejected.rows(), 7);
        rejected.finish().unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(written.as_slice());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        let header = ["rejected_line", "rejected_column", "rejected_reason", "id", "number", "'=note"];
        assert_eq!(rows[0].iter().collect::<Vec<_>>(), header);
        let cells: Vec<&str> = rows.iter().skip(1).map(|row| &row[5]).collect();
        assert_eq!(cells, ["'=1+1", "'+1", "'-1", "'@x", "'\tx", "'\rx", "x=1"]);
        assert_eq!((&rows[1][0], &rows[1][1], &rows[1][2]), ("2", "number", "emergency or short number"));
    }
}
