//! Health, for whatever watches the process.

use axum::extract::State as AxumState;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::extract::Json;
use crate::port::Part;
use crate::state::State;
use crate::wire::HealthBody;

/// The process runs.
#[utoipa::path(
    get, path = "/health/live", tag = "health", security(()),
    responses((status = 204, description = "It runs.")),
)]
pub(crate) async fn alive() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Store, gateway and dialer do their work.
#[utoipa::path(
    get, path = "/health/ready", tag = "health", security(()),
    responses(
        (status = 200, description = "All do.", body = HealthBody),
        (status = 503, description = "One doesn't; the body says which.", body = HealthBody),
    ),
)]
pub(crate) async fn ready(AxumState(state): AxumState<State>) -> Response {
    let health = state.port.health().await;
    let ready = health.is_ready();
    let text = |part: Part| match part {
        Part::Up => "up".to_owned(),
        Part::Down(why) => why,
    };
    let body = HealthBody {
        status: if ready { "ready" } else { "not_ready" }.to_owned(),
        store: text(health.store),
        sip: text(health.sip),
        dialer: text(health.dialer),
    };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}
