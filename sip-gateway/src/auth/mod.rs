//! Digest authentication, both sides (RFC 7616, RFC 8760, RFC 3261 §22).
//!
//! As a client: [`Challenge`] and [`Answers`]. As a server: [`Challenger`]. Algorithms MD5, SHA-256 and SHA-512-256,
//! as a client with `-sess` too; quality of protection `auth`, `auth-int` or none. Random values are passed in, so is the time.

use crate::message::{HeaderName, Headers};
use fields::Fields;

mod answers;
mod challenge;
mod challenger;
mod digest;
mod fields;
mod ha1;
mod hmac;
mod nonce;
#[cfg(test)]
mod tests;
mod token;

pub use answers::{Answers, Asked, Credentials, REALMS_MAX, REPETITIONS_MAX};
pub use challenge::{Answer, Challenge};
pub use challenger::{Challenger, Verdict};
pub use digest::Algorithm;
pub use ha1::Ha1;
pub use nonce::{NEXT_AFTER, NONCE_LIFETIME, NONCES_MAX};
pub use token::{Claim, REVOKED_MAX, TOKEN_LIFE_MAX, Token, Tokens};

/// The user as whom a request's credentials for `realm` want to be seen, whether they are right or not.
pub fn claimed_user<'a>(headers: &'a Headers, realm: &str) -> Option<&'a str> {
    let all = headers.all(HeaderName::Authorization).filter_map(|value| Fields::parse(value));
    all.filter(|fields| fields.get("realm") == Some(realm)).find_map(|fields| fields.get("username"))
}
