//! The arithmetic of digest responses (RFC 7616 §3.4).

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// Hash of a digest, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// What every phone speaks.
    Md5,
    /// RFC 8760.
    Sha256,
    /// RFC 8760.
    Sha512_256,
}

impl Algorithm {
    /// All of them, the weakest first.
    pub const ALL: [Self; 3] = [Self::Md5, Self::Sha256, Self::Sha512_256];

    /// Name in `algorithm=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    /// By name, in any case; `None` for algorithms we don't have.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| name.eq_ignore_ascii_case(known.as_str()))
    }

    /// Hex digits of a hash.
    pub fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 | Self::Sha512_256 => 64,
        }
    }

    /// Lower-case hex hash of a body.
    pub(super) fn hash_body(self, body: &[u8]) -> String {
        match self {
            Self::Md5 => to_hex(&Md5::digest(body)),
            Self::Sha256 => to_hex(&Sha256::digest(body)),
            Self::Sha512_256 => to_hex(&Sha512_256::digest(body)),
        }
    }

    /// Lower-case hex hash of the parts with colons between them.
    pub(super) fn hash(self, parts: &[&str]) -> String {
        match self {
            Self::Md5 => joined::<Md5>(parts),
            Self::Sha256 => joined::<Sha256>(parts),
            Self::Sha512_256 => joined::<Sha512_256>(parts),
        }
    }
}

/// An algorithm as a challenge names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) algorithm: Algorithm,
    /// `-sess`: the password's hash is taken together with both nonces (RFC 7616 §3.4.2).
    pub(super) session: bool,
}

impl Named {
    /// By name; MD5 when none is written (RFC 7616 §3.3). `None` for algorithms we don't have.
    pub(super) fn parse(name: Option<&str>) -> Option<Self> {
        let Some(name) = name else { return Some(Self { algorithm: Algorithm::Md5, session: false }) };
        let end = name.len().saturating_sub(SESSION.len());
        let (bare, suffix) = name.split_at_checked(end)?;
        let session = suffix.eq_ignore_ascii_case(SESSION);
        Some(Self { algorithm: Algorithm::named(if session { bare } else { name })?, session })
    }

    pub(super) fn text(self) -> String {
        format!("{}{}", self.algorithm.as_str(), if self.session { SESSION } else { "" })
    }
}

const SESSION: &str = "-sess";

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

/// What is protected (RFC 7616 §3.3, `qop`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quality {
    /// Method and URI.
    Auth,
    /// The body as well.
    AuthInt,
}

impl Quality {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|quality| name.eq_ignore_ascii_case(quality.text()))
    }
}

/// What goes with a `qop`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Protection<'a> {
    pub(super) quality: Quality,
    /// Eight hex digits.
    pub(super) count: &'a str,
    /// Client nonce.
    pub(super) cnonce: &'a str,
}

/// What a response is made of. All values as they stand between the quotes.
pub(super) struct Inputs<'a> {
    /// Hash of user, realm and password with the algorithm.
    pub(super) ha1: &'a str,
    /// Empty for what the server proves in turn (RFC 7616 §3.5).
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) nonce: &'a str,
    pub(super) body: &'a [u8],
    /// None without `qop` (RFC 2617 §3.2.2.1).
    pub(super) protection: Option<Protection<'a>>,
}

/// `response=` in lower-case hex. A session without a client nonce is none.
pub(super) fn response(named: Named, inputs: &Inputs<'_>) -> String {
    let Named { algorithm, session } = named;
    let of_session = match inputs.protection {
        Some(Protection { cnonce, .. }) if session => {
            Some(algorithm.hash(&[inputs.ha1, inputs.nonce, cnonce]))
        }
        Some(_) | None => None,
    };
    let a1 = of_session.as_deref().unwrap_or(inputs.ha1);
    let quality = inputs.protection.map(|protection| protection.quality);
    let a2 = match quality {
        Some(Quality::AuthInt) => {
            algorithm.hash(&[inputs.method, inputs.uri, &algorithm.hash_body(inputs.body)])
        }
        Some(Quality::Auth) | None => algorithm.hash(&[inputs.method, inputs.uri]),
    };
    match inputs.protection {
        Some(Protection { quality, count, cnonce }) => {
            algorithm.hash(&[a1, inputs.nonce, count, cnonce, quality.text(), &a2])
        }
        None => algorithm.hash(&[a1, inputs.nonce, &a2]),
    }
}

/// Compares in a time that depends on the lengths only.
pub(super) fn same(one: &[u8], two: &[u8]) -> bool {
    one.len() == two.len() && one.iter().zip(two).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
