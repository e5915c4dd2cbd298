//! Calls from outside, page by page as attempts. Who called is masked unless the right to see numbers is there.

use axum::extract::State as AxumState;
use carillon_core::inbound::{InboundOutcome, InboundRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::attempts::{query, write_cursor};
use crate::extract::{Asked, Json};
use crate::identity::Who;
use crate::mask::mask;
use crate::problem::Problem;
use crate::rights::Right;
use crate::schema;
use crate::state::State;
use crate::wire::{AttemptsAsked, rfc3339};

/// A page of calls from outside.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InboundPage {
    /// Newest first.
    pub items: Vec<InboundBody>,
    /// Where the next page starts; absent on the last one.
    pub next_cursor: Option<String>,
}

/// A call from outside.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InboundBody {
    /// From the same count as attempts.
    pub id: u64,
    /// Whose number was called.
    pub campaign: u64,
    pub trunk: String,
    /// The number of ours that was called.
    pub number: String,
    /// Who called, in full for those who may see numbers, else like `+1555•••0001`; absent where it was withheld.
    pub caller: Option<String>,
    /// The caller, where the list knows them.
    pub contact: Option<u64>,
    pub task: Option<u64>,
    /// Where the call was diverted before (RFC 5806), for those who may see numbers.
    pub diversion: String,
    /// The same as History-Info (RFC 7044).
    pub history_info: String,
    /// What whoever signed the call is worth (RFC 8224): `none`, `passed_a`, `passed_b`, `passed_c` by what they know of the caller (RFC
    /// 8588), or `failed_header`, `failed_stale`, `failed_numbers`, `failed_unknown`, `failed_untrusted`, `failed_signature`.
    pub identity: String,
    pub arrived_at: String,
    pub answered_at: Option<String>,
    pub bridged_at: Option<String>,
    pub ended_at: Option<String>,
    #[schema(value_type = Option<schema::InboundOutcome>)]
    pub outcome: Option<InboundOutcome>,
    pub reason: String,
    /// Who took it.
    pub agent: Option<String>,
    pub talk_ms: u64,
    pub disposition: Option<String>,
    pub recording: Option<String>,
}

impl InboundBody {
    fn new(row: InboundRow, numbers: bool) -> Self {
        let caller = row.caller.map(|caller| if numbers { caller } else { mask(&caller) });
        // These hold numbers in whatever form their network wrote them.
        let in_full = |text: String| if numbers { text } else { String::new() };
        Self {
            id: row.call.0,
            campaign: row.campaign.0,
            trunk: row.trunk,
            number: row.number,
            caller,
            contact: row.contact.map(|contact| contact.0),
            task: row.task.map(|task| task.0),
            diversion: in_full(row.diversion),
            history_info: in_full(row.history_info),
            identity: row.identity,
            arrived_at: rfc3339(row.arrived_at),
            answered_at: row.answered_at.map(rfc3339),
            bridged_at: row.bridged_at.map(rfc3339),
            ended_at: row.ended_at.map(rfc3339),
            outcome: row.outcome,
            reason: row.reason,
            agent: row.agent,
            talk_ms: row.talk_ms,
            disposition: row.disposition,
            recording: row.recording.map(|recording| recording.file),
        }
    }
}

/// Calls from outside, newest first.
///
/// Agents see those that they took.
#[utoipa::path(
    get, path = "/api/v1/inbound", tag = "attempts",
    params(AttemptsAsked),
    responses((status = 200, description = "A page.", body = InboundPage)),
)]
pub(crate) async fn list(
    AxumState(state): AxumState<State>,
    who: Who,
    Asked(asked): Asked<AttemptsAsked>,
) -> Result<Json<InboundPage>, Problem> {
    let (query, limit) = query(&who, asked)?;
    let mut calls = state.port.inbound(query).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = calls.len() > shown;
    calls.truncate(shown);
    let next_cursor = calls.last().filter(|_| more).map(|last| write_cursor(last.call));
    let numbers = who.may(Right::SeeNumbers);
    let items = calls.into_iter().map(|row| InboundBody::new(row, numbers)).collect();
    Ok(Json(InboundPage { items, next_cursor }))
}
