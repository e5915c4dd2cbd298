//! The API document (OpenAPI 3.1), generated from the routes.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::identity::COOKIE;
use crate::problem::Problem;
use crate::schema;

/// Path of the document.
pub const PATH: &str = "/api/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Carillon",
        description = "Runs campaigns, agents and calls of a dialer.\n\nErrors are RFC 9457 problem documents. \
            Requests by cookie that change something need the header `X-Carillon: 1`. A POST may carry an \
            `Idempotency-Key`: sent again with the same key and body it is done once and answered alike. Every request \
            may also be answered 401 (not signed in), 403 (right missing), 408 (too slow), 413 (too large), 429 or \
            503 (later).",
        license(name = "Apache-2.0 OR MIT"),
    ),
    components(schemas(Problem, schema::CampaignSpec, schema::LiveView, schema::Outcome, schema::Attribution)),
    tags(
        (name = "sessions", description = "Sign-in and sign-out"),
        (name = "campaigns", description = "Campaigns and their lists"),
        (name = "agents", description = "Agents and what they record"),
        (name = "attempts", description = "What became of calls"),
        (name = "calls", description = "What calls were made of"),
        (name = "live", description = "What happens now"),
        (name = "health", description = "For whatever watches the process"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    modifiers(&Schemes),
)]
pub(crate) struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let cookie = ApiKey::Cookie(ApiKeyValue::new(COOKIE));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    }
}
