//! From files of people and numbers into the store.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

use super::{IMPORT_CHUNK_MAX, Importing, Store, StoreError};
use crate::contact::ListedContact;
use crate::contact::import::{self, BadRow, Columns, ListError, ListReader};
use crate::contact::rejected::RejectedWriter;
use crate::contact::suppression::{BadLine, SuppressionReader};
use crate::id::CampaignId;

/// Most bad lines of a suppression list that are told one by one.
pub const BAD_LINES_MAX: usize = 1_000;

/// Why a list was not imported, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The list is wrong. Names line and column.
    #[error(transparent)]
    List(#[from] ListError),
    /// The list in a file is wrong.
    #[error("{}, {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ListError,
    },
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListImport {
    /// Rows in all.
    pub rows: u64,
    /// New contacts.
    pub imported: u64,
    /// Contacts that an earlier import had brought; their tasks are as they were.
    pub known: u64,
    /// Bad rows.
    pub rejected: u64,
    /// Contacts whose timezone is no IANA zone: imported, but no zone, no call.
    pub unknown_zones: u64,
}

/// What became of a suppression list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuppressionImport {
    /// Numbers in the list.
    pub numbers: Vec<String>,
    /// How many of them the store did not have yet.
    pub added: u64,
    /// Bad lines.
    pub rejected: u64,
    /// The first [`BAD_LINES_MAX`] of them.
    pub bad_lines: Vec<BadLine>,
}

/// Reads a list in a file to its end without importing it, so that a list that can't be read changes nothing.
pub fn check_list(path: &Path) -> Result<(), ImportError> {
    let in_file = |error| ImportError::File { path: path.to_owned(), error };
    import::check(open(path)?).map_err(in_file)
}

impl Store {
    /// Imports a list from a file, and writes its bad rows to `rejected`, a CSV ready to be mended and imported; there is no such
    /// file afterwards when every row was good. `owners`: the column that names a contact's owner, and who may stand there.
    /// Importing the same list again changes no task.
    pub async fn import_list(
        &self,
        campaign: CampaignId,
        path: &Path,
        region: Option<&str>,
        owners: Option<(String, BTreeSet<String>)>,
        rejected: &Path,
    ) -> Result<ListImport, ImportError> {
        let (list, region, rejected) = (path.to_owned(), region.map(str::to_owned), rejected.to_owned());
        let importing = self.begin_import(campaign).await?;
        let imported = blocking(move |runtime| {
            check_list(&list)?;
            let in_file = |error| ImportError::File { path: list.clone(), error };
            let mut reader = ListReader::new(open(&list)?, region.as_deref()).map_err(in_file)?;
            if let Some((column, owners)) = owners {
                reader = reader.with_owners(&column, owners).map_err(in_file)?;
            }
            let mut rows = RejectedRows::new(rejected, reader.columns().clone());
            let imported = import_rows(runtime, &importing, &mut reader, &mut |row| rows.write(&row));
            rows.finish()?;
            imported.map_err(|error| match error {
                ImportError::List(error) => in_file(error),
                error => error,
            })
        });
        imported.await
    }

    /// Imports a list that is at hand, and hands back its bad rows, at most `bad_rows_max` of them.
    pub async fn import_rows<R: Read + Send + 'static>(
        &self,
        campaign: CampaignId,
        mut reader: ListReader<R>,
        bad_rows_max: usize,
    ) -> Result<(ListImport, Vec<BadRow>), ImportError> {
        let importing = self.begin_import(campaign).await?;
        let imported = blocking(move |runtime| {
            let mut bad_rows = Vec::new();
            let imported = import_rows(runtime, &importing, &mut reader, &mut |row| {
                if bad_rows.len() < bad_rows_max {
                    bad_rows.push(row);
                }
                Ok(())
            })?;
            Ok((imported, bad_rows))
        });
        imported.await
    }

    /// Suppresses the numbers of a list in a file, one a line. Durable when it returns.
    pub async fn import_suppression(
        &self,
        path: &Path,
        region: Option<&str>,
    ) -> Result<SuppressionImport, ImportError> {
        let (list, region, store) = (path.to_owned(), region.map(str::to_owned), self.clone());
        let imported = blocking(move |runtime| {
            let mut imported = SuppressionImport::default();
            for line in SuppressionReader::new(open(&list)?, region.as_deref()) {
                match line.map_err(|source| ImportError::Io { path: list.clone(), source })? {
                    Ok(number) => imported.numbers.push(number),
                    Err(bad) => {
                        imported.rejected += 1;
                        if imported.bad_lines.len() < BAD_LINES_MAX {
                            imported.bad_lines.push(bad);
                        }
                    }
                }
            }
            imported.added = runtime.block_on(store.suppress(imported.numbers.clone()))?;
            Ok(imported)
        });
        imported.await
    }
}

/// Does slow work on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&Handle) -> Result<T, ImportError> + Send + 'static,
) -> Result<T, ImportError> {
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || work(&runtime)).await;
    done.map_err(|_| ImportError::Store(StoreError::Closed))?
}

fn import_rows<R: Read>(
    runtime: &Handle,
    importing: &Importing,
    reader: &mut ListReader<R>,
    on_bad: &mut dyn FnMut(BadRow) -> Result<(), ImportError>,
) -> Result<ListImport, ImportError> {
    let mut all = ListImport::default();
    loop {
        let mut contacts: Vec<ListedContact> = Vec::with_capacity(IMPORT_CHUNK_MAX);
        let mut bad = Vec::new();
        // An error stops the reading; what was read before it is still imported.
        let mut stopped = None;
        for row in reader.by_ref().take(IMPORT_CHUNK_MAX) {
            match row {
                Ok(Ok(contact)) => contacts.push(contact),
                Ok(Err(row)) => bad.push(row),
                Err(error) => stopped = Some(error),
            }
        }
        let rows = contacts.len() + bad.len();
        if rows > 0 {
            // The store keeps the rows; those few that it leaves out are needed for the report.
            let by_line = contacts.clone();
            let imported = runtime.block_on(importing.add(contacts))?;
            for duplicate in &imported.duplicates {
                if let Ok(index) = by_line.binary_search_by_key(&duplicate.line, |contact| contact.line)
                    && let Some(contact) = by_line.get(index)
                {
                    bad.push(reader.columns().duplicate(contact, duplicate.key));
                }
            }
            bad.sort_by_key(|row| row.line);
            all.rows += rows as u64;
            all.imported += imported.added;
            all.known += imported.known;
            all.rejected += bad.len() as u64;
            all.unknown_zones = reader.unknown_zones();
            bad.into_iter().try_for_each(&mut *on_bad)?;
        }
        if let Some(error) = stopped {
            return Err(error.into());
        }
        if rows == 0 {
            return Ok(all);
        }
    }
}

fn open(path: &Path) -> Result<File, ImportError> {
    File::open(path).map_err(|source| ImportError::Io { path: path.to_owned(), source })
}

/// The file of bad rows, made with the first of them.
struct RejectedRows {
    path: PathBuf,
    columns: Columns,
    writer: Option<RejectedWriter<File>>,
}

impl RejectedRows {
    fn new(path: PathBuf, columns: Columns) -> Self {
        Self { path, columns, writer: None }
    }

    fn write(&mut self, row: &BadRow) -> Result<(), ImportError> {
        let failed = |source| ImportError::Io { path: self.path.clone(), source };
        if self.writer.is_none() {
            let file = File::create(&self.path).map_err(failed)?;
            self.writer = Some(RejectedWriter::new(file, &self.columns).map_err(failed)?);
        }
        match &mut self.writer {
            Some(writer) => writer.write(row).map_err(failed),
            None => Ok(()),
        }
    }

    /// Writes out the file, or takes away the one that an earlier import left.
    fn finish(self) -> Result<(), ImportError> {
        let finished = match self.writer {
            Some(writer) => writer.finish(),
            None => match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            },
        };
        finished.map_err(|source| ImportError::Io { path: self.path, source })
    }
}
