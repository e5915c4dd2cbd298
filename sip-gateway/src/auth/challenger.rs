//! The server's side: challenging phones and checking what they answer.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use super::challenge::write_challenge;
use super::digest::{self, Algorithm, Inputs, Named, Protection, Quality, same};
use super::fields::Fields;
use super::ha1::Ha1;
use super::nonce::Nonces;
use crate::message::{HeaderName, Request, Uri};
use crate::options::Secret;

/// What became of a request's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right, and not used before. Whether this user may do this is the caller's to decide.
    Accepted {
        /// The digest user.
        username: String,
        /// Value of Authentication-Info for the 2xx, where the nonce is near its end (RFC 7616 §3.5).
        info: Option<String>,
    },
    /// None for us, wrong, or (`stale`) right with a nonce that can't be used any more: answer 401 with
    /// [`Challenger::challenges`].
    Challenge {
        /// To be passed on to [`Challenger::challenges`].
        stale: bool,
    },
    /// Right for another Request-URI: answer 400 (RFC 7616 §3.4.6).
    Malformed,
}

/// Challenges and checks for one realm.
///
/// Known and unknown users get the same answers after the same arithmetic, so that names can't be found out.
pub struct Challenger {
    realm: String,
    algorithms: Vec<Algorithm>,
    /// `auth-int` is offered beside `auth`.
    integrity: bool,
    nonces: Nonces,
    /// Stands in for an unknown user.
    nobody: Ha1,
}

impl Challenger {
    /// `key` must be random and secret; a new one makes all older nonces stale. Phones are offered these algorithms, in
    /// this order (RFC 8760 §2.4: one header each, the most preferred first).
    /// `integrity` offers `auth-int` beside `auth`.
    pub fn new(realm: impl Into<String>, key: [u8; 32], algorithms: &[Algorithm], integrity: bool) -> Self {
        let realm = realm.into();
        let nobody = Ha1::of("", &realm, &Secret::new(digest::to_hex(&key)));
        Self { realm, algorithms: algorithms.to_vec(), integrity, nonces: Nonces::new(key), nobody }
    }

    /// Values of WWW-Authenticate for a 401 to `source`, in the order to be written.
    pub fn challenges(&mut self, source: IpAddr, stale: bool, now: Duration) -> Vec<Bytes> {
        let nonce = self.nonces.issue(source, now);
        self.algorithms
            .iter()
            .map(|algorithm| write_challenge(&self.realm, &nonce, *algorithm, self.integrity, stale))
            .collect()
    }

    /// Checks the Authorization header of our realm. `ha1` knows the users' hashes; `source` is where the request came from.
    pub fn verify<'a>(
        &mut self,
        request: &Request,
        source: IpAddr,
        ha1: impl FnOnce(&str, Algorithm) -> Option<Cow<'a, str>>,
        now: Duration,
    ) -> Verdict {
        let wrong = Verdict::Challenge { stale: false };
        let ours = |fields: &Fields<'_>| fields.get("realm") == Some(self.realm.as_str());
        let found = request
            .headers
            .all(HeaderName::Authorization)
            .filter_map(|value| Fields::parse(value))
            .find(ours);
        let Some(credentials) = found.as_ref().and_then(Credentials::read) else { return wrong };
        let Named { algorithm, session } = credentials.named;
        let quality = credentials.protection.map(|protection| protection.quality);
        let offered = quality != Some(Quality::AuthInt) || self.integrity;
        if session || !offered || !self.algorithms.contains(&algorithm) {
            return wrong;
        }
        let known = ha1(credentials.username, algorithm);
        let nobody = self.nobody.get(algorithm).unwrap_or_default();
        let used = known.as_deref().unwrap_or(nobody);
        let expected = credentials.response_with(used, request.method.as_str(), &request.body);
        let right = same(expected.as_bytes(), credentials.response.to_ascii_lowercase().as_bytes());
        let genuine = self.nonces.recognise(credentials.nonce, source);
        if !right || known.is_none() {
            return wrong;
        }
        if !same_resource(credentials.uri, &request.uri) {
            return Verdict::Malformed;
        }
        // RFC 7616 §3.3: stale says that the password was right and only the nonce has to be renewed.
        match genuine {
            Some(nonce) if self.nonces.take(nonce, credentials.count, now) => {
                let info = self.nonces.is_ending(nonce, now).then(|| {
                    let proof = credentials.response_with(used, "", b"");
                    credentials.info(&self.nonces.issue(source, now), &proof)
                });
                Verdict::Accepted { username: credentials.username.to_owned(), info }
            }
            Some(_) | None => Verdict::Challenge { stale: true },
        }
    }
}

struct Credentials<'a> {
    named: Named,
    username: &'a str,
    nonce: &'a str,
    uri: &'a str,
    response: &'a str,
    protection: Option<Protection<'a>>,
    /// Without `qop` a nonce is good for one request.
    count: u32,
}

impl<'a> Credentials<'a> {
    /// `None` when a field is missing or is nothing we offered.
    fn read(fields: &Fields<'a>) -> Option<Self> {
        let protection = match fields.get("qop") {
            Some(qop) => {
                let quality = Quality::named(qop)?;
                Some(Protection { quality, count: fields.get("nc")?, cnonce: fields.get("cnonce")? })
            }
            None => None,
        };
        let count = match protection {
            Some(Protection { count, .. }) if count.len() == 8 => u32::from_str_radix(count, 16).ok()?,
            Some(_) => return None,
            None => 1,
        };
        Some(Self {
            named: Named::parse(fields.get("algorithm"))?,
            username: fields.get("username")?,
            nonce: fields.get("nonce")?,
            uri: fields.get("uri")?,
            response: fields.get("response")?,
            protection,
            count,
        })
    }

    fn response_with(&self, ha1: &str, method: &str, body: &[u8]) -> String {
        let (uri, nonce, protection) = (self.uri, self.nonce, self.protection);
        digest::response(self.named, &Inputs { ha1, method, uri, nonce, body, protection })
    }

    /// RFC 7616 §3.5: the next nonce, and a proof that we know the password too.
    fn info(&self, next: &str, proof: &str) -> String {
        let mut info = format!("nextnonce=\"{next}\"");
        if let Some(Protection { quality, count, cnonce }) = self.protection {
            let quality = quality.text();
            info.push_str(&format!(", qop={quality}, rspauth=\"{proof}\", cnonce=\"{cnonce}\", nc={count}"));
        }
        info
    }
}

/// Phones differ in how they write the same URI, so equality is that of RFC 3261 §19.1.4.
fn same_resource(claimed: &str, request_uri: &Uri) -> bool {
    claimed == request_uri.raw() || Uri::parse(claimed).is_ok_and(|claimed| claimed.matches(request_uri))
}
