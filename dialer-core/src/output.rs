//! What the dialer wants done. A closed set of values; the shell carries them out in order.

use std::sync::Arc;

use crate::compliance::permit::Permit;
use crate::id::{AttemptId, CampaignId, RequestId, Ticket};
use crate::store::write::{CallRoute, OrphanRow, Write};
use crate::time::Utc;

/// One thing to be done.
#[derive(Debug)]
pub enum Output {
    /// Hold a line; answered by `Reserved` or `Busy`.
    Reserve {
        /// New attempt.
        attempt: AttemptId,
        /// E.164 with `+`.
        number: String,
        /// The trunk that the decision reckoned with; taken where it still has room. The route names the one that was.
        first: Option<String>,
        /// Trunks that may be used, in order; empty means all.
        trunks: Vec<String>,
    },
    /// Give a held line back.
    Release {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Make a batch durable, all or nothing; answered by `Stored`.
    Record {
        /// Named in the answer.
        ticket: Ticket,
        /// What to write, in order. Whoever asks keeps them too, in case the store is away.
        writes: Arc<[Write]>,
    },
    /// Place the call. The permit is consumed here; nothing else can cause a trunk INVITE.
    Place {
        /// The right to place this one call.
        permit: Permit,
        /// Identifiers already recorded.
        route: CallRoute,
    },
    /// Take an inbound call: it rings.
    Ring {
        /// As offered.
        offer: u64,
        /// Its name from now on.
        call: AttemptId,
    },
    /// Refuse an inbound call.
    Refuse {
        /// As offered.
        offer: u64,
        /// SIP status.
        status: u16,
    },
    /// Ask the store who calls; answered by `CallerFound`.
    FindCaller {
        /// The call.
        call: AttemptId,
        /// In whose lists to look; the first of equals is taken.
        campaigns: Vec<CampaignId>,
        /// E.164 with `+`.
        number: String,
    },
    /// Play the campaign's message to a caller, then hang up.
    PlayMessage {
        /// The call.
        attempt: AttemptId,
        /// Whose message.
        campaign: CampaignId,
    },
    /// End the call in whatever state it is.
    HangUp {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Join callee and agent.
    Connect {
        /// The attempt.
        attempt: AttemptId,
        /// The agent's user.
        agent: String,
        /// Whether to record.
        record: bool,
    },
    /// Part callee and agent; the callee stays.
    Disconnect {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Play the campaign's safe-harbour message, then hang up.
    PlaySafeHarbour {
        /// The attempt.
        attempt: AttemptId,
        /// Whose message.
        campaign: CampaignId,
    },
    /// Attach the agent's phone.
    SignOn {
        /// The agent's user.
        agent: String,
    },
    /// Let go of the agent's phone.
    SignOff {
        /// The agent's user.
        agent: String,
    },
    /// Ask the store for due tasks; answered by `Fetched`.
    Fetch {
        /// The campaign.
        campaign: CampaignId,
        /// Most tasks without an owner wanted.
        limit: u32,
        /// Owners some of whose tasks are wanted.
        owners: Vec<String>,
        /// Due at or before this.
        now: Utc,
    },
    /// See to a call that an earlier process may have left.
    Adopt(OrphanRow),
    /// Answer to an operator's or agent's request.
    Reply {
        /// Which request.
        request: RequestId,
        /// Done (with the new campaign's id where one was made), or why not.
        result: Result<Reply, Refused>,
    },
    /// The campaign has ended: every task closed, nothing due before its limit, or stopped; and no call is up.
    Finished {
        /// The campaign.
        campaign: CampaignId,
    },
}

/// A request was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Done,
    /// A campaign was created.
    Campaign(CampaignId),
}

/// A request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such campaign, agent or attempt.
    #[error("{0} is not known")]
    Unknown(String),
    /// Its state does not allow it.
    #[error("{0}")]
    State(String),
    /// The request is wrong; names the field.
    #[error("{0}")]
    Invalid(String),
    /// A limit is reached.
    #[error("{0}")]
    Full(String),
    /// The store could not make it durable.
    #[error("the store is not available")]
    Store,
}
