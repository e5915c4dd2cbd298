//! What is wrong with a file: every problem with its line and key, sorted.

use std::path::{Path, PathBuf};

/// Most problems reported of one file; more would not be read.
pub const PROBLEMS_MAX: usize = 50;

/// A file can't be used. Nothing was started.
///
/// `Display` writes one line a problem: `campaign.toml:12: [campaign] ring_timeout: ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong, by line; never empty, at most [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1; `None` when it is about the file as a whole or about an environment variable.
    pub line: Option<usize>,
    /// Key with its section, `[campaign] ring_timeout`; empty when it is about the file as a whole.
    pub key: String,
    /// What is wrong and what would be right. Never repeats a password.
    pub message: String,
}

impl ConfigError {
    /// Sorts by line (problems without one first) and bounds the number of problems.
    pub(crate) fn new(file: &Path, mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| (a.line, &a.key).cmp(&(b.line, &b.key)));
        problems.truncate(PROBLEMS_MAX);
        Self { file: file.to_path_buf(), problems }
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", self.file.display())?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            if !problem.key.is_empty() {
                write!(f, ": {}", problem.key)?;
            }
            write!(f, ": {}", problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
