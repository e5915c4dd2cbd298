//! Reads TOML key by key, remembers where each value stood, and collects every problem instead of stopping at the
//! first. A key that nobody asked for is a problem too.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use carillon_core::campaign::duration_text;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as NameError, StrDeserializer};
use toml::de::{DeTable, DeValue};

use crate::error::{ConfigError, Problem};

/// Largest file that is read, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Where a setting comes from beside the file: the process environment, or a test's own.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads the file at `path` and hands it to `build`; what `build` returns counts only without problems.
pub(crate) fn read<T>(
    path: &Path,
    environment: Environment<'_>,
    build: impl FnOnce(&Document<'_>) -> Option<T>,
) -> Result<T, ConfigError> {
    let fail = |problems| Err(ConfigError::new(path, problems));
    let text = match load(path) {
        Ok(text) => text,
        Err(problem) => return fail(vec![problem]),
    };
    let lines = Lines::new(&text);
    let (table, errors) = DeTable::parse_recoverable(&text);
    if !errors.is_empty() {
        // Values read from a broken file would be blamed for what the syntax did to them.
        let problem = |error: toml::de::Error| Problem {
            line: error.span().map(|span| lines.line_of(span.start)),
            key: String::new(),
            message: error.message().trim().replace('\n', ", "),
        };
        return fail(errors.into_iter().map(problem).collect());
    }
    let folder = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_path_buf));
    let document = Document {
        table: table.get_ref(),
        lines,
        folder: folder.unwrap_or_default(),
        environment,
        problems: RefCell::default(),
    };
    let built = build(&document);
    let problems = document.problems.take();
    match built {
        Some(value) if problems.is_empty() => Ok(value),
        Some(_) | None => fail(problems),
    }
}

fn load(path: &Path) -> Result<String, Problem> {
    let problem = |line, message: String| Problem { line, key: String::new(), message };
    let size = std::fs::metadata(path).map_err(|error| problem(None, format!("can't be read: {error}")))?;
    if !size.is_file() {
        return Err(problem(None, "is not a file".into()));
    }
    if size.len() > FILE_BYTES_MAX {
        return Err(problem(None, format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| problem(None, format!("can't be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count() + 1;
        problem(Some(line), "is not UTF-8 here".into())
    })
}

/// A parsed file and what was found wrong with it.
pub(crate) struct Document<'a> {
    table: &'a DeTable<'a>,
    lines: Lines,
    folder: PathBuf,
    environment: Environment<'a>,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Document<'a> {
    /// The file as a section without name.
    pub(crate) fn root(&'a self) -> Section<'a> {
        Section {
            document: self,
            name: String::new(),
            line: None,
            table: Some(self.table),
            known: Vec::new(),
        }
    }

    /// `text` as an absolute path; relative ones start at the file's folder.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    /// Notes a problem.
    pub(crate) fn problem(&self, place: &Place, message: impl Display) {
        let message = message.to_string();
        self.problems.borrow_mut().push(Problem { line: place.line, key: place.key.clone(), message });
    }
}

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    line: Option<usize>,
    key: String,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it stands.
    pub(crate) place: Place,
}

/// One table of the file; an absent one reads as empty.
pub(crate) struct Section<'a> {
    document: &'a Document<'a>,
    name: String,
    line: Option<usize>,
    table: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The section as a whole, or one of its keys that isn't there.
    pub(crate) fn place(&self, key: &str) -> Place {
        let key = [self.name.as_str(), key].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        Place { line: self.line, key: key.join(" ") }
    }

    /// Text.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<At<String>> {
        self.convert(key, |value| text_of(value).map(str::to_owned))
    }

    /// Text that has to be there; empty, with a problem noted, where it is not.
    pub(crate) fn text_required(&mut self, key: &'static str) -> At<String> {
        let found = self.text(key);
        self.need(key);
        found.unwrap_or_else(|| At { value: String::new(), place: self.place(key) })
    }

    /// Text from the environment variable, else from the file.
    pub(crate) fn text_or_variable(&mut self, key: &'static str, variable: &str) -> Option<At<String>> {
        let written = self.text(key);
        self.variable(variable).or(written)
    }

    /// The environment variable alone; for settings that are not plain text in the file.
    pub(crate) fn variable(&self, variable: &str) -> Option<At<String>> {
        let value = (self.document.environment)(variable)?;
        Some(At { value, place: Place { line: None, key: variable.to_owned() } })
    }

    /// Notes a problem where `key` is not in the file.
    pub(crate) fn need(&self, key: &str) {
        if !self.has(key) {
            self.document.problem(&self.place(key), "missing");
        }
    }

    /// Whether `key` is in the file, right or wrong.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let found = self.convert(key, |value| match value {
            DeValue::Boolean(flag) => Ok(*flag),
            other => Err(format!("must be true or false, not {}", kind(other))),
        });
        found.map_or(default, |at| at.value)
    }

    /// A whole number within `range`.
    pub(crate) fn integer(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<At<u64>> {
        self.convert(key, |value| match value {
            DeValue::Integer(digits) => {
                let number = u64::from_str_radix(&digits.as_str().replace('_', ""), digits.radix()).ok();
                number.filter(|number| range.contains(number)).ok_or_else(|| outside(&range))
            }
            other => Err(format!("must be a whole number, not {}", kind(other))),
        })
    }

    /// A number; whether it is in range is for the caller.
    pub(crate) fn number(&mut self, key: &'static str) -> Option<At<f64>> {
        self.convert(key, |value| {
            let parsed = match value {
                DeValue::Float(digits) => digits.as_str().replace('_', "").parse::<f64>().ok(),
                DeValue::Integer(digits) if digits.radix() == 10 => {
                    digits.as_str().replace('_', "").parse().ok()
                }
                other => return Err(format!("must be a number, not {}", kind(other))),
            };
            parsed.filter(|number| number.is_finite()).ok_or_else(|| "must be a finite number".to_owned())
        })
    }

    /// A duration like `"25s"`.
    pub(crate) fn duration(&mut self, key: &'static str) -> Option<At<Duration>> {
        self.convert(key, duration_of)
    }

    /// A duration within `range`.
    pub(crate) fn duration_within(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<At<Duration>> {
        self.convert(key, |value| {
            duration_of(value).and_then(|duration| {
                let bounds = duration_text::write(*range.start())..=duration_text::write(*range.end());
                if range.contains(&duration) { Ok(duration) } else { Err(outside(&bounds)) }
            })
        })
    }

    /// One of the names of `T`.
    pub(crate) fn name<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<At<T>> {
        self.convert(key, |value| named(text_of(value)?))
    }

    /// An array of texts, or (with `single`) one text; each with its own place.
    pub(crate) fn texts(&mut self, key: &'static str, single: bool) -> Option<At<Vec<At<String>>>> {
        let (at, value) = self.value(key)?;
        let items = match value {
            DeValue::Array(items) => items,
            DeValue::String(text) if single => {
                let only = At { value: text.to_string(), place: at.clone() };
                return Some(At { value: vec![only], place: at });
            }
            other => {
                self.document.problem(&at, format!("must be an array of texts, not {}", kind(other)));
                return None;
            }
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            let place =
                Place { line: Some(self.document.lines.line_of(item.span().start)), key: at.key.clone() };
            match text_of(item.get_ref()) {
                Ok(text) => texts.push(At { value: text.to_owned(), place }),
                Err(message) => self.document.problem(&place, message),
            }
        }
        Some(At { value: texts, place: at })
    }

    /// The table `key`, written `[name]`.
    pub(crate) fn section(&mut self, key: &'static str, name: &str) -> Section<'a> {
        let mut section = Section {
            document: self.document,
            name: name.into(),
            line: None,
            table: None,
            known: Vec::new(),
        };
        if let Some((place, value)) = self.value(key) {
            section.line = place.line;
            match value {
                DeValue::Table(table) => section.table = Some(table),
                other => {
                    self.document
                        .problem(&section.place(""), format!("must be a table, not {}", kind(other)));
                }
            }
        }
        section
    }

    /// The tables of the array `key`, written `[[name]]`; `None`, with a problem noted, where it is something else.
    pub(crate) fn sections(&mut self, key: &'static str, name: &str) -> Option<Vec<Section<'a>>> {
        let Some((place, value)) = self.value(key) else { return Some(Vec::new()) };
        let DeValue::Array(items) = value else {
            let place = Place { line: place.line, key: name.to_owned() };
            self.document.problem(&place, format!("must be written as {name}, not {}", kind(value)));
            return None;
        };
        let mut sections = Vec::new();
        for item in items.iter() {
            let line = Some(self.document.lines.line_of(item.span().start));
            match item.get_ref() {
                DeValue::Table(table) => sections.push(Section {
                    document: self.document,
                    name: name.to_owned(),
                    line,
                    table: Some(table),
                    known: Vec::new(),
                }),
                other => {
                    let place = Place { line, key: name.to_owned() };
                    self.document.problem(&place, format!("must be a table, not {}", kind(other)));
                }
            }
        }
        Some(sections)
    }

    /// Every key of the section with a duration each, for sections whose keys are names.
    pub(crate) fn durations(mut self) -> Vec<(String, At<Duration>)> {
        let mut found = Vec::new();
        for (key, value) in self.table.into_iter().flat_map(DeTable::iter) {
            let mut place = self.place(key.get_ref());
            place.line = Some(self.document.lines.line_of(key.span().start));
            match duration_of(value.get_ref()) {
                Ok(value) => found.push((key.get_ref().to_string(), At { value, place })),
                Err(message) => self.document.problem(&place, message),
            }
        }
        self.table = None;
        found
    }

    /// Notes every key that was not asked for.
    pub(crate) fn finish(self) {
        for (key, _) in self.table.into_iter().flat_map(DeTable::iter) {
            if !self.known.iter().any(|known| known == key.get_ref()) {
                let mut place = self.place(&key.get_ref().chars().take(60).collect::<String>());
                place.line = Some(self.document.lines.line_of(key.span().start));
                let known = if self.known.is_empty() { "none".into() } else { self.known.join(", ") };
                self.document.problem(&place, format!("unknown key; known here: {known}"));
            }
        }
    }

    fn convert<T>(
        &mut self,
        key: &'static str,
        convert: impl FnOnce(&DeValue<'a>) -> Result<T, String>,
    ) -> Option<At<T>> {
        let (place, value) = self.value(key)?;
        match convert(value) {
            Ok(value) => Some(At { value, place }),
            Err(message) => {
                self.document.problem(&place, message);
                None
            }
        }
    }

    fn value(&mut self, key: &'static str) -> Option<(Place, &'a DeValue<'a>)> {
        self.known.push(key);
        let (written, value) = self.table?.get_key_value(key)?;
        let mut place = self.place(key);
        place.line = Some(self.document.lines.line_of(written.span().start));
        Some((place, value.get_ref()))
    }
}

/// One of the names of `T`, as its `Deserialize` knows them.
pub(crate) fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(StrDeserializer::<NameError>::new(text)).map_err(|error| error.to_string())
}

fn duration_of(value: &DeValue<'_>) -> Result<Duration, String> {
    let text = text_of(value).map_err(|message| format!("{message}; write a duration like \"25s\""))?;
    duration_text::parse(text).map_err(|error| error.to_string())
}

fn text_of<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    match value {
        DeValue::String(text) => Ok(text),
        other => Err(format!("must be text in quotes, not {}", kind(other))),
    }
}

fn outside(range: &RangeInclusive<impl Display>) -> String {
    format!("must be between {} and {}", range.start(), range.end())
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Where lines begin, to turn a byte offset into a line number.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn new(text: &str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_lines() {
        let lines = Lines::new("a\nbc\n\nd");
        assert_eq!([0, 1, 2, 4, 5, 6, 7, 99].map(|at| lines.line_of(at)), [1, 1, 2, 2, 3, 4, 4, 4]);
    }
}
