//! Which dialog a call is to take the place of (RFC 3891 §6.1), in a header or in a URI of Refer-To.

use super::uri::unescape;
use super::{FieldError, HeaderName, Uri};

/// Names a dialog as the party sees it that is asked to give it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// Call-ID.
    pub call_id: String,
    /// Tag of the party that is asked.
    pub to_tag: String,
    /// Tag of the other party.
    pub from_tag: String,
    /// It is to be replaced only where nobody has answered.
    pub early_only: bool,
}

impl Replaces {
    /// Reads a header value.
    ///
    /// # Errors
    /// [`FieldError::Params`] where the Call-ID or a tag is missing, or a tag comes twice.
    pub fn parse(value: &[u8]) -> Result<Self, FieldError> {
        let value = std::str::from_utf8(value).map_err(|_| FieldError::Params)?;
        if value.chars().any(char::is_control) {
            return Err(FieldError::Params);
        }
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|id| !id.is_empty() && !id.contains([' ', ',']));
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim_end(), value.trim_start());
            // §6.1: exactly one of each.
            let tag = match name {
                _ if name.eq_ignore_ascii_case("to-tag") => &mut to_tag,
                _ if name.eq_ignore_ascii_case("from-tag") => &mut from_tag,
                _ => {
                    early_only |= name.eq_ignore_ascii_case("early-only");
                    continue;
                }
            };
            if value.is_empty() || tag.replace(value.to_owned()).is_some() {
                return Err(FieldError::Params);
            }
        }
        match (call_id, to_tag, from_tag) {
            (Some(call_id), Some(to_tag), Some(from_tag)) => {
                Ok(Self { call_id: call_id.to_owned(), to_tag, from_tag, early_only })
            }
            (_, _, _) => Err(FieldError::Params),
        }
    }

    /// Reads what a URI wants to be in the INVITE to it (RFC 3261 §19.1.1); `None` where that is nothing at all.
    ///
    /// # Errors
    /// [`FieldError`] where it wants anything but one Replaces, and `Require: replaces` perhaps.
    pub fn of_uri(uri: &Uri) -> Result<Option<Self>, FieldError> {
        let Some(headers) = uri.headers() else { return Ok(None) };
        let mut found = None;
        for header in headers.split('&') {
            let (name, value) = header.split_once('=').ok_or(FieldError::Uri)?;
            // Escapes are resolved once: what is still one afterwards is part of no Call-ID or tag of ours.
            let (name, value) = (unescape(name.as_bytes()), unescape(value.as_bytes()));
            match HeaderName::from(std::str::from_utf8(&name).map_err(|_| FieldError::Uri)?) {
                HeaderName::Replaces if found.is_none() => found = Some(Self::parse(&value)?),
                HeaderName::Require if value.trim_ascii().eq_ignore_ascii_case(b"replaces") => {}
                _ => return Err(FieldError::Uri),
            }
        }
        found.map(Some).ok_or(FieldError::Uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedded(headers: &str) -> Result<Option<Replaces>, FieldError> {
        Replaces::of_uri(&Uri::parse(&format!("sip:ben@192.0.2.1?{headers}")).expect("a good URI"))
    }

    #[test]
    fn a_dialog_is_named_by_call_id_and_both_tags() {
        let good = Replaces::parse(b"a@b;to-tag=7 ; From-Tag=8;early-only;x=y").expect("a good value");
        let (call_id, to_tag, from_tag) = ("a@b".to_owned(), "7".to_owned(), "8".to_owned());
        assert_eq!(good, Replaces { call_id, to_tag, from_tag, early_only: true });
        for bad in [
            "",
            ";to-tag=7;from-tag=8",
            "a@b",
            "a@b;to-tag=7",
            "a@b;to-tag=7;from-tag=",
            "a@b;to-tag=7;to-tag=7;from-tag=8",
            "a@b, c@d;to-tag=7;from-tag=8",
            "a@b\r\nVia: x;to-tag=7;from-tag=8",
        ] {
            assert_eq!(Replaces::parse(bad.as_bytes()), Err(FieldError::Params), "{bad}");
        }
        assert!(Replaces::parse(b"\xFF;to-tag=7;from-tag=8").is_err());
    }

    #[test]
    fn a_uri_may_ask_for_nothing_else() {
        let named = "Replaces=a%40b%3Bto-tag%3D7%3Bfrom-tag%3D8";
        let plain = embedded(named).expect("a good URI").expect("a dialog");
        assert_eq!((plain.call_id.as_str(), plain.to_tag.as_str(), plain.early_only), ("a@b", "7", false));
        assert!(embedded(&format!("{named}&Require=replaces")).is_ok());
        assert!(embedded(&format!("Require=replaces&{named}")).is_ok());
        assert_eq!(Replaces::of_uri(&Uri::parse("sip:ben@192.0.2.1").unwrap()), Ok(None));
        for bad in [
            format!("{named}&{named}"),
            format!("{named}&Route=%3Csip%3Aevil%3E"),
            format!("{named}&Require=evil"),
            format!("{named}&Replaces"),
            "Require=replaces".to_owned(),
            "Subject=x".to_owned(),
            "Replaces=a%40b%3Bto-tag%3D7%0D%0ARoute%3A%20%3Csip%3Ax%3E%3Bfrom-tag%3D8".to_owned(),
            "Replaces=a%2540b%253Bto-tag%253D7%253Bfrom-tag%253D8".to_owned(),
        ] {
            assert!(embedded(&bad).is_err(), "{bad}");
        }
    }
}
