//! The wallboard page: a few static files, no inline script or style, so that the content policy can forbid both.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

const HTML: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/page.js");
const STYLE: &str = include_str!("page/page.css");
const ICON: &str = include_str!("page/icon.svg");

/// Paths served here; not part of the API document.
pub const PAGE_PATHS: [&str; 4] = ["/", "/page.js", "/page.css", "/icon.svg"];

/// Routes of the page. It holds no data; what it shows comes from the live stream, which has its own rights.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(PAGE_PATHS[0], get(|| async { file("text/html; charset=utf-8", HTML) }))
        .route(PAGE_PATHS[1], get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }))
        .route(PAGE_PATHS[2], get(|| async { file("text/css; charset=utf-8", STYLE) }))
        .route(PAGE_PATHS[3], get(|| async { file("image/svg+xml", ICON) }))
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text)
}
