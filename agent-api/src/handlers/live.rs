//! The live view, pushed.

use std::time::Instant;

use axum::extract::State as AxumState;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::identity::identify;
use crate::problem::Problem;
use crate::rights::Right;
use crate::schema;
use crate::state::{State, lock};
use crate::stream;

/// The live view, pushed.
///
/// Server-Sent Events named `live`, each with the whole newest view. Sent on change, at most four a second; a slow
/// viewer gets the newest state, not a backlog. The stream ends with the session.
#[utoipa::path(
    get, path = "/api/v1/live", tag = "live",
    responses(
        (status = 200, description = "A stream of views.", body = schema::LiveView, content_type = "text/event-stream"),
        (status = 503, description = "Too many streams.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn live(
    AxumState(state): AxumState<State>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let token = if state.options.open_live {
        None
    } else {
        let who = identify(&headers, &method, &state)?;
        who.need(Right::Watch)?;
        Some(who.token)
    };
    let Ok(turn) = state.streams.clone().try_acquire_owned() else {
        let detail = "too many live streams are open";
        return Err(Problem::later(StatusCode::SERVICE_UNAVAILABLE, "full", detail, 10));
    };
    let views = state.port.live();
    let texts = state.clone();
    let text = move |view: &_| texts.live_text.of(view);
    let alive = move || match &token {
        Some(token) => lock(&state.sessions).is_open(token, Instant::now()),
        None => true,
    };
    Ok(stream::live(views, text, alive, turn).into_response())
}
