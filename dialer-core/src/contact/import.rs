//! Reading lists (名单): CSV in, checked contacts out, row by row.
//!
//! A wrong header is an error of the whole list; a wrong row is told apart and the rest goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::{ByteRecord, ReaderBuilder, StringRecord, Terminator};
use jiff::tz::TimeZone;

use super::ListedContact;
use super::number::{NumberError, canonical};
use crate::store::read::DuplicateKey;

/// Most columns of a list.
pub const COLUMNS_MAX: usize = 256;
/// Longest field in bytes.
pub const FIELD_BYTES_MAX: usize = 4 * 1024;
/// Longest row in bytes, quotes and line breaks within it included.
pub const ROW_BYTES_MAX: usize = 64 * 1024;

/// What is read ahead of the row in hand.
const BUFFER_BYTES: usize = 64 * 1024;
/// What Windows programs write in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Between two fields; the header tells which.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// Why a list can't be read at all, or no further.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It has no header.
    #[error("line 1: the list is empty; its first line must name the columns, `id` and `number` among them")]
    Empty,
    /// The header or the whole file has another encoding.
    #[error("line {line}: not UTF-8; save the list as UTF-8 (in Excel: CSV UTF-8)")]
    Encoding {
        /// Where.
        line: u64,
    },
    /// A column is missing.
    #[error("line 1: no column `{0}`; the columns `id` and `number` are needed")]
    Missing(&'static str),
    /// The column of owners is missing.
    #[error("line 1: no column `{0}`, where the owners of contacts are to be found ([list] owner)")]
    NoOwners(String),
    /// Two columns have one name.
    #[error("line 1, column {at}: there are two columns `{name}`")]
    Twice {
        /// Which column, from 1.
        at: usize,
        /// Its name.
        name: String,
    },
    /// More than [`COLUMNS_MAX`] columns.
    #[error("line 1: {0} columns; at most {COLUMNS_MAX} are read")]
    Columns(usize),
    /// A row does not end.
    #[error("line {line}: the row is longer than {ROW_BYTES_MAX} bytes; is a quotation mark left open?")]
    Row {
        /// Where the row begins.
        line: u64,
    },
    /// The file can't be read.
    #[error("line {line}: {source}")]
    Read {
        /// How far it came.
        line: u64,
        /// Why.
        source: std::io::Error,
    },
}

/// A row that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Line it begins on, from 1.
    pub line: u64,
    /// Name of the column that is to blame, if one is.
    pub column: Option<String>,
    /// Why.
    pub reason: BadReason,
    /// Its fields as they stand.
    pub fields: Vec<String>,
}

/// Why a row is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReason {
    /// More or fewer fields than columns.
    #[error("{found} fields where the header has {expected}")]
    Fields {
        /// In the row.
        found: usize,
        /// In the header.
        expected: usize,
    },
    /// A needed field is empty.
    #[error("empty")]
    Empty,
    /// A field is longer than [`FIELD_BYTES_MAX`].
    #[error("longer than {FIELD_BYTES_MAX} bytes")]
    Long,
    /// Another encoding.
    #[error("not UTF-8; save the list as UTF-8")]
    Encoding,
    /// No number that could be called.
    #[error("{0}")]
    Number(NumberError),
    /// The owner is no agent.
    #[error("no agent has this name")]
    UnknownOwner,
    /// The id stood further up already.
    #[error("the same id stands further up")]
    DuplicateId,
    /// The number stood further up already, or belongs to another contact of the campaign.
    #[error("another contact has the same number")]
    DuplicateNumber,
}

impl From<DuplicateKey> for BadReason {
    fn from(key: DuplicateKey) -> Self {
        match key {
            DuplicateKey::Id => Self::DuplicateId,
            DuplicateKey::Number => Self::DuplicateNumber,
        }
    }
}

/// The columns of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    names: Vec<String>,
    id: usize,
    number: usize,
    name: Option<usize>,
    timezone: Option<usize>,
    owner: Option<usize>,
}

impl Columns {
    /// Their names, as the header has them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The row of a contact, written back in the order of the columns. The number is the canonical one.
    pub fn row(&self, contact: &ListedContact) -> Vec<String> {
        let field = |(index, column): (usize, &String)| {
            if index == self.id {
                contact.external_id.clone()
            } else if index == self.number {
                contact.number.clone()
            } else if Some(index) == self.name {
                contact.name.clone()
            } else if Some(index) == self.timezone {
                contact.timezone.clone().unwrap_or_default()
            } else if Some(index) == self.owner {
                contact.owner.clone().unwrap_or_default()
            } else {
                contact.fields.get(column).cloned().unwrap_or_default()
            }
        };
        self.names.iter().enumerate().map(field).collect()
    }

    /// The bad row for a contact that the store left out.
    pub fn duplicate(&self, contact: &ListedContact, key: DuplicateKey) -> BadRow {
        let index = match key {
            DuplicateKey::Id => self.id,
            DuplicateKey::Number => self.number,
        };
        BadRow {
            line: contact.line,
            column: self.names.get(index).cloned(),
            reason: key.into(),
            fields: self.row(contact),
        }
    }

    /// Whether there is a column of this name; case does not matter.
    pub fn has(&self, name: &str) -> bool {
        position(&self.names, name).is_some()
    }

    fn parse(header: &StringRecord) -> Result<Self, ListError> {
        if header.len() > COLUMNS_MAX {
            return Err(ListError::Columns(header.len()));
        }
        let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        let mut seen = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            // Spreadsheets leave nameless columns at the end; their fields are dropped.
            if !name.is_empty() && !seen.insert(name.to_lowercase()) {
                return Err(ListError::Twice { at: index + 1, name: name.clone() });
            }
        }
        let find = |wanted: &str| position(&names, wanted);
        let required = |wanted| find(wanted).ok_or(ListError::Missing(wanted));
        let (id, number) = (required("id")?, required("number")?);
        Ok(Self { id, number, name: find("name"), timezone: find("timezone"), owner: None, names })
    }
}

fn position(names: &[String], wanted: &str) -> Option<usize> {
    names.iter().position(|name| name.eq_ignore_ascii_case(wanted))
}

/// Reads a contact list. Iterate: every row is a contact or a bad row; an error ends the list.
pub struct ListReader<R> {
    csv: csv::Reader<Capped<BufReader<R>>>,
    /// Where the row in hand begins, shared with [`Capped`].
    row_begins: Arc<AtomicU64>,
    columns: Columns,
    region: Option<String>,
    /// Users that may stand as owners.
    owners: BTreeSet<String>,
    record: ByteRecord,
    unknown_zones: u64,
    done: bool,
}

impl<R: Read> ListReader<R> {
    /// Reads the header. `region` (ISO 3166 alpha-2) is for numbers without a country code.
    pub fn new(source: R, region: Option<&str>) -> Result<Self, ListError> {
        let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
        let ahead = source.fill_buf().map_err(|source| ListError::Read { line: 1, source })?;
        let mark = if ahead.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let delimiter = delimiter(ahead.get(mark..).unwrap_or_default());
        source.consume(mark);
        let row_begins = Arc::new(AtomicU64::new(0));
        let capped = Capped { source, bytes: 0, ends_line: true, row_begins: Arc::clone(&row_begins) };
        let mut csv = ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            // So that lines can be counted; the fields are trimmed of their carriage returns.
            .terminator(Terminator::Any(b'\n'))
            .from_reader(capped);
        let header = csv.headers().map_err(|error| list_error(error, 1))?;
        if header.iter().all(|name| name.trim().is_empty()) {
            return Err(ListError::Empty);
        }
        let columns = Columns::parse(header)?;
        let region = region.map(str::to_owned);
        Ok(Self {
            csv,
            row_begins,
            columns,
            region,
            owners: BTreeSet::new(),
            record: ByteRecord::new(),
            unknown_zones: 0,
            done: false,
        })
    }

    /// Takes `column` for the user of the agent who alone takes a contact's calls. Rows where it is neither empty nor one of
    /// `owners` are bad rows. Without this the column is a field like any other.
    ///
    /// # Errors
    ///
    /// The header has no such column.
    pub fn with_owners(mut self, column: &str, owners: BTreeSet<String>) -> Result<Self, ListError> {
        let found =
            position(&self.columns.names, column).ok_or_else(|| ListError::NoOwners(column.to_owned()))?;
        self.columns.owner = Some(found);
        self.owners = owners;
        Ok(self)
    }

    /// The columns that the header names.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Contacts so far whose timezone is no IANA zone. They are imported; no zone, no call.
    pub fn unknown_zones(&self) -> u64 {
        self.unknown_zones
    }

    /// Reads on to the next row that is not empty; says where it begins, `None` at the end.
    fn read(&mut self) -> Result<Option<u64>, ListError> {
        loop {
            let before = self.csv.position().clone();
            self.row_begins.store(before.byte(), Ordering::Relaxed);
            match self.csv.read_byte_record(&mut self.record) {
                Ok(false) => return Ok(None),
                Ok(true) if self.record.len() == 1 && self.record.as_slice().trim_ascii().is_empty() => {}
                Ok(true) => {
                    // The reader stands behind the line break and has passed over those within fields.
                    let within = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count();
                    let behind = self.csv.position().line();
                    return Ok(Some(behind.saturating_sub(1 + within as u64).max(1)));
                }
                Err(error) => return Err(list_error(error, before.line())),
            }
        }
    }

    fn contact(&mut self, line: u64) -> Result<ListedContact, BadRow> {
        let bad = |column: Option<usize>, reason| BadRow {
            line,
            column: column.and_then(|index| self.columns.names.get(index).cloned()),
            reason,
            fields: self
                .record
                .iter()
                .map(|field| String::from_utf8_lossy(field.trim_ascii_end()).into())
                .collect(),
        };
        if let Some(index) = self.record.iter().position(|field| std::str::from_utf8(field).is_err()) {
            return Err(bad(Some(index), BadReason::Encoding));
        }
        if let Some(index) = self.record.iter().position(|field| field.len() > FIELD_BYTES_MAX) {
            return Err(bad(Some(index), BadReason::Long));
        }
        let (found, expected) = (self.record.len(), self.columns.names.len());
        if found != expected {
            return Err(bad(None, BadReason::Fields { found, expected }));
        }
        let text = |index: usize| {
            self.record
                .get(index)
                .and_then(|field| std::str::from_utf8(field).ok())
                .unwrap_or_default()
                .trim()
        };
        let external_id = text(self.columns.id);
        if external_id.is_empty() {
            return Err(bad(Some(self.columns.id), BadReason::Empty));
        }
        let number = text(self.columns.number);
        if number.is_empty() {
            return Err(bad(Some(self.columns.number), BadReason::Empty));
        }
        let number = canonical(number, self.region.as_deref())
            .map_err(|error| bad(Some(self.columns.number), BadReason::Number(error)))?;
        let timezone = self.columns.timezone.map(text).filter(|zone| !zone.is_empty());
        let owner = self.columns.owner.map(text).filter(|owner| !owner.is_empty());
        if owner.is_some_and(|owner| !self.owners.contains(owner)) {
            return Err(bad(self.columns.owner, BadReason::UnknownOwner));
        }
        let Columns { id, number: number_at, name, timezone: zone_at, owner: owner_at, .. } = self.columns;
        let taken = [Some(id), Some(number_at), name, zone_at, owner_at];
        let named = |(index, name): &(usize, &String)| !name.is_empty() && !taken.contains(&Some(*index));
        let fields: BTreeMap<String, String> = self
            .columns
            .names
            .iter()
            .enumerate()
            .filter(named)
            .map(|(index, name)| (name.clone(), text(index).to_owned()))
            .collect();
        let contact = ListedContact {
            line,
            external_id: external_id.to_owned(),
            number,
            name: self.columns.name.map(text).unwrap_or_default().to_owned(),
            // An unknown name is kept: put in its place, the list's own zone might be wrong for this person.
            timezone: timezone.map(str::to_owned),
            owner: owner.map(str::to_owned),
            fields,
        };
        if timezone.is_some_and(|zone| TimeZone::get(zone).is_err()) {
            self.unknown_zones += 1;
        }
        Ok(contact)
    }
}

impl<R: Read> Iterator for ListReader<R> {
    type Item = Result<Result<ListedContact, BadRow>, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let row = self.read().map(|line| line.map(|line| self.contact(line))).transpose();
        self.done = matches!(row, None | Some(Err(_)));
        row
    }
}

/// Reads a whole list for its form alone, so that a list that can't be read to its end changes nothing.
pub fn check(source: impl Read) -> Result<(), ListError> {
    let mut reader = ListReader::new(source, None)?;
    while reader.read()?.is_some() {}
    Ok(())
}

/// The delimiter that the first line uses most, outside quotation marks.
fn delimiter(ahead: &[u8]) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut quoted = false;
    for byte in ahead.iter().take_while(|byte| !matches!(byte, b'\n' | b'\r')) {
        quoted ^= *byte == b'"';
        for (delimiter, count) in DELIMITERS.iter().zip(&mut counts) {
            *count += usize::from(!quoted && byte == delimiter);
        }
    }
    // The first of equals, so that a header without any is read as comma-separated.
    let best = DELIMITERS.iter().zip(counts).rev().max_by_key(|(_, count)| *count);
    best.map_or(b',', |(delimiter, _)| *delimiter)
}

fn list_error(error: csv::Error, line: u64) -> ListError {
    let line = line.max(1);
    match error.into_kind() {
        csv::ErrorKind::Io(source) if source.kind() == std::io::ErrorKind::FileTooLarge => {
            ListError::Row { line }
        }
        csv::ErrorKind::Io(source) => ListError::Read { line, source },
        csv::ErrorKind::Utf8 { .. } => ListError::Encoding { line },
        other => ListError::Read { line, source: std::io::Error::other(format!("{other:?}")) },
    }
}

/// Stops reading when a row does not end, so that an open quotation mark can't fill the memory; and ends the last
/// line, so that lines can be counted.
struct Capped<R> {
    source: R,
    bytes: u64,
    ends_line: bool,
    row_begins: Arc<AtomicU64>,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.bytes.saturating_sub(self.row_begins.load(Ordering::Relaxed)) > ROW_BYTES_MAX as u64 {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        let mut count = self.source.read(buffer)?;
        if count == 0
            && !self.ends_line
            && let Some(first) = buffer.first_mut()
        {
            *first = b'\n';
            count = 1;
        }
        if let Some(last) = count.checked_sub(1).and_then(|last| buffer.get(last)) {
            self.ends_line = *last == b'\n';
        }
        self.bytes += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
