//! Who calls, verified (STIR/SHAKEN): what the Identity header of a call from outside (RFC 8224 §6.2) is worth.
//!
//! Pure: certificates are somewhere else, behind [`Verify`]. A verdict is told and never a reason to refuse a call.

use std::fmt::{self, Debug};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::message::{HeaderName, Request};
use crate::options::TrunkOptions;
use crate::passport::{Attestation, IDENTITY_OCTETS_MAX, canonical, is_certificate_url};
use crate::trunk::incoming::{destinations, origin};

/// A PASSporT older or younger than this says nothing of this call, in seconds (RFC 8224 §6.2.4).
pub const FRESH_S: u64 = 60;

/// Most Identity headers of one INVITE that are looked at.
pub const IDENTITIES_MAX: usize = 4;

/// Most numbers that one PASSporT may be for.
const DESTINATIONS_MAX: usize = 10;

/// Judges signatures by certificates that are trusted to say who calls.
pub trait Verify: Debug + Send + Sync {
    /// Whether the key of the certificate at `url`, which is believed `at` seconds after 1970, signed this text with ES256.
    ///
    /// # Errors
    /// [`Fault::Unknown`], [`Fault::Untrusted`] or [`Fault::Signature`].
    fn verify(&self, url: &str, text: &[u8], signature: &[u8; 64], at: u64) -> Result<(), Fault>;
}

/// What a call's Identity headers are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody signed, or nothing of it is looked at.
    #[default]
    None,
    /// Whoever signed it is believed, and knows so much of the caller.
    Passed(Attestation),
    /// It is worth nothing.
    Failed(Fault),
}

/// Why an Identity header is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It can't be read, or its parts contradict each other (RFC 8224 §4: 436 or 438).
    Header,
    /// It is not of this minute (§6.2.2: 403).
    Stale,
    /// It is for a call between other numbers (438).
    Numbers,
    /// Its certificate is none of those that are known here (436).
    Unknown,
    /// Its certificate leads to nobody who is trusted, or is out of date (437).
    Untrusted,
    /// The signature is not that of its certificate's key (438).
    Signature,
}

impl Verdict {
    /// A short stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Passed(Attestation::A) => "passed_a",
            Self::Passed(Attestation::B) => "passed_b",
            Self::Passed(Attestation::C) => "passed_c",
            Self::Failed(Fault::Header) => "failed_header",
            Self::Failed(Fault::Stale) => "failed_stale",
            Self::Failed(Fault::Numbers) => "failed_numbers",
            Self::Failed(Fault::Unknown) => "failed_unknown",
            Self::Failed(Fault::Untrusted) => "failed_untrusted",
            Self::Failed(Fault::Signature) => "failed_signature",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A PASSporT of kind `shaken` as its header field has it; nothing of it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passport<'a> {
    /// What is signed.
    pub signed: &'a str,
    /// The signature's two halves.
    pub signature: [u8; 64],
    /// Where the certificate is.
    pub url: &'a str,
    /// The caller's right to the number.
    pub attest: Attestation,
    /// Who calls: digits alone.
    pub orig: String,
    /// Who is called: digits alone.
    pub dest: Vec<String>,
    /// In seconds since 1970.
    pub issued_at: u64,
}

#[derive(Deserialize)]
struct Header<'a> {
    alg: &'a str,
    ppt: &'a str,
    typ: &'a str,
    x5u: String,
}

#[derive(Deserialize)]
struct Claims {
    attest: String,
    dest: Many,
    iat: u64,
    orig: One,
}

#[derive(Deserialize)]
struct One {
    tn: String,
}

#[derive(Deserialize)]
struct Many {
    tn: Vec<String>,
}

impl<'a> Passport<'a> {
    /// Reads the value of an Identity header; `Ok(None)` where it is of another kind than `shaken`, which says nothing here (RFC
    /// 8224 §6.2.1).
    ///
    /// # Errors
    /// [`Fault::Header`].
    pub fn read(value: &'a [u8]) -> Result<Option<Self>, Fault> {
        if value.len() > IDENTITY_OCTETS_MAX {
            return Err(Fault::Header);
        }
        let value = std::str::from_utf8(value).map_err(|_| Fault::Header)?;
        let (token, parameters) = value.split_once(';').ok_or(Fault::Header)?;
        let parameter = |wanted: &str| {
            let mut each = parameters.split(';').filter_map(|it| it.split_once('='));
            let (_, value) = each.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
            Some(value.trim().trim_matches('"'))
        };
        if parameter("ppt") != Some("shaken") {
            return Ok(None);
        }
        Self::of(token.trim(), parameter).map(Some).ok_or(Fault::Header)
    }

    fn of(token: &'a str, parameter: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let url = parameter("info")?.strip_prefix('<')?.strip_suffix('>')?;
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else { return None };
        let signed = token.get(..header.len() + 1 + claims.len())?;
        let [header, claims, signature] =
            [header, claims, signature].map(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let (header, claims, signature) = (header?, claims?, signature?);
        let Header { alg, ppt, typ, x5u } = serde_json::from_slice(&header).ok()?;
        let named = parameter("alg").is_none_or(|named| named == alg);
        let alike = named && (alg, ppt, typ) == ("ES256", "shaken", "passport") && x5u == url;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        if !alike || !is_certificate_url(url) || claims.dest.tn.len() > DESTINATIONS_MAX {
            return None;
        }
        Some(Self {
            signed,
            signature: signature.try_into().ok()?,
            url,
            attest: Attestation::read(&claims.attest)?,
            orig: canonical(&claims.orig.tn)?,
            dest: claims.dest.tn.iter().map(|number| canonical(number)).collect::<Option<_>>()?,
            issued_at: claims.iat,
        })
    }
}

/// What the Identity headers of a trunk's INVITE are worth, `at` seconds after 1970. One that passes is enough; of those that fail the
/// first is told.
pub fn verdict(invite: &Request, trunk: &TrunkOptions, at: u64) -> Verdict {
    let Some(certificates) = &trunk.verification else { return Verdict::None };
    let mut verdict = Verdict::None;
    for value in invite.headers.all(HeaderName::Identity).take(IDENTITIES_MAX) {
        let one = match Passport::read(value) {
            Ok(None) => continue,
            Ok(Some(passport)) => {
                let judged = judge(&passport, invite, trunk, at).and_then(|()| {
                    certificates.verify(passport.url, passport.signed.as_bytes(), &passport.signature, at)
                });
                judged.map(|()| passport.attest)
            }
            Err(fault) => Err(fault),
        };
        match one {
            Ok(attestation) => return Verdict::Passed(attestation),
            Err(fault) if verdict == Verdict::None => verdict = Verdict::Failed(fault),
            Err(_) => {}
        }
    }
    verdict
}

/// Whether a PASSporT is one of this moment, and for this call.
fn judge(passport: &Passport<'_>, invite: &Request, trunk: &TrunkOptions, at: u64) -> Result<(), Fault> {
    if passport.issued_at.abs_diff(at) > FRESH_S {
        return Err(Fault::Stale);
    }
    let is = |number: &str, claimed: &str| canonical(number).is_some_and(|number| number == claimed);
    let calls = origin(invite, trunk).is_some_and(|number| is(&number, &passport.orig));
    let mut called = destinations(invite, trunk);
    let called = called.any(|number| passport.dest.iter().any(|claimed| is(&number, claimed)));
    if calls && called { Ok(()) } else { Err(Fault::Numbers) }
}

#[cfg(test)]
mod tests;
