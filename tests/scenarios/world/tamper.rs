//! Planted faults: each is a lie between the node and its surroundings, and each must be caught by the checker that is
//! meant for it. Without one, everything passes through as it is.

use std::collections::BTreeSet;
use std::time::Duration;

use carillon::demo::party::sdp;
use carillon::demo::party::text::Text;
use carillon_core::attempt::outcome::Outcome;
use carillon_core::campaign::spec::{CampaignSpec, Mode};
use carillon_core::contact::ListedContact;
use carillon_core::store::write::Write;
use carillon_core::time::Utc;
use carillon_sip::command::AgentLegMode;

use super::cast::{CARRIER, address, user};
use super::media::PACKET;
use super::plan::{Plan, Step};

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operator's suppressions reach neither disk nor node.
    SuppressionForgotten,
    /// The node's wall clock is ten minutes slow.
    ClockSlow,
    /// A second INVITE for the same person follows the first.
    CalledTwice,
    /// The disk says that a batch is durable before it is.
    EarlyWord,
    /// The node has been given more attempts than the operator allows.
    TooManyAttempts,
    /// The disk takes a second outcome.
    SecondOutcome,
    /// A crash takes an outcome with it that had been called durable.
    OutcomeLost,
    /// A CANCEL leaves five seconds after the INVITE.
    EarlyCancel,
    /// INVITEs are held back and leave in bursts.
    Burst,
    /// The first packet to whoever picked up leaves seconds late.
    LateAudio,
    /// The node is told that a busy callee picked up.
    FalseAnswer,
    /// The list reaches the disk without its owners.
    OwnersForgotten,
    /// The node has been given the same weight for every campaign.
    WeightsForgotten,
    /// The books give every call to the same agent.
    OneAgentForAll,
    /// What an earlier process left is never ended.
    OrphansForgotten,
    /// The note that an INVITE left is lost.
    LaunchUncounted,
    /// The node has been given no limit of abandoned calls.
    NoLimit,
    /// The node lets people wait for an agent a tenth of a second only.
    Impatient,
    /// The node hears nothing more of tasks that are due.
    ListForgotten,
    /// A stranger knows the branches of our INVITEs, so that a forged refusal is believed. Only a comparison with the same
    /// world without strangers shows it.
    BranchKnown,
}

impl Fault {
    /// All of them, and who must catch each.
    pub const ALL: [(Self, &'static str); 19] = [
        (Self::SuppressionForgotten, "suppression"),
        (Self::ClockSlow, "window"),
        (Self::CalledTwice, "single"),
        (Self::EarlyWord, "intent_first"),
        (Self::TooManyAttempts, "closure"),
        (Self::SecondOutcome, "one_ending"),
        (Self::OutcomeLost, "one_ending"),
        (Self::EarlyCancel, "ring_long_enough"),
        (Self::Burst, "caps"),
        (Self::LateAudio, "two_seconds"),
        (Self::FalseAnswer, "no_false_answer"),
        (Self::OwnersForgotten, "owners"),
        (Self::WeightsForgotten, "shares"),
        (Self::OneAgentForAll, "one_call_per_agent"),
        (Self::OrphansForgotten, "restart"),
        (Self::LaunchUncounted, "conservation"),
        (Self::NoLimit, "hard_stop"),
        (Self::Impatient, "abandon_limit"),
        (Self::ListForgotten, "liveness"),
    ];

    /// A world in which it shows.
    pub fn plan(self) -> Plan {
        let mut plan = Plan::calm(7, 6, 120);
        let at = Duration::from_secs;
        match self {
            Self::SuppressionForgotten => plan.script.push((at(30), Step::Suppress((0..120).collect()))),
            Self::OutcomeLost => {
                plan.calm = false;
                let deaths = (0..4_u64).map(|death| {
                    let back_after = Duration::from_secs(2);
                    (Duration::from_millis(40_123 + death * 60_777), Step::Kill { back_after })
                });
                plan.script.extend(deaths);
            }
            Self::OrphansForgotten => {
                plan.calm = false;
                plan.script.push((at(60), Step::Kill { back_after: at(2) }));
            }
            Self::TooManyAttempts => {
                plan.contacts.truncate(25);
                plan.spec.closure.attempts_max = 2;
                plan.spec.closure.retry.values_mut().for_each(|delay| *delay = at(20));
            }
            Self::Burst => plan.calls_per_second = 3.0,
            Self::WeightsForgotten => {
                plan = Plan::calm(7, 6, 300);
                plan.shared = Some([5, 1]);
            }
            Self::NoLimit => {
                plan.spec.mode = Mode::Ratio;
                plan.spec.ratio = 4.0;
                plan.callees.shares.person += plan.callees.shares.no_answer;
                plan.callees.shares.no_answer = 0.0;
            }
            Self::OwnersForgotten => {
                plan.contacts.iter_mut().step_by(2).for_each(|contact| contact.owner = Some(user(3)));
            }
            Self::Impatient => plan.leg = AgentLegMode::PerCall,
            Self::ClockSlow
            | Self::CalledTwice
            | Self::EarlyWord
            | Self::SecondOutcome
            | Self::EarlyCancel
            | Self::LateAudio
            | Self::FalseAnswer
            | Self::OneAgentForAll
            | Self::LaunchUncounted
            | Self::ListForgotten
            | Self::BranchKnown => {}
        }
        plan.planted = Some(self);
        plan
    }
}

/// When a datagram leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    Now,
    At(Duration),
    Never,
}

/// The liar.
#[derive(Debug)]
pub struct Tamper {
    fault: Option<Fault>,
    /// Call-IDs of the present process.
    own: BTreeSet<String>,
    endings: u32,
}

impl Tamper {
    /// With the fault of a plan, or honest.
    pub fn new(fault: Option<Fault>) -> Self {
        Self { fault, own: BTreeSet::new(), endings: 0 }
    }

    /// Whether this is the fault.
    pub fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// The list as it reaches the disk.
    pub fn list(&self, mut contacts: Vec<ListedContact>) -> Vec<ListedContact> {
        if self.is(Fault::OwnersForgotten) {
            contacts.iter_mut().for_each(|contact| contact.owner = None);
        }
        contacts
    }

    /// The campaign as the node is given it.
    pub fn spec(&self, spec: &CampaignSpec) -> CampaignSpec {
        let mut spec = spec.clone();
        if self.is(Fault::TooManyAttempts) {
            spec.closure.attempts_max = 5;
        }
        if self.is(Fault::NoLimit) {
            spec.abandon_limit = 1.0;
        }
        if self.is(Fault::WeightsForgotten) {
            spec.weight = 1;
        }
        if self.is(Fault::Impatient) {
            spec.abandon_after = Duration::from_millis(100);
        }
        spec
    }

    /// The wall clock as the node reads it.
    pub fn utc(&self, utc: Utc) -> Utc {
        if self.is(Fault::ClockSlow) { Utc(utc.0 - 600_000) } else { utc }
    }

    /// How long the first packet takes to leave.
    pub fn first_packet(&self) -> Duration {
        if self.is(Fault::LateAudio) { Duration::from_millis(2_500) } else { PACKET }
    }

    /// Whether the disk calls a batch durable before it is.
    pub fn speaks_early(&self, writes: &[Write]) -> bool {
        self.is(Fault::EarlyWord) && writes.iter().any(|write| matches!(write, Write::Intent(_)))
    }

    /// A batch as the disk gets it.
    pub fn batch(&self, mut writes: Vec<Write>) -> Vec<Write> {
        if self.is(Fault::LaunchUncounted) {
            writes.retain(|write| !matches!(write, Write::Placed { attempt, .. } if attempt.0 % 5 == 0));
        }
        if self.is(Fault::OneAgentForAll) {
            for write in &mut writes {
                if let Write::Bridged { agent, .. } = write {
                    "agent0".clone_into(agent);
                }
            }
        }
        writes
    }

    /// What the disk shows of a commit.
    pub fn commit(&mut self, writes: &mut Vec<Write>) {
        if self.is(Fault::SecondOutcome)
            && let Some(Write::Ended(ended)) = writes.iter().find(|write| matches!(write, Write::Ended(_)))
        {
            self.endings += 1;
            if self.endings == 10 {
                let mut second = ended.clone();
                second.outcome = Outcome::Failed;
                writes.push(Write::Ended(second));
            }
        }
    }

    /// A new process began; what was called before is not its own.
    pub fn new_life(&mut self) {
        self.own.clear();
    }

    /// When a datagram of the node leaves.
    pub fn departure(&mut self, text: &Text, now: Duration) -> Departure {
        let method = text.method().unwrap_or_default();
        let first = method == "INVITE" && text.to_tag().is_empty();
        if first {
            self.own.insert(text.call_id().to_owned());
        }
        let ends = matches!(method, "BYE" | "CANCEL");
        if self.is(Fault::OrphansForgotten) && ends && !self.own.contains(text.call_id()) {
            return Departure::Never;
        }
        if self.is(Fault::Burst) && first && text.uri().contains(CARRIER) {
            let period_ms = 3_000;
            let periods = u64::try_from(now.as_millis()).unwrap_or(0) / period_ms + 1;
            return Departure::At(Duration::from_millis(periods * period_ms));
        }
        Departure::Now
    }

    /// What leaves for the carrier beside a datagram of the node, and when.
    pub fn forged(&self, text: &Text, bytes: &[u8], now: Duration) -> Option<(Duration, Vec<u8>)> {
        let first =
            text.method() == Some("INVITE") && text.to_tag().is_empty() && text.uri().contains(CARRIER);
        if !first {
            return None;
        }
        let invite = String::from_utf8_lossy(bytes).into_owned();
        if self.is(Fault::CalledTwice) {
            let (call_id, branch) = (text.call_id(), text.branch());
            let other =
                invite.replace(call_id, &format!("{call_id}2")).replace(branch, &format!("{branch}x"));
            return Some((now + Duration::from_millis(100), other.into_bytes()));
        }
        if self.is(Fault::EarlyCancel) {
            let head = invite.split("\r\n\r\n").next().unwrap_or_default();
            let lines = head.split("\r\n").filter(|line| !line.starts_with("Content-"));
            let head = lines.collect::<Vec<_>>().join("\r\n").replace("INVITE", "CANCEL");
            let cancel = format!("{head}\r\nContent-Length: 0\r\n\r\n");
            return Some((now + Duration::from_secs(5), cancel.into_bytes()));
        }
        None
    }

    /// Junk as it is sent; `invite` is the INVITE that it may be forged upon.
    pub fn junk(&self, bytes: Vec<u8>, invite: Option<&Text>) -> Vec<u8> {
        match (invite, Text::read(&bytes)) {
            (Some(invite), Some(text)) if self.is(Fault::BranchKnown) && text.status() == Some(603) => {
                let (cseq, _) = invite.cseq();
                let forged = String::from_utf8_lossy(&bytes).replace(text.branch(), invite.branch());
                forged.replace("CSeq: 1 ", &format!("CSeq: {cseq} ")).into_bytes()
            }
            _ => bytes,
        }
    }

    /// A datagram as it reaches the node.
    pub fn arrival(&self, text: &Text, bytes: Vec<u8>) -> Vec<u8> {
        if self.is(Fault::FalseAnswer) && text.status() == Some(486) && text.cseq().1 == "INVITE" {
            let whole = String::from_utf8_lossy(&bytes).into_owned();
            let head = whole.split("\r\n\r\n").next().unwrap_or_default();
            let lines = head.split("\r\n").skip(1).filter(|line| !line.starts_with("Content-"));
            let head = lines.collect::<Vec<_>>().join("\r\n");
            let body = sdp::write(([10, 0, 1, 1], 18_000).into(), 0, None, 1);
            return format!(
                "SIP/2.0 200 OK\r\n{head}\r\nContact: <sip:x@{CARRIER}>\r\nContent-Type: application/sdp\r\nContent-Length: \
                 {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes();
        }
        bytes
    }

    /// Whether a datagram towards `to` may be tampered with on its way.
    pub fn concerns(&self, to: std::net::SocketAddr) -> bool {
        self.fault.is_some() && to == address(CARRIER)
    }
}
