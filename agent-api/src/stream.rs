//! The live view, or a part of it, as Server-Sent Events: the newest state only, pushed on change, at most four times a second.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use carillon_core::live::LiveView;
use futures::Stream;
use futures::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

use crate::state::lock;

/// Shortest time between two events of one stream.
pub const INTERVAL_MIN: Duration = Duration::from_millis(250);
/// A comment is sent after this long without an event, so that proxies keep the connection.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Longest time until a stream notices that its session is over.
pub const RECHECK: Duration = Duration::from_secs(5);

/// The newest view as JSON, written once for all streams that show it.
#[derive(Debug, Default)]
pub(crate) struct LiveText(Mutex<Option<(Arc<LiveView>, Arc<str>)>>);

impl LiveText {
    /// `view` as JSON.
    pub(crate) fn of(&self, view: &Arc<LiveView>) -> Arc<str> {
        let mut newest = lock(&self.0);
        if let Some((known, text)) = newest.as_ref()
            && Arc::ptr_eq(known, view)
        {
            return text.clone();
        }
        let text: Arc<str> = serde_json::to_string(&**view).unwrap_or_default().into();
        *newest = Some((view.clone(), text.clone()));
        text
    }
}

/// One stream: where views come from, and whether it may go on.
struct Viewer<Text, Alive> {
    name: &'static str,
    /// What was sent last.
    last: Arc<str>,
    views: watch::Receiver<Arc<LiveView>>,
    text: Text,
    alive: Alive,
    next_at: Instant,
    _turn: OwnedSemaphorePermit,
}

/// A stream of events of this name, each with what `text` makes of the newest view where that has changed. It ends when `alive` says no (asked before every event and every few seconds) or
/// when the dialer is gone. The first event comes at once.
pub(crate) fn stream<Text, Alive>(
    name: &'static str,
    mut views: watch::Receiver<Arc<LiveView>>,
    text: Text,
    alive: Alive,
    turn: OwnedSemaphorePermit,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>>
where
    Text: Fn(&Arc<LiveView>) -> Arc<str> + Send + 'static,
    Alive: Fn() -> bool + Send + 'static,
{
    views.mark_changed();
    let viewer = Viewer { name, last: "".into(), views, text, alive, next_at: Instant::now(), _turn: turn };
    let events = unfold(viewer, |mut viewer| async move {
        sleep_until(viewer.next_at).await;
        loop {
            if !(viewer.alive)() {
                return None;
            }
            match tokio::time::timeout(RECHECK, viewer.views.changed()).await {
                Ok(Ok(())) if (viewer.alive)() => {}
                Ok(_) => return None,
                Err(_) => continue,
            }
            let view = viewer.views.borrow_and_update().clone();
            let text = (viewer.text)(&view);
            if text != viewer.last {
                viewer.last = text;
                break;
            }
        }
        viewer.next_at = Instant::now() + INTERVAL_MIN;
        let event = Event::default().event(viewer.name).data(&*viewer.last);
        Some((Ok(event), viewer))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
