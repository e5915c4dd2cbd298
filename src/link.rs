//! The link between the dialer and the gateway: each speaks its own language, this room translates.
//!
//! Pure and exhaustive: a new output or event does not compile until it has its translation here. The only place
//! where a trunk INVITE ([`PlaceCall`]) is built, and only from an [`Output::Place`], which holds a permit.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use carillon_core::attempt::table::{Outcomes, Rule};
use carillon_core::id::{AttemptId, CampaignId, RequestId, Ticket};
use carillon_core::inbound::Offered;
use carillon_core::input::{EndedBy, Failure, Input, Recording};
use carillon_core::output::{Output, Refused, Reply};
use carillon_core::store::write::{BindingRow, CallDialog, CallRoute, NumberRow, OrphanRow, Write};
use carillon_core::time::Utc;
use carillon_core::trunk::sharing::{Prices, Share, Sharing};
use carillon_core::trunk::{Room, TrunkRoom};
use carillon_sip::command::{AgentLegMode, Binding, Command, Orphan, PlaceCall};
use carillon_sip::event::{self, Dialog, Event, Route, TrunkState};
use carillon_sip::id::{CallId, OfferId};
use carillon_sip::media::RecordingDone;
use carillon_sip::media::prompt::Prompt;
use carillon_sip::options::TrunkOptions;
use carillon_sip::resolve::Target;
use carillon_sip::trunk::caller_ids::NumberBook;
use carillon_sip::trunk::reputation::Reputation;

use crate::clock::{CampaignClock, RealNow};

/// Trunks are compared by what a call of this length costs: with long increments short calls are dear.
const RECKONED: Duration = Duration::from_secs(30);

/// Directory of recordings within the report's directory.
pub const RECORDINGS: &str = "recordings";

/// What translation needs to know beside the value itself.
pub struct Surroundings<'a> {
    /// How agents' phones are attached.
    pub leg: AgentLegMode,
    /// The report's directory; recordings go to [`RECORDINGS`] in it.
    pub directory: &'a Path,
    /// Campaign time.
    pub clock: &'a CampaignClock,
    /// The present.
    pub now: RealNow,
    /// The campaign's safe-harbour message.
    pub prompt: &'a dyn Fn(CampaignId) -> Option<Arc<Prompt>>,
    /// What the campaign's callers hear whom nobody could take.
    pub message: &'a dyn Fn(CampaignId) -> Option<Arc<Prompt>>,
}

/// An output of the dialer, translated.
#[derive(Debug)]
pub enum Errand {
    /// For the gateway.
    Gateway(Command),
    /// For the store.
    Record {
        /// Named in the answer.
        ticket: Ticket,
        /// All or nothing.
        writes: Arc<[Write]>,
    },
    /// For the store.
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
    /// For the store.
    FindCaller {
        /// Named in the answer.
        call: AttemptId,
        /// In whose lists to look.
        campaigns: Vec<CampaignId>,
        /// E.164 with `+`.
        number: String,
    },
    /// For whoever asked.
    Reply {
        /// Which request.
        request: RequestId,
        /// Done or why not.
        result: Result<Reply, Refused>,
    },
    /// The campaign has ended.
    Finished {
        /// Which.
        campaign: CampaignId,
    },
    /// A stored value that this version can't read; nothing can be done for it.
    Unreadable {
        /// What it was.
        what: &'static str,
    },
}

/// Translates what the dialer wants done.
pub fn errand(output: Output, around: &Surroundings<'_>) -> Errand {
    let gateway = match output {
        Output::Reserve { attempt, number, first, trunks } => {
            Command::Reserve { call: call(attempt), number, first, trunks }
        }
        Output::Release { attempt } => Command::Release { call: call(attempt) },
        Output::Place { permit, route } => {
            let Some(route) = gateway_route(&route) else { return Errand::Unreadable { what: "route" } };
            let left = permit.expires_at().since(around.clock.now(around.now).utc);
            let not_after = around.now.monotonic.saturating_add(around.clock.real_length(left));
            Command::Place(PlaceCall { call: call(permit.attempt()), route, not_after })
        }
        Output::Ring { offer, call: id } => Command::Ring { offer: OfferId(offer), call: call(id) },
        Output::Refuse { offer, status } => Command::Refuse { offer: OfferId(offer), status },
        Output::FindCaller { call, campaigns, number } => {
            return Errand::FindCaller { call, campaigns, number };
        }
        Output::PlayMessage { attempt, campaign } => match (around.message)(campaign) {
            Some(prompt) => Command::PlayAndHangUp { call: call(attempt), prompt },
            None => Command::HangUp { call: call(attempt) },
        },
        Output::HangUp { attempt } => Command::HangUp { call: call(attempt) },
        Output::Connect { attempt, agent, record } => Command::Connect {
            call: call(attempt),
            user: agent,
            record: record.then(|| around.directory.join(RECORDINGS).join(recording_name(attempt))),
        },
        Output::Disconnect { attempt } => Command::Disconnect { call: call(attempt) },
        Output::PlaySafeHarbour { attempt, campaign } => match (around.prompt)(campaign) {
            Some(prompt) => Command::PlayAndHangUp { call: call(attempt), prompt },
            None => Command::HangUp { call: call(attempt) },
        },
        Output::SignOn { agent } => Command::SignOn { user: agent, leg: around.leg },
        Output::SignOff { agent } => Command::SignOff { user: agent },
        Output::Adopt(row) => match orphan(&row) {
            Some(orphan) => Command::Adopt(Box::new(orphan)),
            None => return Errand::Unreadable { what: "orphan" },
        },
        Output::Record { ticket, writes } => return Errand::Record { ticket, writes },
        Output::Fetch { campaign, limit, owners, now } => {
            return Errand::Fetch { campaign, limit, owners, now };
        }
        Output::Reply { request, result } => return Errand::Reply { request, result },
        Output::Finished { campaign } => return Errand::Finished { campaign },
    };
    Errand::Gateway(gateway)
}

/// An event of the gateway, translated.
#[derive(Debug)]
pub enum News {
    /// For the dialer.
    Dialer(Input),
    /// For whoever watches the trunks.
    Trunk {
        /// Its name.
        name: String,
        /// Its state.
        state: TrunkState,
    },
    /// For whoever connects to the trunks.
    Moved {
        /// The trunk's name.
        name: String,
        /// All of its servers.
        targets: Vec<Target>,
    },
}

/// Translates what the gateway tells.
pub fn news(event: Event, now: RealNow) -> News {
    News::Dialer(match event {
        Event::Reserved { call, route } => {
            Input::Reserved { attempt: attempt(call), route: core_route(&route) }
        }
        Event::Diverted { call, failure, route } => Input::Diverted {
            attempt: attempt(call),
            failure: core_failure(failure),
            route: core_route(&route),
        },
        Event::Busy { call, reason: event::BusyReason::Destination } => {
            Input::NotAllowed { attempt: attempt(call) }
        }
        Event::Busy { call, reason: _ } => Input::Busy { attempt: attempt(call) },
        Event::Incoming(incoming) => {
            let event::Incoming { offer, trunk, number, caller, diversion, history_info, identity } =
                *incoming;
            let identity = identity.word().to_owned();
            let offer = offer.0;
            Input::Offered(Offered { offer, trunk, number, caller, diversion, history_info, identity })
        }
        Event::Placed { call } => Input::Placed { attempt: attempt(call) },
        Event::Ringing { call, status: _, early_media } => {
            Input::Ringing { attempt: attempt(call), early_media }
        }
        Event::Answered { call, dialog } => {
            Input::Answered { attempt: attempt(call), dialog: core_dialog(&dialog) }
        }
        Event::Failed { call, failure } => {
            Input::Failed { attempt: attempt(call), failure: core_failure(failure) }
        }
        Event::Ended { call, by, reason } => {
            Input::Ended { attempt: attempt(call), by: core_ended_by(by), reason: reason.to_owned() }
        }
        Event::Connected { call, user: _ } => Input::Connected { attempt: attempt(call) },
        Event::ConnectFailed { call, user, reason: _ } => {
            Input::ConnectFailed { attempt: attempt(call), agent: user }
        }
        Event::AgentLeft { call, user: _ } => Input::AgentLeft { attempt: attempt(call) },
        Event::HandedOver { call, user } => Input::HandedOver { attempt: attempt(call), agent: user },
        Event::AgentHeard { call, after_answer } => {
            Input::AgentHeard { attempt: attempt(call), after_answer }
        }
        Event::PromptStarted { call } => Input::MessageStarted { attempt: attempt(call) },
        Event::Recorded { call, recording } => {
            Input::Recorded { attempt: attempt(call), recording: core_recording(attempt(call), recording) }
        }
        Event::AgentReachable { user, leg } => {
            Input::AgentReachable { agent: user, leg: leg.as_ref().map(core_dialog) }
        }
        Event::AgentEngaged { user } => Input::AgentEngaged { agent: user },
        Event::AgentUnreachable { user, reason: _ } => Input::AgentUnreachable { agent: user },
        Event::AgentLegCalling { user, route } => {
            Input::AgentLegCalling { agent: user, route: core_route(&route) }
        }
        Event::AgentLegMoved { user, route, leg } => {
            Input::AgentLegMoved { agent: user, route: core_route(&route), leg: core_dialog(&leg) }
        }
        Event::LineUp { route, leg } => Input::LineUp { route: core_route(&route), leg: core_dialog(&leg) },
        Event::LineOver { call_id } => Input::LineOver { call_id },
        Event::Registered(binding) => Input::Registered(core_binding(&binding, now)),
        Event::Preferred { user, device } => Input::Preferred { user, device },
        Event::Numbers(books) => {
            Input::Numbers(books.into_iter().map(|book| core_number(book, now)).collect())
        }
        Event::Unregistered { user, binding } => Input::Unregistered { user, binding },
        Event::Trunk { name, state } => return News::Trunk { name, state },
        Event::Moved { name, targets } => return News::Moved { name, targets },
    })
}

/// The gateway's room, with the names that its trunks have in the options.
pub fn room(room: &event::Room, trunks: &[TrunkOptions]) -> Room {
    let named = |it: &event::TrunkRoom| {
        let event::TrunkRoom { trunk, lines_free, calls_per_second_free } = *it;
        let name = trunks.get(trunk)?.name.clone();
        Some(TrunkRoom { name, lines_free, calls_per_second_free })
    };
    Room { lines_free: room.lines_free, trunks: room.trunks.iter().filter_map(named).collect() }
}

/// What trunks mean by their refusals, as the dialer has it; the configuration has read each line before.
pub fn outcomes(trunks: &[TrunkOptions]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for trunk in trunks {
        let rules = trunk.outcomes.iter().filter_map(|line| Rule::parse(line).ok());
        outcomes.insert(&trunk.name, rules.collect());
    }
    outcomes
}

/// How trunks share the calls, as the dialer has it.
pub fn sharing(trunks: &[TrunkOptions]) -> Sharing {
    let share = |trunk: &TrunkOptions| Share {
        name: trunk.name.clone(),
        priority: trunk.priority,
        weight: trunk.weight,
        prices: trunk.rates.as_ref().map(|rates| {
            Prices::new(rates.iter().map(|(prefix, rate)| (prefix.to_owned(), rate.charge(RECKONED))))
        }),
    };
    Sharing::new(trunks.iter().map(share).collect())
}

/// A stored registration as the gateway wants it back; `None` when it has ended or can't be read.
pub fn binding(row: &BindingRow, now: RealNow) -> Option<Binding> {
    let expires_in = row.expires_at.since(now.utc);
    if expires_in == Duration::ZERO {
        return None;
    }
    Some(Binding {
        user: row.user.clone(),
        contact: row.contact.clone(),
        address: row.address.parse().ok()?,
        local: row.local.parse().ok()?,
        expires_in,
        bound_for: now.utc.since(row.bound_at),
        call_id: row.call_id.clone(),
        cseq: row.cseq,
        instance: row.instance.clone(),
        reg_id: row.reg_id,
        q: row.q,
        path: row.path.clone(),
    })
}

/// What was stored of a number, as the gateway wants it back.
pub fn number(row: &NumberRow, now: RealNow) -> NumberBook {
    NumberBook {
        trunk: row.trunk.clone(),
        number: row.number.clone(),
        reputation: Reputation { calls: row.calls, answers: row.answers, unwanted: row.unwanted },
        rests_for: row.rests_until.map(|at| at.since(now.utc)).filter(|left| !left.is_zero()),
        today: row.today,
        day_left: row.day_ends_at.since(now.utc),
        shown_ago: row.shown_at.map(|at| now.utc.since(at)),
    }
}

fn core_number(book: NumberBook, now: RealNow) -> NumberRow {
    let Reputation { calls, answers, unwanted } = book.reputation;
    NumberRow {
        trunk: book.trunk,
        number: book.number,
        calls,
        answers,
        unwanted,
        rests_until: book.rests_for.map(|left| now.utc.after(left)),
        today: book.today,
        day_ends_at: now.utc.after(book.day_left),
        shown_at: book.shown_ago.map(|ago| now.utc.before(ago)),
    }
}

fn call(attempt: AttemptId) -> CallId {
    CallId(attempt.0)
}

fn attempt(call: CallId) -> AttemptId {
    AttemptId(call.0)
}

fn recording_name(attempt: AttemptId) -> String {
    format!("{attempt}.wav")
}

fn gateway_route(route: &CallRoute) -> Option<Route> {
    Some(Route {
        trunk: route.trunk.clone(),
        caller_id: route.caller_id.clone(),
        call_id: route.call_id.clone(),
        branch: route.branch.clone(),
        from_tag: route.from_tag.clone(),
        cseq: route.cseq,
        request_uri: route.request_uri.clone(),
        from_uri: route.from_uri.clone(),
        to_uri: route.to_uri.clone(),
        next_hop: route.next_hop.parse().ok()?,
        local: route.local.parse().ok()?,
    })
}

fn core_route(route: &Route) -> CallRoute {
    CallRoute {
        trunk: route.trunk.clone(),
        caller_id: route.caller_id.clone(),
        call_id: route.call_id.clone(),
        branch: route.branch.clone(),
        from_tag: route.from_tag.clone(),
        cseq: route.cseq,
        request_uri: route.request_uri.clone(),
        from_uri: route.from_uri.clone(),
        to_uri: route.to_uri.clone(),
        next_hop: route.next_hop.to_string(),
        local: route.local.to_string(),
    }
}

fn gateway_dialog(dialog: &CallDialog) -> Option<Dialog> {
    Some(Dialog {
        call_id: dialog.call_id.clone(),
        local_tag: dialog.local_tag.clone(),
        remote_tag: dialog.remote_tag.clone(),
        local_uri: dialog.local_uri.clone(),
        remote_uri: dialog.remote_uri.clone(),
        remote_target: dialog.remote_target.clone(),
        route_set: dialog.route_set.clone(),
        local_cseq: dialog.local_cseq,
        next_hop: dialog.next_hop.parse().ok()?,
        local: dialog.local.parse().ok()?,
    })
}

fn core_dialog(dialog: &Dialog) -> CallDialog {
    CallDialog {
        call_id: dialog.call_id.clone(),
        local_tag: dialog.local_tag.clone(),
        remote_tag: dialog.remote_tag.clone(),
        local_uri: dialog.local_uri.clone(),
        remote_uri: dialog.remote_uri.clone(),
        remote_target: dialog.remote_target.clone(),
        route_set: dialog.route_set.clone(),
        local_cseq: dialog.local_cseq,
        next_hop: dialog.next_hop.to_string(),
        local: dialog.local.to_string(),
    }
}

fn orphan(row: &OrphanRow) -> Option<Orphan> {
    let dialog = match &row.dialog {
        Some(dialog) => Some(gateway_dialog(dialog)?),
        None => None,
    };
    Some(Orphan { route: gateway_route(&row.route)?, dialog })
}

fn core_binding(binding: &Binding, now: RealNow) -> BindingRow {
    BindingRow {
        user: binding.user.clone(),
        contact: binding.contact.clone(),
        binding: binding.key(),
        address: binding.address.to_string(),
        local: binding.local.to_string(),
        bound_at: now.utc.before(binding.bound_for),
        expires_at: now.utc.after(binding.expires_in),
        call_id: binding.call_id.clone(),
        cseq: binding.cseq,
        instance: binding.instance.clone(),
        reg_id: binding.reg_id,
        q: binding.q,
        path: binding.path.clone(),
    }
}

fn core_recording(attempt: AttemptId, recording: Result<RecordingDone, String>) -> Result<Recording, String> {
    let RecordingDone { path: _, duration_ms, sha256 } = recording?;
    Ok(Recording { file: format!("{RECORDINGS}/{}", recording_name(attempt)), duration_ms, sha256 })
}

fn core_failure(failure: event::Failure) -> Failure {
    match failure {
        event::Failure::Status(status) => Failure::Status(status),
        event::Failure::Caused { status, cause } => Failure::Caused { status, cause },
        event::Failure::Cancelled => Failure::Cancelled,
        event::Failure::Timeout => Failure::Timeout,
        event::Failure::Transport => Failure::Transport,
        event::Failure::Expired => Failure::Expired,
        event::Failure::Media => Failure::Media,
        event::Failure::Ports => Failure::Ports,
        event::Failure::Unsigned => Failure::Unsigned,
    }
}

fn core_ended_by(by: event::EndedBy) -> EndedBy {
    match by {
        event::EndedBy::Peer => EndedBy::Callee,
        event::EndedBy::Us => EndedBy::Us,
        event::EndedBy::Agent => EndedBy::Agent,
        event::EndedBy::Network => EndedBy::Network,
    }
}
