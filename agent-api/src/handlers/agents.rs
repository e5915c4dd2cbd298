//! Agents: see them, change state, record dispositions, hang up.

use std::collections::BTreeMap;

use axum::extract::State as AxumState;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use carillon_core::agent::AgentCommand;
use carillon_core::campaign::check::NAME_CHARACTERS_MAX;
use carillon_core::id::{AttemptId, TaskId};

use crate::extract::{Json, Part};
use crate::identity::Who;
use crate::problem::Problem;
use crate::rights::{Right, Role};
use crate::state::State;
use crate::wire::{
    AgentBody, AgentList, AgentWish, ChoiceBody, DispositionBody, PreviewBody, SignalBody, WantedState,
};

/// Most characters of a note.
const NOTE_CHARACTERS_MAX: usize = 2_000;

/// All agents.
///
/// Those who have not signed on yet are offline.
#[utoipa::path(
    get, path = "/api/v1/agents", tag = "agents",
    responses((status = 200, description = "By user.", body = AgentList)),
)]
pub(crate) async fn list(AxumState(state): AxumState<State>, who: Who) -> Result<Json<AgentList>, Problem> {
    who.need(Right::Watch)?;
    let view = state.port.live().borrow().clone();
    let configured = state.users.values().filter(|user| user.role == Role::Agent);
    let mut agents: BTreeMap<&str, AgentBody> =
        configured.map(|user| (user.name.as_str(), AgentBody::offline(&user.name))).collect();
    agents.extend(view.agents.iter().map(|agent| (agent.user.as_str(), agent.into())));
    Ok(Json(AgentList { items: agents.into_values().collect() }))
}

/// One agent.
#[utoipa::path(
    get, path = "/api/v1/agents/{user}", tag = "agents",
    params(("user" = String, Path)),
    responses((status = 200, description = "The agent.", body = AgentBody)),
)]
pub(crate) async fn one(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(user): Part<String>,
) -> Result<Json<AgentBody>, Problem> {
    who.need_self_or(Right::Watch, &user)?;
    let view = state.port.live().borrow().clone();
    if let Some(agent) = view.agents.iter().find(|agent| agent.user == user) {
        return Ok(Json(agent.into()));
    }
    match state.users.get(&user) {
        Some(known) if known.role == Role::Agent => Ok(Json(AgentBody::offline(&user))),
        Some(_) | None => Err(Problem::not_found("there is no agent of this name")),
    }
}

/// Change state.
///
/// Answers when the dialer has taken the wish; the state itself may follow later (a break begins after the call).
#[utoipa::path(
    put, path = "/api/v1/agents/{user}/state", tag = "agents",
    params(("user" = String, Path)),
    request_body = AgentWish,
    responses(
        (status = 204, description = "Taken."),
        (status = 409, description = "The state does not allow it.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn set_state(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(agent): Part<String>,
    Json(wish): Json<AgentWish>,
) -> Result<StatusCode, Problem> {
    who.need_self_or(Right::ActForAgents, &agent)?;
    check_text("reason", &wish.reason, NAME_CHARACTERS_MAX)?;
    let command = match wish.state {
        WantedState::SignedOn => AgentCommand::SignOn { agent },
        WantedState::Offline => AgentCommand::SignOff { agent },
        WantedState::Break => AgentCommand::Break { agent, reason: wish.reason },
        WantedState::Ready => AgentCommand::Ready { agent },
    };
    state.port.command_agent(command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Record a disposition.
///
/// The same one for the same attempt may be sent again; it is recorded once.
#[utoipa::path(
    post, path = "/api/v1/agents/{user}/dispositions", tag = "agents",
    params(
        ("user" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key, it is done once."),
    ),
    request_body = DispositionBody,
    responses(
        (status = 201, description = "Recorded.", body = DispositionBody),
        (status = 409, description = "The agent has no such call.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn dispose(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(agent): Part<String>,
    Json(body): Json<DispositionBody>,
) -> Result<Response, Problem> {
    who.need_self_or(Right::ActForAgents, &agent)?;
    check_text("disposition", &body.disposition, NAME_CHARACTERS_MAX)?;
    if body.disposition.trim().is_empty() {
        return Err(Problem::invalid("disposition is empty"));
    }
    check_text("note", &body.note, NOTE_CHARACTERS_MAX)?;
    let command = AgentCommand::Dispose {
        agent,
        attempt: AttemptId(body.attempt),
        disposition: body.disposition.clone(),
        note: body.note.clone(),
    };
    state.port.command_agent(command).await?;
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// Hang up the call the agent has.
#[utoipa::path(
    delete, path = "/api/v1/agents/{user}/call", tag = "agents",
    params(("user" = String, Path)),
    responses(
        (status = 204, description = "Being hung up."),
        (status = 409, description = "There is no call.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn hang_up(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(agent): Part<String>,
) -> Result<StatusCode, Problem> {
    who.need_self_or(Right::ActForAgents, &agent)?;
    state.port.command_agent(AgentCommand::HangUp { agent }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tell that the end of a call or of its wrap-up is near.
///
/// A pacer that forecasts has the next call ready in time.
#[utoipa::path(
    post, path = "/api/v1/agents/{user}/signals", tag = "agents",
    params(("user" = String, Path)),
    request_body = SignalBody,
    responses(
        (status = 204, description = "Taken."),
        (status = 409, description = "There is no call.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn signal(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(agent): Part<String>,
    Json(body): Json<SignalBody>,
) -> Result<StatusCode, Problem> {
    who.need_self_or(Right::ActForAgents, &agent)?;
    state.port.command_agent(AgentCommand::Signal { agent, signal: body.signal }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The contact that the agent is shown.
///
/// Campaigns of mode `preview` call nobody before the agent says so. 404 while nothing is shown.
#[utoipa::path(
    get, path = "/api/v1/agents/{user}/preview", tag = "agents",
    params(("user" = String, Path)),
    responses((status = 200, description = "The contact.", body = PreviewBody)),
)]
pub(crate) async fn preview(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(user): Part<String>,
) -> Result<Json<PreviewBody>, Problem> {
    who.need_self_or(Right::Watch, &user)?;
    let view = state.port.live().borrow().clone();
    let agent = view.agents.iter().find(|agent| agent.user == user);
    let Some(shown) = agent.and_then(|agent| agent.preview.as_ref()) else {
        return Err(Problem::not_found("the agent is shown no contact"));
    };
    let contact = state.port.contact(shown.contact).await?;
    Ok(Json(PreviewBody::new(shown, contact, who.may(Right::SeeNumbers))))
}

/// Call the contact shown, or skip it.
///
/// `call` places the call for this agent alone; the agent stays ready until it is answered. `skip` leaves the contact alone for
/// the campaign's `preview_again`, and the next one is shown.
#[utoipa::path(
    post, path = "/api/v1/agents/{user}/preview", tag = "agents",
    params(("user" = String, Path)),
    request_body = ChoiceBody,
    responses(
        (status = 204, description = "Taken."),
        (status = 409, description = "The contact is not shown any more, or may not be called now.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn choose(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(agent): Part<String>,
    Json(body): Json<ChoiceBody>,
) -> Result<StatusCode, Problem> {
    who.need_self_or(Right::ActForAgents, &agent)?;
    let command = AgentCommand::Preview { agent, task: TaskId(body.task), choice: body.choice };
    state.port.command_agent(command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Bounds free text. Line breaks are fine in a note; other control characters are not, and NUL never reaches a store.
fn check_text(name: &str, text: &str, characters_max: usize) -> Result<(), Problem> {
    let wrong = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.chars().count() > characters_max || text.chars().any(wrong) {
        let detail =
            format!("{name} must have at most {characters_max} characters and no control characters");
        return Err(Problem::invalid(detail));
    }
    Ok(())
}
