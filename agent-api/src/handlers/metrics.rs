//! Metrics, for Prometheus.

use axum::extract::{Request, State as AxumState};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::identity::{Source, bearer, identify};
use crate::problem::Problem;
use crate::rights::Right;
use crate::state::State;

/// Metrics in Prometheus text format.
///
/// For people with the right, for whoever sends the configured metrics token, and, while no token is configured, for
/// processes on the same machine.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "Metrics.", body = String, content_type = "text/plain")),
)]
pub(crate) async fn metrics(
    AxumState(state): AxumState<State>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let allowed = match &state.options.metrics_token {
        // Equal digests of equal length: the comparison's time tells nothing of use.
        Some(token) => {
            bearer(&parts.headers).is_some_and(|sent| Sha256::digest(sent) == Sha256::digest(&token.0))
        }
        None => Source::of(&parts).is_loopback(),
    };
    if !allowed {
        identify(&parts.headers, &parts.method, &state)?.need(Right::ReadMetrics)?;
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], state.port.metrics()).into_response())
}
