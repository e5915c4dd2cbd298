//! How the process ends, per the contract: 0 done, 2 a file is wrong, 3 agents or trunk never came, 1 anything else.

use std::process::ExitCode;

/// Why the process ends without having done its work.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Exit {
    code: u8,
    message: String,
}

impl Exit {
    /// A file is wrong; the message names file, line and key.
    pub fn file(message: impl ToString) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    /// Agents or trunk never came.
    pub fn never_came(message: impl ToString) -> Self {
        Self { code: 3, message: message.to_string() }
    }

    /// Anything else.
    pub fn other(message: impl ToString) -> Self {
        Self { code: 1, message: message.to_string() }
    }

    /// The process's exit status.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}
