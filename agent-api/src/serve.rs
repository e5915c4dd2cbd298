//! The listener: bounded connections, slow heads cut off, an orderly end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::identity::Source;
use crate::options::Limits;

/// Time that open requests get once shutdown has begun; live streams end with it.
pub const GRACE: Duration = Duration::from_secs(3);
/// Pause after an accept that failed, which it does when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Most header lines of a request.
const HEADERS_MAX: usize = 64;
/// Largest head of a request in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Serves `router` on `listener` until `shutdown` is done, then lets open requests end for [`GRACE`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections_max.max(1)));
    let (ending, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        // A place is taken before a connection is, so that more wait in the kernel and cost nothing here.
        let place = tokio::select! {
            biased;
            () = &mut shutdown => break,
            place = places.clone().acquire_owned() => place,
        };
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let service = router.clone();
                let ending = ending.subscribe();
                connections.spawn(async move {
                    connection(stream, service, Source(peer.ip().to_canonical()), limits.head_time, ending)
                        .await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    ending.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::debug!(open = connections.len(), "connections closed at the end of the grace time");
        connections.shutdown().await;
    }
}

async fn connection(
    stream: TcpStream,
    router: Router,
    source: Source,
    head_time: Duration,
    mut ending: watch::Receiver<bool>,
) {
    // Small answers should not wait for more to come; where this can't be set they are merely later.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(source);
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_time)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // Either the flag is set or its sender is gone; both mean the end.
        _ = async { drop(ending.wait_for(|ending| *ending).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
