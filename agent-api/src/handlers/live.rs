//! The live view, pushed.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State as AxumState;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use carillon_core::live::LiveView;

use crate::extract::Part;
use crate::identity::{Who, identify};
use crate::problem::Problem;
use crate::rights::{Right, Role};
use crate::schema;
use crate::state::{State, lock};
use crate::stream;
use crate::wire::AgentBody;

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
    Ok(stream::stream("live", views, text, alive, turn).into_response())
}

/// One agent, pushed.
///
/// Server-Sent Events named `agent`, each with the agent as `GET /api/v1/agents/{user}` has it. Sent on change, the first at once:
/// the state, the call in hand, and the contact that the agent is shown. The stream ends with the session.
#[utoipa::path(
    get, path = "/api/v1/agents/{user}/events", tag = "agents",
    params(("user" = String, Path)),
    responses(
        (status = 200, description = "A stream of the agent's states.", body = AgentBody, content_type = "text/event-stream"),
        (status = 503, description = "Too many streams.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn agent(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(user): Part<String>,
) -> Result<Response, Problem> {
    who.need_self_or(Right::Watch, &user)?;
    if state.users.get(&user).is_none_or(|known| known.role != Role::Agent) {
        return Err(Problem::not_found("there is no agent of this name"));
    }
    let Ok(turn) = state.streams.clone().try_acquire_owned() else {
        let detail = "too many live streams are open";
        return Err(Problem::later(StatusCode::SERVICE_UNAVAILABLE, "full", detail, 10));
    };
    let views = state.port.live();
    let text = move |view: &Arc<LiveView>| {
        let agent = view.agents.iter().find(|agent| agent.user == user);
        let body = agent.map_or_else(|| AgentBody::offline(&user), AgentBody::from);
        serde_json::to_string(&body).unwrap_or_default().into()
    };
    let alive = move || lock(&state.sessions).is_open(&who.token, Instant::now());
    Ok(stream::stream("agent", views, text, alive, turn).into_response())
}
