//! Errors as RFC 9457 problem documents; the only form in which this API says no.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use carillon_core::campaign::check::SpecProblem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::port::PortError;

/// Media type of a problem document (RFC 9457 §3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Stable name of the kind of problem, `urn:carillon:problem:...`.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// HTTP status.
    status: u16,
    /// What was wrong this time.
    detail: String,
    /// Which parts of the body were wrong, where that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

/// One wrong part of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON Pointer as a fragment (RFC 6901 §6), `#/closure/attempts_max`.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// A problem of `status`; the kind is named after `slug`.
    pub fn new(status: StatusCode, slug: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:carillon:problem:{slug}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s: None,
        }
    }

    /// Nobody is signed in.
    pub fn unauthorized(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not-signed-in", detail)
    }

    /// The right is missing.
    pub fn forbidden(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "right-missing", detail)
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// The request can be read but not used.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    /// A limit is reached; the same may work after `retry_after_s` seconds.
    pub fn later(status: StatusCode, slug: &str, detail: &str, retry_after_s: u64) -> Self {
        Self { retry_after_s: Some(retry_after_s), ..Self::new(status, slug, detail) }
    }

    /// A campaign spec that can't be used.
    pub fn spec(problems: Vec<SpecProblem>) -> Self {
        let errors = problems
            .into_iter()
            .map(|problem| FieldError { pointer: pointer(&problem.key), detail: problem.message })
            .collect();
        Self { errors, ..Self::invalid("the campaign can't be used as it is") }
    }

    /// HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// `windows[2].from` as `#/windows/2/from`.
fn pointer(key: &str) -> String {
    format!("#/{}", key.replace(['.', '['], "/").replace(']', ""))
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        let detail = error.to_string();
        match error {
            PortError::Unknown(_) => Self::not_found(detail),
            PortError::State(_) => Self::new(StatusCode::CONFLICT, "state", detail),
            PortError::Invalid(_) => Self::invalid(detail),
            PortError::Full(_) => Self::later(StatusCode::SERVICE_UNAVAILABLE, "full", &detail, 5),
            PortError::Unavailable(_) => {
                Self::later(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &detail, 5)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let retry_after_s = self.retry_after_s;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1: a 401 names the scheme that would work.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_pointers() {
        assert_eq!(pointer("ring_timeout"), "#/ring_timeout");
        assert_eq!(pointer("windows[2].from"), "#/windows/2/from");
        assert_eq!(pointer("closure.retry.no_answer"), "#/closure/retry/no_answer");
    }

    #[test]
    fn a_problem_says_when_to_come_back() {
        let response =
            Problem::from(PortError::Unavailable("the store is not available".into())).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
    }
}
