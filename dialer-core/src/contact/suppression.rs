//! Reading suppression lists (勿呼名单): one number a line.

use std::io::{BufRead, BufReader, Read};

use super::number::{NumberError, canonical};

/// Longest line in bytes; the rest of a longer one is not looked at.
const LINE_BYTES_MAX: u64 = 4 * 1024;

/// A line that is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Which, from 1.
    pub line: u64,
    /// Why.
    pub reason: NumberError,
}

/// Reads a suppression list. Iterate: every line is a canonical number or a bad line. Empty lines and a heading
/// without any digit on the first line are passed over; so is everything behind a first `,` or `;`.
pub struct SuppressionReader<R> {
    source: BufReader<R>,
    region: Option<String>,
    line: u64,
}

impl<R: Read> SuppressionReader<R> {
    /// `region` (ISO 3166 alpha-2) is for numbers without a country code.
    pub fn new(source: R, region: Option<&str>) -> Self {
        Self { source: BufReader::new(source), region: region.map(str::to_owned), line: 0 }
    }

    /// The next line, capped; `None` at the end.
    fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        (&mut self.source).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let mut ended = line.ends_with(b"\n");
        while !ended {
            let ahead = self.source.fill_buf()?;
            let (count, found) = match ahead.iter().position(|byte| *byte == b'\n') {
                Some(index) => (index + 1, true),
                None => (ahead.len(), ahead.is_empty()),
            };
            self.source.consume(count);
            ended = found;
        }
        Ok(Some(line))
    }
}

impl<R: Read> Iterator for SuppressionReader<R> {
    type Item = std::io::Result<Result<String, BadLine>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let bytes = match self.line() {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            };
            self.line += 1;
            let text = String::from_utf8_lossy(&bytes);
            let text = text.trim_start_matches('\u{feff}');
            let cell = text.split([',', ';']).next().unwrap_or_default();
            let cell = cell.trim().trim_matches('"').trim();
            let heading = self.line == 1 && !cell.bytes().any(|byte| byte.is_ascii_digit());
            if cell.is_empty() || heading {
                continue;
            }
            let line = self.line;
            let number = canonical(cell, self.region.as_deref());
            return Some(Ok(number.map_err(|reason| BadLine { line, reason })));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<String, BadLine>> {
        SuppressionReader::new(text.as_bytes(), Some("US")).map(Result::unwrap).collect()
    }

    #[test]
    fn reads_one_number_a_line() {
        let list = "\u{feff}number\r\n+15550000001\r\n\r\n(555) 000-0002,asked us\n\"555-000-0003\"";
        let numbers = ["+15550000001", "+15550000002", "+15550000003"];
        assert_eq!(read(list), numbers.map(|number| Ok(number.to_owned())));
    }

    #[test]
    fn names_bad_lines_and_reads_on() {
        let list = format!("+15550000001\n911\n{}\nnot a number\n+15550000002", "5".repeat(10_000));
        let bad = |line, reason| Err(BadLine { line, reason });
        assert_eq!(
            read(&list),
            [
                Ok("+15550000001".into()),
                bad(2, NumberError::Never),
                bad(3, NumberError::Format),
                bad(4, NumberError::Format),
                Ok("+15550000002".into()),
            ]
        );
    }

    #[test]
    fn an_empty_list_suppresses_nobody() {
        assert_eq!(read(""), []);
        assert_eq!(read("\n\n"), []);
    }
}
