//! Filling a campaign's list.

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request, State as AxumState};
use axum::http::{StatusCode, header};
use carillon_core::id::CampaignId;

use crate::extract::{Json, Part, bytes_problem};
use crate::identity::Who;
use crate::problem::Problem;
use crate::rights::Right;
use crate::state::State;
use crate::wire::ImportBody;

/// Most parts of a form that are looked at for the file.
const FORM_PARTS_MAX: usize = 16;

/// Add contacts.
///
/// CSV with a header line; columns `id`, `number`, and optionally `name`, `timezone`, `owner` (an agent); others become fields. Either the
/// body itself (`text/csv`) or the part `file` of a form. Good rows are kept whatever the bad ones are.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{id}/contacts", tag = "campaigns",
    params(
        ("id" = u64, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key, it is done once."),
    ),
    request_body(content = String, content_type = "text/csv"),
    responses(
        (status = 200, description = "What became of the rows.", body = ImportBody),
        (status = 413, description = "Too large.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Neither CSV nor a form.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn import(
    AxumState(state): AxumState<State>,
    who: Who,
    Part(id): Part<u64>,
    request: Request,
) -> Result<Json<ImportBody>, Problem> {
    who.need(Right::RunCampaigns)?;
    let kind =
        request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let csv = match essence.as_str() {
        "text/csv" => {
            Bytes::from_request(request, &state).await.map_err(|rejection| bytes_problem(&rejection))?
        }
        "multipart/form-data" => form_file(request, &state).await?,
        _ => {
            let detail = "send text/csv, or multipart/form-data with a part named file";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", detail));
        }
    };
    if csv.is_empty() {
        return Err(Problem::invalid("the list is empty; it needs a header line with id and number"));
    }
    let report = state.port.import_contacts(CampaignId(id), csv).await?;
    tracing::info!(
        campaign = id,
        imported = report.imported,
        duplicates = report.duplicates,
        rejected = report.rejected,
        "list imported"
    );
    Ok(Json(report.into()))
}

/// The part named `file` of a form.
async fn form_file(request: Request, state: &State) -> Result<Bytes, Problem> {
    let malformed = |status, detail: String| {
        let slug = if status == StatusCode::PAYLOAD_TOO_LARGE { "too-large" } else { "malformed" };
        Problem::new(status, slug, detail)
    };
    let mut form = Multipart::from_request(request, state)
        .await
        .map_err(|rejection| malformed(rejection.status(), rejection.body_text()))?;
    for _ in 0..FORM_PARTS_MAX {
        let part = form.next_field().await.map_err(|error| malformed(error.status(), error.body_text()))?;
        let Some(part) = part else { break };
        if part.name() == Some("file") {
            return part.bytes().await.map_err(|error| malformed(error.status(), error.body_text()));
        }
    }
    Err(Problem::invalid("the form has no part named file"))
}
