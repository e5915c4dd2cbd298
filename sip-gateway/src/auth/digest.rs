//! The arithmetic of digest responses (RFC 7616 §3.4).

use md5::Md5;
use sha2::{Digest, Sha256};

/// Hash of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// What every phone speaks.
    Md5,
    /// RFC 8760.
    Sha256,
}

impl Algorithm {
    /// Name in `algorithm=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// By name; MD5 when none is written (RFC 7616 §3.3). `None` for algorithms we don't have.
    pub(super) fn parse(name: Option<&str>) -> Option<Self> {
        match name {
            None => Some(Self::Md5),
            Some(name) => {
                [Self::Md5, Self::Sha256].into_iter().find(|known| name.eq_ignore_ascii_case(known.as_str()))
            }
        }
    }

    /// Lower-case hex hash of the parts with colons between them.
    pub(super) fn hash(self, parts: &[&str]) -> String {
        match self {
            Self::Md5 => joined::<Md5>(parts),
            Self::Sha256 => joined::<Sha256>(parts),
        }
    }
}

fn joined<D: Digest>(parts: &[&str]) -> String {
    let mut hash = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    to_hex(&hash.finalize())
}

/// Lower-case hex.
pub(super) fn to_hex(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len() * 2);
    for octet in octets {
        for nibble in [octet >> 4, octet & 15] {
            out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    out
}

/// What a response is made of. All values as they stand between the quotes.
pub(super) struct Inputs<'a> {
    pub(super) username: &'a str,
    pub(super) realm: &'a str,
    pub(super) password: &'a str,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) nonce: &'a str,
    /// Nonce count (eight hex digits) and client nonce with `qop=auth`; none without (RFC 2617 §3.2.2.1).
    pub(super) protection: Option<(&'a str, &'a str)>,
}

/// `response=` in lower-case hex.
pub(super) fn response(algorithm: Algorithm, inputs: &Inputs<'_>) -> String {
    let a1 = algorithm.hash(&[inputs.username, inputs.realm, inputs.password]);
    let a2 = algorithm.hash(&[inputs.method, inputs.uri]);
    match inputs.protection {
        Some((count, cnonce)) => algorithm.hash(&[&a1, inputs.nonce, count, cnonce, "auth", &a2]),
        None => algorithm.hash(&[&a1, inputs.nonce, &a2]),
    }
}

/// Compares in a time that depends on the lengths only.
pub(super) fn same(one: &[u8], two: &[u8]) -> bool {
    one.len() == two.len() && one.iter().zip(two).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
