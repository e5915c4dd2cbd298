//! The client's side: reading challenges and answering them.

use bytes::Bytes;

use super::digest::{self, Algorithm, Inputs, Named, Protection, Quality};
use super::fields::Fields;
use crate::message::{HeaderName, Headers};
use crate::options::Secret;

/// A challenge we can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    pub(super) named: Named,
    /// `auth` where it is offered, else `auth-int`; none is the old form of RFC 2617 §3.2.2.1.
    pub(super) quality: Option<Quality>,
    /// The credentials were right, only the nonce had grown old.
    pub stale: bool,
    realm: String,
    nonce: String,
    opaque: Option<String>,
}

/// What an answer is made of besides the challenge.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Digest user.
    pub username: &'a str,
    /// Digest password.
    pub password: &'a Secret,
    /// Method of the request.
    pub method: &'a str,
    /// Request-URI as written.
    pub uri: &'a str,
    /// Body of the request.
    pub body: &'a [u8],
    /// How often this nonce was used, this time included; from 1.
    pub nonce_count: u32,
    /// Fresh random text, a token.
    pub cnonce: &'a str,
}

impl Challenge {
    /// Reads one value of WWW-Authenticate or Proxy-Authenticate. `None` when it isn't one we can answer: another
    /// scheme, algorithm or `qop`, a session without `qop`, no realm or nonce.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let fields = Fields::parse(value)?;
        let quality = match fields.get("qop") {
            Some(offered) => {
                let known = || offered.split(',').filter_map(|option| Quality::named(option.trim()));
                Some(known().find(|quality| *quality == Quality::Auth).or_else(|| known().next())?)
            }
            None => None,
        };
        let named = Named::parse(fields.get("algorithm"))?;
        if named.session && quality.is_none() {
            return None;
        }
        Some(Self {
            named,
            quality,
            stale: fields.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            realm: fields.get("realm")?.to_owned(),
            nonce: fields.get("nonce")?.to_owned(),
            opaque: fields.get("opaque").map(str::to_owned),
        })
    }

    /// All challenges of the headers of this name that we can answer, strongest first, else in their order.
    pub fn parse_all(headers: &Headers, name: HeaderName) -> Vec<Self> {
        let mut all: Vec<Self> = headers.all(name).filter_map(|value| Self::parse(value)).collect();
        all.sort_by_key(|challenge| std::cmp::Reverse(challenge.named.algorithm));
        all
    }

    /// Whether the client nonce of the first answer stands for all that follow (`-sess`, RFC 7616 §3.4.2).
    pub fn is_session(&self) -> bool {
        self.named.session
    }

    /// The same with the nonce that the server wants to see next (RFC 7616 §3.5), which is never a stale one.
    pub(super) fn renewed(&self, nonce: &str) -> Self {
        Self { nonce: nonce.to_owned(), stale: false, ..self.clone() }
    }

    /// Whose passwords are asked for.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Value of Authorization or Proxy-Authorization.
    pub fn authorization(&self, answer: &Answer<'_>) -> String {
        let count = format!("{:08x}", answer.nonce_count);
        let username = escape(answer.username);
        let ha1 = self.named.algorithm.hash(&[&username, &self.realm, answer.password.expose()]);
        let inputs = Inputs {
            ha1: &ha1,
            method: answer.method,
            uri: answer.uri,
            nonce: &self.nonce,
            body: answer.body,
            protection: self.quality.map(|quality| Protection {
                quality,
                count: &count,
                cnonce: answer.cnonce,
            }),
        };
        let response = digest::response(self.named, &inputs);
        let mut out = format!(
            "Digest username=\"{username}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{response}\", algorithm={}",
            self.realm,
            self.nonce,
            answer.uri,
            self.named.text()
        );
        if let Some(opaque) = &self.opaque {
            out.push_str(&format!(", opaque=\"{opaque}\""));
        }
        if let Some(quality) = self.quality {
            // RFC 7616 §3.4: qop and nc stand without quotes.
            out.push_str(&format!(", qop={}, nc={count}, cnonce=\"{}\"", quality.text(), answer.cnonce));
        }
        out
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// Values of challenge headers as they go on the wire.
pub(super) fn write_challenge(
    realm: &str,
    nonce: &str,
    algorithm: Algorithm,
    integrity: bool,
    stale: bool,
) -> Bytes {
    let stale = if stale { ", stale=true" } else { "" };
    let qop = if integrity { "auth,auth-int" } else { "auth" };
    let (realm, algorithm) = (escape(realm), algorithm.as_str());
    format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", qop=\"{qop}\", algorithm={algorithm}{stale}").into()
}
