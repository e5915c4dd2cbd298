//! What the gateway counts, for metrics.

/// Monotonic counters since start. Read with [`super::Gateway::counters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// STUN binding requests answered.
    pub stun_answered: u64,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// Datagrams given to the sockets.
    pub datagrams_sent: u64,
    /// Datagrams that were not SIP or could not be answered; dropped in silence.
    pub datagrams_dropped: u64,
    /// Broken requests that were answered (400, 505 ...).
    pub malformed_answered: u64,
    /// In-dialog requests that came from somewhere else than the peer.
    pub foreign_source: u64,
    /// Requests of strangers that got no answer.
    pub strangers: u64,
    /// Requests outside any dialog that were answered by the stray desk.
    pub strays: u64,
    /// First INVITEs of calls sent to trunks.
    pub invites_sent: u64,
    /// Calls from outside that were taken.
    pub incoming: u64,
    /// Calls from outside that were refused: nobody's number, no room, nothing we could speak.
    pub incoming_refused: u64,
    /// Colleagues whom agents called for advice.
    pub consultations: u64,
    /// Calls of agents' phones that were refused, challenges apart: nobody to be had, or no customer to ask about.
    pub consultations_refused: u64,
    /// Calls that agents took over on another phone of theirs.
    pub takeovers: u64,
    /// Takeovers that were refused, challenges apart.
    pub takeovers_refused: u64,
    /// Calls that went on to another trunk after one had failed.
    pub diverted: u64,
    /// 200 responses of other forks that got ACK and BYE.
    pub forks_ended: u64,
    /// REGISTER requests refused for a wrong or missing digest.
    pub register_refused: u64,
    /// REGISTER requests of unknown sources that were dropped unread: too many, or from too many sources.
    pub register_limited: u64,
    /// REGISTER requests that were dropped unread: too many passwords of late were wrong.
    pub register_guessed: u64,
    /// REGISTER requests granted.
    pub register_granted: u64,
    /// New requests refused with 503 because there was too much to do.
    pub shed: u64,
    /// Orphaned dialogs that were ended.
    pub orphans_ended: u64,
    /// Requests of ours that could not be written or found the transaction table full.
    pub unsent: u64,
}
