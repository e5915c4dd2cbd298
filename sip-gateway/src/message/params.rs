//! `;name=value` parameters of header values (RFC 3261 §25.1, generic-param).

use bytes::Bytes;

use super::FieldError;
use super::text::{is_param_octet, quoted_end, skip_space};

/// Parameters of a header value, kept as written and read on demand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Bytes);

impl Params {
    /// Takes text that [`scan`] accepted.
    pub(super) fn checked(raw: Bytes) -> Self {
        Self(raw)
    }

    /// Value of the first parameter of this name, as written (quotes included); empty when it has none.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        find(&self.0, name)
    }

    /// Like [`Params::get`], for values that are text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All parameters in order, name and value as written; the value is empty when there is none.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        Iter { rest: &self.0 }
    }

    /// As written, with the leading semicolon; empty without parameters.
    pub fn raw(&self) -> &[u8] {
        &self.0
    }

    /// Adds a parameter at the end; the value is left out when empty. Written as given.
    pub fn push(&mut self, name: &str, value: &str) {
        let mut raw = Vec::with_capacity(self.0.len() + name.len() + value.len() + 2);
        raw.extend_from_slice(&self.0);
        write(&mut raw, name.as_bytes(), value.as_bytes());
        self.0 = raw.into();
    }

    /// Sets a parameter in place, or adds it at the end.
    pub fn set(&mut self, name: &str, value: &str) {
        let mut raw = Vec::with_capacity(self.0.len() + name.len() + value.len() + 2);
        let mut found = false;
        for (old_name, old_value) in self.iter() {
            if !old_name.eq_ignore_ascii_case(name.as_bytes()) {
                write(&mut raw, old_name, old_value);
            } else if !found {
                found = true;
                write(&mut raw, old_name, value.as_bytes());
            }
        }
        if !found {
            write(&mut raw, name.as_bytes(), value.as_bytes());
        }
        self.0 = raw.into();
    }

    /// Removes every parameter of this name.
    pub fn remove(&mut self, name: &str) {
        let mut raw = Vec::with_capacity(self.0.len());
        for (old_name, value) in self.iter() {
            if !old_name.eq_ignore_ascii_case(name.as_bytes()) {
                write(&mut raw, old_name, value);
            }
        }
        self.0 = raw.into();
    }
}

fn write(raw: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    raw.push(b';');
    raw.extend_from_slice(name);
    if !value.is_empty() {
        raw.push(b'=');
        raw.extend_from_slice(value);
    }
}

/// Value of the first parameter called `name`.
pub(super) fn find<'a>(raw: &'a [u8], name: &str) -> Option<&'a [u8]> {
    Iter { rest: raw }.find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
}

/// Checks parameters from `at` to the end of the value.
pub(super) fn scan(value: &[u8], at: usize) -> Result<(), FieldError> {
    let mut rest = value.get(at..).unwrap_or_default();
    while !rest.is_empty() {
        let (_, _, after) = one(rest).ok_or(FieldError::Params)?;
        rest = after;
    }
    Ok(())
}

struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (name, value, after) = one(self.rest)?;
        self.rest = after;
        Some((name, value))
    }
}

/// Name and value of the parameter at the start and what follows it.
fn one(raw: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    if raw.first() != Some(&b';') {
        return None;
    }
    let start = skip_space(raw, 1);
    let name_end = start + plain_length(raw.get(start..)?);
    let name = raw.get(start..name_end)?;
    if name.is_empty() {
        return None;
    }
    let mut at = skip_space(raw, name_end);
    let mut value: &[u8] = &[];
    if raw.get(at) == Some(&b'=') {
        let start = skip_space(raw, at + 1);
        let end = match raw.get(start) {
            Some(b'"') => quoted_end(raw, start)?,
            Some(_) | None => start + plain_length(raw.get(start..)?),
        };
        value = raw.get(start..end)?;
        at = skip_space(raw, end);
    }
    match raw.get(at..)? {
        rest @ ([] | [b';', ..]) => Some((name, value, rest)),
        _ => None,
    }
}

/// Octets up to a delimiter.
fn plain_length(octets: &[u8]) -> usize {
    octets.iter().position(|octet| !is_param_octet(*octet)).unwrap_or(octets.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &'static str) -> Result<Params, FieldError> {
        scan(text.as_bytes(), 0).map(|()| Params::checked(Bytes::from_static(text.as_bytes())))
    }

    #[test]
    fn white_space_quotes_and_flags_are_read() {
        let params = params(";a = 1 ; lr;b=\"x;y\\\"\" ; received=[2001:db8::1]").unwrap();
        assert_eq!(params.get("A"), Some(b"1".as_slice()));
        assert_eq!(params.get("lr"), Some(b"".as_slice()));
        assert_eq!(params.get("b"), Some(b"\"x;y\\\"\"".as_slice()));
        assert_eq!(params.text("received"), Some("[2001:db8::1]"));
        assert_eq!(params.get("missing"), None);
        assert_eq!(params.iter().count(), 4);
    }

    #[test]
    fn empty_parameters_and_open_quotes_are_refused() {
        for bad in [";;", ";", ";a;;b", ";a=\"x", ";a b", "a", ";=b", ";a=1,2", ";a=<x>"] {
            assert_eq!(params(bad), Err(FieldError::Params), "{bad}");
        }
    }

    #[test]
    fn set_replaces_in_place_and_remove_takes_all() {
        let mut params = params(";rport;branch=z9hG4bK1").unwrap();
        params.set("rport", "5080");
        params.set("received", "192.0.2.1");
        assert_eq!(params.raw(), b";rport=5080;branch=z9hG4bK1;received=192.0.2.1");
        params.remove("RPORT");
        params.push("x", "");
        assert_eq!(params.raw(), b";branch=z9hG4bK1;received=192.0.2.1;x");
    }
}
