//! All routes, and the layers around them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State as AxumState};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::handlers::{
    agents, attempts, calls, campaigns, contacts, devices, health, inbound, live, metrics as metrics_page,
    phones, sessions,
};
use crate::openapi::{Document, PATH};
use crate::options::Options;
use crate::port::Port;
use crate::problem::Problem;
use crate::state::{Shared, State};
use crate::{headers, idempotency, metrics as names, page};

/// The whole API with the wallboard page, ready to be served.
pub fn router(port: Arc<dyn Port>, options: Options) -> Router {
    let limits = options.limits;
    let state: State = Arc::new(Shared::new(port, options));
    let limited = |routes: OpenApiRouter<State>, body_bytes_max: usize, time: Duration| {
        routes
            .layer(from_fn_with_state((state.clone(), body_bytes_max), idempotency::layer))
            .layer(DefaultBodyLimit::max(body_bytes_max))
            .layer(from_fn_with_state(time, in_time))
    };
    let (routes, document) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(limited(short_routes(), limits.body_bytes_max, limits.request_time))
        .merge(limited(import_routes(), limits.import_bytes_max, limits.import_time))
        .routes(routes!(live::live))
        .routes(routes!(live::agent))
        .split_for_parts();
    let text: Arc<str> = document.to_pretty_json().unwrap_or_default().into();
    let document =
        move || std::future::ready(([(header::CONTENT_TYPE, "application/json")], text.to_string()));
    routes
        .route(PATH, get(document))
        .merge(page::routes())
        .fallback(|| async { Problem::not_found("there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this path has no such method; see Allow")
        })
        .layer(from_fn(counted))
        .layer(from_fn(headers::layer))
        .with_state(state)
}

/// The API document (OpenAPI 3.1) as JSON.
pub fn document() -> String {
    let (_, document) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(short_routes())
        .merge(import_routes())
        .routes(routes!(live::live))
        .routes(routes!(live::agent))
        .split_for_parts();
    document.to_pretty_json().unwrap_or_default()
}

fn short_routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(sessions::open, sessions::close))
        .routes(routes!(sessions::current))
        .routes(routes!(campaigns::create, campaigns::list))
        .routes(routes!(campaigns::one))
        .routes(routes!(campaigns::start))
        .routes(routes!(campaigns::pause))
        .routes(routes!(campaigns::stop))
        .routes(routes!(campaigns::decisions))
        .routes(routes!(agents::list))
        .routes(routes!(agents::one))
        .routes(routes!(agents::set_state))
        .routes(routes!(agents::dispose))
        .routes(routes!(agents::hang_up))
        .routes(routes!(agents::signal))
        .routes(routes!(agents::preview, agents::choose))
        .routes(routes!(phones::token))
        .routes(routes!(devices::list))
        .routes(routes!(devices::prefer))
        .routes(routes!(devices::end))
        .routes(routes!(sessions::end_all))
        .routes(routes!(attempts::list))
        .routes(routes!(attempts::one))
        .routes(routes!(inbound::list))
        .routes(routes!(calls::ladder))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(metrics_page::metrics))
}

fn import_routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(contacts::import))
}

/// Ends requests that take too long, slow bodies included.
async fn in_time(AxumState(time): AxumState<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = "the request was not done in time; it may still be carried out";
            Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail).into_response()
        }
    }
}

/// Counts requests by route (never by path: paths name people).
async fn counted(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| "none".into());
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE") => known,
        _ => "other",
    }
    .to_owned();
    let begun = Instant::now();
    let response = next.run(request).await;
    let taken = begun.elapsed();
    let status = response.status();
    metrics::counter!(
        names::API_REQUESTS_TOTAL,
        "route" => route.clone(), "method" => method.clone(), "status" => status.as_u16().to_string()
    )
    .increment(1);
    metrics::histogram!(names::API_REQUEST_SECONDS, "route" => route.clone(), "method" => method.clone())
        .record(taken.as_secs_f64());
    tracing::debug!(route, method, status = status.as_u16(), taken_us = taken.as_micros(), "request");
    response
}
