//! `Idempotency-Key`: a request sent again with the same key is done once and answered alike.
//!
//! Keys belong to a person and a path. The same key with another body is refused, and so is a second request while the
//! first is still under way. Answers are kept in memory, at most a fixed number; server errors are not kept, so that
//! they can be tried again.

use std::collections::{BTreeMap, VecDeque};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State as AxumState};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::identity::identify;
use crate::problem::Problem;
use crate::state::{State, lock};

/// Header with the key.
pub const HEADER: &str = "idempotency-key";
/// Longest key.
pub const KEY_CHARACTERS_MAX: usize = 100;
/// Most answers kept; the oldest gives way.
pub const REPLIES_MAX: usize = 10_000;
/// Largest answer kept; ours are a few kilobytes.
const REPLY_BYTES_MAX: usize = 1024 * 1024;

type Key = [u8; 32];

/// Answers by key.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    known: BTreeMap<Key, Known>,
    order: VecDeque<Key>,
}

#[derive(Clone, Debug)]
struct Known {
    body: [u8; 32],
    /// Absent while the first request is under way.
    reply: Option<Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

enum Begin {
    First,
    Again(Kept),
    UnderWay,
    OtherBody,
}

impl Replies {
    fn begin(&mut self, key: Key, body: [u8; 32]) -> Begin {
        match self.known.get(&key) {
            Some(known) if known.body != body => Begin::OtherBody,
            Some(Known { reply: Some(kept), .. }) => Begin::Again(kept.clone()),
            Some(Known { reply: None, .. }) => Begin::UnderWay,
            None => {
                if self.order.len() >= REPLIES_MAX
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.known.remove(&oldest);
                }
                self.known.insert(key, Known { body, reply: None });
                self.order.push_back(key);
                Begin::First
            }
        }
    }

    fn keep(&mut self, key: &Key, kept: Kept) {
        if let Some(known) = self.known.get_mut(key) {
            known.reply = Some(kept);
        }
    }

    fn forget(&mut self, key: &Key) {
        if self.known.get(key).is_some_and(|known| known.reply.is_none()) {
            self.known.remove(key);
            self.order.retain(|other| other != key);
        }
    }
}

/// Forgets a request that was begun and never answered: its connection went away, or its handler failed.
struct UnderWay {
    state: State,
    key: Key,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.state.replies).forget(&self.key);
    }
}

/// Layer for every route that changes something. `body_bytes_max` is the routes' own limit.
pub(crate) async fn layer(
    AxumState((state, body_bytes_max)): AxumState<(State, usize)>,
    request: Request,
    next: Next,
) -> Response {
    let Some(key) = request.headers().get(HEADER).filter(|_| request.method() == Method::POST) else {
        return next.run(request).await;
    };
    let key = key.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > KEY_CHARACTERS_MAX {
        let detail = format!("Idempotency-Key must have 1 to {KEY_CHARACTERS_MAX} visible ASCII characters");
        return Problem::new(StatusCode::BAD_REQUEST, "idempotency-key", detail).into_response();
    }
    // Without a session nothing will be done, so there is nothing to remember.
    let Ok(who) = identify(request.headers(), request.method(), &state) else {
        return next.run(request).await;
    };
    let key = digest(&[who.person.user.as_bytes(), request.uri().path().as_bytes(), key.as_bytes()]);
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, body_bytes_max).await else {
        let detail = format!("the body is broken or larger than {body_bytes_max} bytes");
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail).into_response();
    };
    let begin = lock(&state.replies).begin(key, digest(&[&body]));
    let under_way = match begin {
        Begin::First => UnderWay { state: state.clone(), key },
        Begin::Again(kept) => return again(kept),
        Begin::UnderWay => {
            let detail = "a request with this Idempotency-Key is under way";
            return Problem::later(StatusCode::CONFLICT, "under-way", detail, 1).into_response();
        }
        Begin::OtherBody => {
            let detail = "this Idempotency-Key came with another body before";
            return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key", detail).into_response();
        }
    };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if response.status().is_server_error() {
        return response;
    }
    let (parts, body) = response.into_parts();
    match to_bytes(body, REPLY_BYTES_MAX).await {
        Ok(body) => {
            let kept = Kept { status: parts.status, headers: parts.headers.clone(), body: body.clone() };
            lock(&under_way.state.replies).keep(&under_way.key, kept);
            Response::from_parts(parts, Body::from(body))
        }
        Err(_) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer was lost").into_response()
        }
    }
}

fn again(kept: Kept) -> Response {
    let mut response = (kept.status, kept.headers, kept.body).into_response();
    response.headers_mut().insert("idempotent-replayed", header::HeaderValue::from_static("true"));
    response
}

/// Digest of several parts that can't run into one another.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_bounded_and_the_oldest_goes_first() {
        let mut replies = Replies::default();
        let key = |number: usize| digest(&[&number.to_be_bytes()]);
        for number in 0..=REPLIES_MAX {
            assert!(matches!(replies.begin(key(number), [0; 32]), Begin::First));
        }
        assert_eq!((replies.known.len(), replies.order.len()), (REPLIES_MAX, REPLIES_MAX));
        assert!(matches!(replies.begin(key(0), [0; 32]), Begin::First), "forgotten");
        assert!(matches!(replies.begin(key(REPLIES_MAX), [0; 32]), Begin::UnderWay));
        assert!(matches!(replies.begin(key(REPLIES_MAX), [1; 32]), Begin::OtherBody));
        replies.forget(&key(REPLIES_MAX));
        assert!(matches!(replies.begin(key(REPLIES_MAX), [1; 32]), Begin::First));
    }

    #[test]
    fn parts_of_a_key_do_not_run_together() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    }
}
