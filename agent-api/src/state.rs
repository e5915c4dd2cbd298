//! What all handlers share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::idempotency::Replies;
use crate::lockout::Lockout;
use crate::options::{Options, User};
use crate::port::Port;
use crate::session::Sessions;
use crate::stream::LiveText;

/// Most passwords worked through at once: each takes tens of milliseconds and 19 MiB.
const HASHING_MAX: usize = 4;
/// Longest wait for a turn to have a password worked through.
pub(crate) const HASHING_WAIT: Duration = Duration::from_secs(2);

/// Shared by every handler; locks are never held over an await.
pub(crate) struct Shared {
    pub(crate) port: Arc<dyn Port>,
    pub(crate) options: Options,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) sessions: Mutex<Sessions>,
    pub(crate) lockout: Mutex<Lockout>,
    pub(crate) replies: Mutex<Replies>,
    pub(crate) hashing: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) live_text: LiveText,
}

/// State of the router.
pub(crate) type State = Arc<Shared>;

impl Shared {
    pub(crate) fn new(port: Arc<dyn Port>, options: Options) -> Self {
        let sessions = Sessions::new(options.session_idle, options.session_life, options.limits.sessions_max);
        Self {
            users: options.users.iter().map(|user| (user.name.clone(), user.clone())).collect(),
            sessions: Mutex::new(sessions),
            lockout: Mutex::default(),
            replies: Mutex::default(),
            hashing: Arc::new(Semaphore::new(HASHING_MAX)),
            streams: Arc::new(Semaphore::new(options.limits.streams_max)),
            live_text: LiveText::default(),
            port,
            options,
        }
    }
}

/// Locks a table. A panic while it was held left at worst one entry half changed; all other people's requests go on.
pub(crate) fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
