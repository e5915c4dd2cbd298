//! The numbers that calls show: signed where the trunk wants that, and how each fares.

use std::time::Duration;

use super::Gateway;
use crate::id::CallId;
use crate::leg::SignedIdentity;
use crate::options::TrunkOptions;
use crate::passport::date;
use crate::trunk::reputation::Reputation;

impl Gateway {
    /// Who calls, signed now; nothing where the trunk wants none, or the time of day is not known.
    pub(super) fn signed_identity(
        &self,
        trunk: &TrunkOptions,
        from: &str,
        to: &str,
        now: Duration,
    ) -> Option<SignedIdentity> {
        let signing = trunk.signing.as_ref()?;
        let since = i64::try_from(now.as_secs()).ok()?;
        let at = self.started_at?.checked_add(since)?;
        let identity = signing.identity(from, to, at);
        if identity.is_none() {
            tracing::warn!(trunk = %trunk.name, "a call can't be signed; it goes out without Identity");
        }
        Some(SignedIdentity { identity: identity?, date: date(at) })
    }

    /// Notes what became of a call of ours for the number that it showed.
    pub(super) fn number_fared(&mut self, call: CallId, what: impl FnOnce(&mut Reputation), now: Duration) {
        let Some(known) = self.calls.get(&call).filter(|known| !known.incoming) else { return };
        if let Some(trunk) = self.trunks.get_mut(known.trunk) {
            trunk.number_fared(&known.route.caller_id, what, now);
        }
    }
}
