//! Who is asking: the session behind a request.
//!
//! A session comes as `Authorization: Bearer TOKEN` or as the cookie of the console. Browsers send cookies by
//! themselves, so a request that changes something by cookie must also carry `X-Carillon: 1`, which no other site can
//! make a browser add (it would need a CORS permission that is never given). The cookie is `SameSite=Strict` besides.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};

use crate::problem::Problem;
use crate::rights::{Right, Role};
use crate::session::Person;
use crate::state::{State, lock};

/// Name of the session cookie.
pub const COOKIE: &str = "carillon_session";
/// Header that a request by cookie must carry when it changes something.
pub const GUARD_HEADER: &str = "x-carillon";

/// Address a request came from; put into the request by [`crate::serve`].
#[derive(Clone, Copy, Debug)]
pub struct Source(pub IpAddr);

impl Source {
    /// The source of a request; one that came through no socket counts as local.
    pub(crate) fn of(parts: &Parts) -> IpAddr {
        parts.extensions.get::<Self>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |source| source.0)
    }
}

/// Somebody who is signed in, and the token that says so.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) person: Person,
    pub(crate) token: String,
}

impl Who {
    /// Refuses people without the right.
    pub(crate) fn need(&self, right: Right) -> Result<(), Problem> {
        if self.may(right) { Ok(()) } else { Err(Problem::forbidden("your role does not allow this")) }
    }

    /// Whether the right is there.
    pub(crate) fn may(&self, right: Right) -> bool {
        self.person.role.may(right)
    }

    /// Refuses everybody but the agent `user`.
    pub(crate) fn need_self(&self, user: &str) -> Result<(), Problem> {
        if self.person.role == Role::Agent && self.person.user == user {
            return Ok(());
        }
        Err(Problem::forbidden("only the agent may do this"))
    }

    /// Refuses people who may neither act for agents nor are the agent `user`.
    pub(crate) fn need_self_or(&self, right: Right, user: &str) -> Result<(), Problem> {
        if self.person.role == Role::Agent && self.person.user == user { Ok(()) } else { self.need(right) }
    }
}

impl FromRequestParts<State> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        identify(&parts.headers, &parts.method, state)
    }
}

/// The session behind a request.
pub(crate) fn identify(headers: &HeaderMap, method: &Method, state: &State) -> Result<Who, Problem> {
    let (token, by_cookie) = match bearer(headers) {
        Some(token) => (token, false),
        None => (cookie(headers).ok_or_else(|| Problem::unauthorized("sign in first"))?, true),
    };
    let person = lock(&state.sessions).person(token, Instant::now());
    let person =
        person.ok_or_else(|| Problem::unauthorized("the session is unknown or over; sign in again"))?;
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if by_cookie && changes && headers.get(GUARD_HEADER).is_none_or(|value| value != "1") {
        let detail = "a request by cookie that changes something needs the header X-Carillon: 1";
        return Err(Problem::new(StatusCode::FORBIDDEN, "guard-header-missing", detail));
    }
    Ok(Who { person, token: token.to_owned() })
}

/// The token of an `Authorization` header; its scheme is case-insensitive (RFC 9110 §11.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, token)| token)
}
