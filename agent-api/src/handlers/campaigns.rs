//! Campaigns: make, look at, start, pause, stop.

use axum::extract::State as AxumState;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use carillon_core::campaign::check::{SpecProblem, check};
use carillon_core::campaign::decisions::DECISIONS_MAX;
use carillon_core::campaign::spec::CampaignSpec;
use carillon_core::id::CampaignId;

use crate::extract::{Asked, Json, Part};
use crate::identity::Who;
use crate::port::CampaignAction;
use crate::problem::Problem;
use crate::rights::Right;
use crate::schema;
use crate::state::State;
use crate::wire::{CampaignBody, CampaignList, DecisionBody, DecisionList, DecisionsAsked};

/// Decisions given where no limit is asked for.
const DECISIONS_DEFAULT: u32 = 100;

/// Make a campaign.
///
/// It is a draft until it is started.
#[utoipa::path(
    post, path = "/api/v1/campaigns", tag = "campaigns",
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key, it is made once.")),
    request_body = schema::CampaignSpec,
    responses(
        (status = 201, description = "Made; `Location` names it.", body = CampaignBody),
        (status = 422, description = "Can't be used as it is; `errors` says where.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn create(
    AxumState(state): AxumState<State>,
    who: Who,
    Json(spec): Json<CampaignSpec>,
) -> Result<Response, Problem> {
    who.need(Right::RunCampaigns)?;
    let mut problems = check(&spec);
    if let Some(name) = &spec.safe_harbour
        && !is_prompt_name(name)
    {
        let message = "must be the name of a file among the server's prompts, without folders".to_owned();
        problems.push(SpecProblem { key: "safe_harbour".into(), message });
    }
    if !problems.is_empty() {
        return Err(Problem::spec(problems));
    }
    let id = state.port.create_campaign(spec).await?;
    let campaign = state.port.campaign(id).await?;
    let location =
        HeaderValue::try_from(format!("/api/v1/campaigns/{id}")).unwrap_or(HeaderValue::from_static("/"));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(CampaignBody::from(campaign)))
        .into_response())
}

/// All campaigns.
#[utoipa::path(
    get, path = "/api/v1/campaigns", tag = "campaigns",
    responses((status = 200, description = "By id.", body = CampaignList)),
)]
pub(crate) async fn list(
    AxumState(state): AxumState<State>,
    who: Who,
) -> Result<Json<CampaignList>, Problem> {
    who.need(Right::Watch)?;
    let items = state.port.campaigns().await?.into_iter().map(CampaignBody::from).collect();
    Ok(Json(CampaignList { items }))
}

/// One campaign.
#[utoipa::path(
    get, path = "/api/v1/campaigns/{id}", tag = "campaigns",
    params(("id" = u64, Path)),
    responses((status = 200, description = "The campaign.", body = CampaignBody)),
)]
pub(crate) async fn one(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(id): Part<u64>,
) -> Result<Json<CampaignBody>, Problem> {
    who.need(Right::Watch)?;
    Ok(Json(state.port.campaign(CampaignId(id)).await?.into()))
}

/// Start or resume placing calls.
///
/// Import contacts first: a campaign without any is refused.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{id}/start", tag = "campaigns",
    params(("id" = u64, Path)),
    responses(
        (status = 200, description = "The campaign as it is now.", body = CampaignBody),
        (status = 409, description = "It has no contacts yet and no numbers for callers, or has called all its contacts.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn start(
    state: AxumState<State>,
    who: Who,
    id: Part<u64>,
) -> Result<Json<CampaignBody>, Problem> {
    command(state, who, id, CampaignAction::Start).await
}

/// Stop placing calls for now; live calls go on.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{id}/pause", tag = "campaigns",
    params(("id" = u64, Path)),
    responses((status = 200, description = "The campaign as it is now.", body = CampaignBody)),
)]
pub(crate) async fn pause(
    state: AxumState<State>,
    who: Who,
    id: Part<u64>,
) -> Result<Json<CampaignBody>, Problem> {
    command(state, who, id, CampaignAction::Pause).await
}

/// Stop placing calls for good; ringing lines run to the ring timeout, live calls go on.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{id}/stop", tag = "campaigns",
    params(("id" = u64, Path)),
    responses((status = 200, description = "The campaign as it is now.", body = CampaignBody)),
)]
pub(crate) async fn stop(
    state: AxumState<State>,
    who: Who,
    id: Part<u64>,
) -> Result<Json<CampaignBody>, Problem> {
    command(state, who, id, CampaignAction::Stop).await
}

/// Why so many calls were placed.
///
/// Decisions that placed calls, or that something else bound than the one before; newest first. The newest 2,000 are kept.
#[utoipa::path(
    get, path = "/api/v1/campaigns/{id}/decisions", tag = "campaigns",
    params(("id" = u64, Path), DecisionsAsked),
    responses((status = 200, description = "The newest decisions.", body = DecisionList)),
)]
pub(crate) async fn decisions(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(id): Part<u64>,
    Asked(asked): Asked<DecisionsAsked>,
) -> Result<Json<DecisionList>, Problem> {
    who.need(Right::Watch)?;
    let limit = asked.limit.unwrap_or(DECISIONS_DEFAULT);
    if limit == 0 || limit as usize > DECISIONS_MAX {
        let detail = format!("limit must be between 1 and {DECISIONS_MAX}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "query", detail));
    }
    let decisions = state.port.decisions(CampaignId(id), limit).await?;
    Ok(Json(DecisionList { items: decisions.into_iter().map(DecisionBody::from).collect() }))
}

async fn command(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(id): Part<u64>,
    action: CampaignAction,
) -> Result<Json<CampaignBody>, Problem> {
    who.need(Right::RunCampaigns)?;
    state.port.command_campaign(CampaignId(id), action).await?;
    tracing::info!(campaign = id, ?action, user = who.person.user, "campaign commanded");
    Ok(Json(state.port.campaign(CampaignId(id)).await?.into()))
}

/// A bare file name: the API must not become a way to read other files of the server.
fn is_prompt_name(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
