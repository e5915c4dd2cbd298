//! Calls as SIP: the ladder of one.

use axum::extract::State as AxumState;
use carillon_core::ladder::Ladder;

use crate::extract::{Json, Part};
use crate::identity::Who;
use crate::problem::Problem;
use crate::rights::Right;
use crate::schema;
use crate::state::State;

/// Longest name of a call that is looked for.
const CALL_MAX: usize = 256;

/// The SIP messages of one call, with their times.
///
/// By the id of the attempt or inbound call, or by the Call-ID of one of its dialogs. Calls that are up or ended not long ago, and
/// those whose ladders were kept on the disk.
#[utoipa::path(
    get, path = "/api/v1/calls/{call}/ladder", tag = "calls",
    params(("call" = String, Path, description = "Id of the attempt, or a Call-ID")),
    responses((status = 200, description = "The ladder.", body = schema::Ladder)),
)]
pub(crate) async fn ladder(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(call): Part<String>,
) -> Result<Json<Ladder>, Problem> {
    who.need(Right::Watch)?;
    if call.len() > CALL_MAX {
        return Err(Problem::not_found("there is nothing of this name"));
    }
    Ok(Json(state.port.ladder(call).await?))
}
