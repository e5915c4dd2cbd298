//! Phones in browsers: what they register with.

use std::time::Instant;

use axum::extract::State as AxumState;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::extract::{Json, Part};
use crate::identity::Who;
use crate::problem::Problem;
use crate::session::number;
use crate::state::{State, lock};
use crate::wire::{PhoneTokenBody, rfc3339};

/// Get something to register a phone with.
///
/// For the agent alone, for a phone in its browser: it takes the place of the SIP password. It ends after a few minutes, with the
/// session, and with the service; what was registered with it ends then too.
#[utoipa::path(
    post, path = "/api/v1/agents/{user}/phone-token", tag = "agents",
    params(("user" = String, Path)),
    responses(
        (status = 201, description = "A token that nobody else has.", body = PhoneTokenBody),
        (status = 403, description = "Somebody else's phone.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn token(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(user): Part<String>,
) -> Result<Response, Problem> {
    who.need_self(&user)?;
    let left = lock(&state.sessions).left(&who.token, Instant::now());
    let life = state.options.phone_token_life.min(left);
    let token = state.port.phone_token(user.clone(), number(&who.token), life).await?;
    let body = PhoneTokenBody {
        user,
        username: token.username,
        password: token.password,
        realm: token.realm,
        expires_at: rfc3339(token.expires_at),
        expires_in_s: token.expires_in.as_secs(),
        websockets: state.options.phone_websockets.clone(),
    };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}
