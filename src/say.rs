//! What a command has to say: lines on standard output, and files it was asked for.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::exit::Exit;

/// Writes a line. A reader that has seen enough and closed its end (`| head`) ends nothing, and nothing is said about it.
pub fn say(line: impl Display) {
    say_to(&mut std::io::stdout().lock(), line);
}

/// Writes a file whole; the error names it.
pub fn write(path: &Path, text: &str) -> Result<(), Exit> {
    std::fs::write(path, text).map_err(|error| Exit::other(format!("{}: {error}", path.display())))
}

fn say_to(output: &mut impl Write, line: impl Display) {
    if let Err(error) = writeln!(output, "{line}").and_then(|()| output.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        tracing::warn!(%error, "standard output can't be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_and_a_closed_end_does_no_harm() {
        let mut written = Vec::new();
        say_to(&mut written, format_args!("{} of 2", 1));
        assert_eq!(written, b"1 of 2\n");
        let (reader, mut writer) = std::io::pipe().unwrap();
        drop(reader);
        say_to(&mut writer, "to nobody");
    }
}
