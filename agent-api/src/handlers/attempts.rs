//! Attempts: pages and single ones. Numbers are masked unless the right to see them is there.

use axum::extract::State as AxumState;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carillon_core::id::{AttemptId, CampaignId};

use crate::extract::{Asked, Json, Part};
use crate::identity::Who;
use crate::port::{ATTEMPTS_PAGE_MAX, AttemptQuery};
use crate::problem::Problem;
use crate::rights::{Right, Role};
use crate::state::State;
use crate::wire::{AttemptBody, AttemptPage, AttemptsAsked};

const PAGE_DEFAULT: u32 = 100;
/// Says what a cursor is, so that it may become something else.
const CURSOR_PREFIX: &str = "before:";

/// Attempts, newest first.
///
/// Agents see those bridged to themselves.
#[utoipa::path(
    get, path = "/api/v1/attempts", tag = "attempts",
    params(AttemptsAsked),
    responses((status = 200, description = "A page.", body = AttemptPage)),
)]
pub(crate) async fn list(
    AxumState(state): AxumState<State>,
    who: Who,
    Asked(asked): Asked<AttemptsAsked>,
) -> Result<Json<AttemptPage>, Problem> {
    let (query, limit) = query(&who, asked)?;
    let mut attempts = state.port.attempts(query).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = attempts.len() > shown;
    attempts.truncate(shown);
    let next_cursor = attempts.last().filter(|_| more).map(|last| write_cursor(last.id));
    let numbers = who.may(Right::SeeNumbers);
    let items = attempts.into_iter().map(|attempt| AttemptBody::new(attempt, numbers)).collect();
    Ok(Json(AttemptPage { items, next_cursor }))
}

/// One attempt.
///
/// For agents, one that was bridged to somebody else does not exist.
#[utoipa::path(
    get, path = "/api/v1/attempts/{id}", tag = "attempts",
    params(("id" = u64, Path)),
    responses((status = 200, description = "The attempt.", body = AttemptBody)),
)]
pub(crate) async fn one(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(id): Part<u64>,
) -> Result<Json<AttemptBody>, Problem> {
    let attempt = state.port.attempt(AttemptId(id)).await?;
    let own = attempt.agent.as_deref() == Some(who.person.user.as_str());
    if who.person.role == Role::Agent && !own {
        return Err(Problem::not_found("there is nothing of this name"));
    }
    Ok(Json(AttemptBody::new(attempt, who.may(Right::SeeNumbers))))
}

/// What is asked for of a page, by someone who may have it, and how much of that is shown.
pub(super) fn query(who: &Who, asked: AttemptsAsked) -> Result<(AttemptQuery, u32), Problem> {
    let agent = match who.person.role {
        Role::Agent => {
            let user = asked.agent.unwrap_or_else(|| who.person.user.clone());
            who.need_self_or(Right::Watch, &user)?;
            Some(user)
        }
        Role::Admin | Role::Operator => {
            who.need(Right::Watch)?;
            asked.agent
        }
    };
    let limit = asked.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=ATTEMPTS_PAGE_MAX).contains(&limit) {
        let detail = format!("limit must be between 1 and {ATTEMPTS_PAGE_MAX}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "query", detail));
    }
    let before = asked.cursor.as_deref().map(read_cursor).transpose()?;
    // One more than shown tells whether there is another page.
    let query = AttemptQuery { campaign: asked.campaign.map(CampaignId), agent, before, limit: limit + 1 };
    Ok((query, limit))
}

pub(super) fn write_cursor(last: AttemptId) -> String {
    URL_SAFE_NO_PAD.encode(format!("{CURSOR_PREFIX}{last}"))
}

fn read_cursor(text: &str) -> Result<AttemptId, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let text = bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let id = text.and_then(|text| text.strip_prefix(CURSOR_PREFIX)).and_then(|id| id.parse().ok());
    id.map(AttemptId)
        .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "query", "cursor is not one of ours"))
}
