//! A world's plan: everything that its seed decides before it starts.

use std::collections::BTreeMap;
use std::time::Duration;

use carillon::demo::party::plan::{Faults, Plan as Callees, Shares, Spread};
use carillon_core::attempt::outcome::Outcome;
use carillon_core::campaign::spec::{
    CampaignSpec, ClosureSpec, Day, InboundSpec, Jurisdiction, Mode, Window, WrapUp,
};
use carillon_core::contact::ListedContact;
use carillon_core::time::Utc;
use carillon_sip::command::AgentLegMode;

use super::cast::{CALLED, trunk_name, user};
use super::dice::Dice;
use super::junk::KINDS;
use super::net::Conditions;
use super::seconds::Wish;
use super::tamper::Fault;

/// 2026-11-20 12:55 UTC, a Friday: five minutes before nine in the evening in Shanghai and before eight in New York.
const BEGIN: Utc = Utc(1_795_179_300_000);
/// Zones of contacts with their offsets from UTC in minutes in November.
pub const ZONES: [(&str, i64); 4] =
    [("UTC", 0), ("Asia/Shanghai", 480), ("America/New_York", -300), ("Asia/Kolkata", 330)];
/// Calls are made from this minute of the contact's day until the other.
pub const OPEN_MINUTES: (i64, i64) = (8 * 60, 21 * 60);
/// What agents do after a call lasts this long.
pub const WRAP_UP: Duration = Duration::from_secs(5);
/// Whatever is broken in a world is whole again by then.
pub const FAULTS_END: Duration = Duration::from_secs(10 * 60);
/// How long a world places calls: beyond the faults, so that what they leave behind shows.
pub const PLACING: Duration = Duration::from_secs(12 * 60);

/// What the world's script does at a time.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `kill -9`; the process comes back after this long.
    Kill { back_after: Duration },
    /// The operator pauses the campaign.
    Pause,
    /// The operator starts it again.
    Start,
    /// These contacts (by index) are suppressed.
    Suppress(Vec<usize>),
    /// An agent's phone loses power.
    PhoneOff(usize),
    /// It is switched on again.
    PhoneOn(usize),
    /// An agent presses the red button of the phone.
    PhoneHangsUp(usize),
    /// The contact of this index calls; one beyond the list is nobody of it.
    Calls(usize),
    /// An agent does something with the second phone.
    Second(usize, Wish),
    /// A stranger or a broken peer sends something.
    Junk(usize),
}

/// A trunk beside the first: its carrier reaches the same numbers by another way, and they answer otherwise.
#[derive(Clone, Debug)]
pub struct OtherTrunk {
    /// What callees do.
    pub callees: Callees,
    /// Its lines.
    pub max_calls: u32,
    /// Its rate.
    pub calls_per_second: f64,
}

/// The plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its seed.
    pub seed: u64,
    /// Agents.
    pub agents: usize,
    /// The list.
    pub contacts: Vec<ListedContact>,
    /// The campaign.
    pub spec: CampaignSpec,
    /// Two campaigns of that kind share the agents by these weights and the list in the same proportion.
    pub shared: Option<[u32; 2]>,
    /// How phones are attached.
    pub leg: AgentLegMode,
    /// What callees do.
    pub callees: Callees,
    /// The network.
    pub net: Conditions,
    /// Share of commits that stall.
    pub stalls: f64,
    /// Lines of the first trunk.
    pub max_calls: u32,
    /// Its rate.
    pub calls_per_second: f64,
    /// Whether it wants digest.
    pub digest: bool,
    /// Further trunks.
    pub others: Vec<OtherTrunk>,
    /// What happens when.
    pub script: Vec<(Duration, Step)>,
    /// Wall clock at the start.
    pub begin: Utc,
    /// Nothing is broken: liveness is owed from the start.
    pub calm: bool,
    /// Whether what the node does takes its time.
    pub slow: bool,
    /// A planted fault.
    pub planted: Option<Fault>,
}

impl Plan {
    /// A world without faults: `agents` agents, `contacts` contacts, one line an agent.
    pub fn calm(seed: u64, agents: usize, contacts: usize) -> Self {
        Self {
            seed,
            agents,
            contacts: list(contacts),
            spec: spec(Mode::Progressive),
            shared: None,
            leg: AgentLegMode::Persistent,
            callees: callees(),
            net: Conditions::calm(),
            stalls: 0.0,
            max_calls: 100,
            calls_per_second: 20.0,
            digest: false,
            others: Vec::new(),
            script: Vec::new(),
            begin: BEGIN,
            calm: true,
            slow: false,
            planted: None,
        }
    }

    /// The world of a seed: ten agents, and every fault as the dice fall.
    pub fn seeded(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "plan");
        let contacts = 120 + dice.below(180) as usize;
        let mut plan = Self::calm(seed, 10, contacts);
        plan.begin = BEGIN.after(dice.between(0, 60_000));
        if dice.chance(0.6) {
            // Drawn apart, so that the rest of a world is what it was when there was only one of them.
            plan.spec.mode = match Dice::new(seed, "mode").below(4) {
                0 | 1 => Mode::Predictive,
                2 => Mode::Adaptive,
                _ => Mode::Ratio,
            };
            plan.spec.ratio = 1.2 + dice.unit() * 2.0;
            plan.spec.abandon_limit = [0.03, 0.1, 0.3][dice.below(3) as usize];
        }
        if dice.chance(0.1) {
            plan.spec.safe_harbour = None;
        }
        plan.give_owners();
        plan.share_agents();
        plan.spec.record = dice.chance(0.3);
        plan.leg = if dice.chance(0.3) { AgentLegMode::PerCall } else { AgentLegMode::Persistent };
        plan.max_calls = 6 + dice.below(30) as u32;
        plan.calls_per_second = 2.0 + dice.below(10) as f64;
        plan.digest = dice.chance(0.25);
        plan.give_trunks();
        if dice.chance(0.15) {
            return plan;
        }
        plan.calm = false;
        plan.net.loss = if dice.chance(0.7) { dice.unit() * 0.1 } else { 0.0 };
        plan.net.duplicate = if dice.chance(0.5) { dice.unit() * 0.1 } else { 0.0 };
        plan.net.late = if dice.chance(0.5) { dice.unit() * 0.2 } else { 0.0 };
        plan.stalls = if dice.chance(0.4) { dice.unit() * 0.03 } else { 0.0 };
        plan.callees.faults = Faults {
            forked_answer: dice.unit() * 0.1,
            late_answer: dice.unit() * 0.5,
            duplicate_answer: dice.unit() * 0.2,
            bye_at_once: dice.unit() * 0.1,
            silent: if dice.chance(0.3) { dice.unit() * 0.05 } else { 0.0 },
            reinvite: dice.unit() * 0.1,
            options: dice.unit() * 0.1,
        };
        plan.callees.never_hangs_up = dice.unit() * 0.1;
        plan.callees.early_media = dice.unit() * 0.5;
        plan.callees.pcma = dice.unit() * 0.5;
        if dice.chance(0.2) {
            plan.callees.shares.congestion += plan.callees.shares.no_answer;
            plan.callees.shares.no_answer = 0.0;
        }
        for other in &mut plan.others {
            other.callees = Callees { shares: other.callees.shares, ..plan.callees.clone() };
        }
        plan.misfortunes(&mut dice);
        plan
    }

    /// A trunk on which people answer with this share; who does not is not at home.
    pub fn other_trunk(&self, person: f64, max_calls: u32, calls_per_second: f64) -> OtherTrunk {
        let shares = Shares {
            person,
            machine: 0.0,
            busy: 0.0,
            no_answer: 1.0 - person,
            congestion: 0.0,
            rejected: 0.0,
            invalid: 0.0,
        };
        OtherTrunk { callees: Callees { shares, ..self.callees.clone() }, max_calls, calls_per_second }
    }

    /// In some worlds there are further trunks, of another answer rate each; the first one is then small, and
    /// not always the one to be filled first.
    fn give_trunks(&mut self) {
        let mut dice = Dice::new(self.seed, "trunks");
        if !dice.chance(0.35) {
            return;
        }
        for _ in 0..1 + dice.below(2) {
            let (lines, rate) = (1 + dice.below(12) as u32, 1.0 + dice.below(8) as f64);
            self.others.push(self.other_trunk([0.05, 0.2, 0.7][dice.below(3) as usize], lines, rate));
        }
        self.max_calls = 1 + dice.below(8) as u32;
        if dice.chance(0.5) {
            self.spec.trunks = (0..=self.others.len()).rev().map(trunk_name).collect();
        }
    }

    /// Lines and rate of each trunk.
    pub fn caps(&self) -> Vec<(usize, f64)> {
        let others = self.others.iter().map(|other| (other.max_calls as usize, other.calls_per_second));
        std::iter::once((self.max_calls as usize, self.calls_per_second)).chain(others).collect()
    }

    /// In some worlds a share of the contacts has owners: some agents or all of them.
    fn give_owners(&mut self) {
        let mut dice = Dice::new(self.seed, "owners");
        if !dice.chance(0.35) {
            return;
        }
        let (share, owners) = (dice.unit(), 1 + dice.below(self.agents as u64));
        for contact in &mut self.contacts {
            let owner = dice.chance(share).then(|| user(dice.below(owners) as usize));
            contact.owner = owner;
        }
    }

    /// In some worlds with one line an agent there are two campaigns.
    fn share_agents(&mut self) {
        let mut dice = Dice::new(self.seed, "sharing");
        let per_agent = self.spec.mode == Mode::Progressive || self.spec.safe_harbour.is_none();
        if per_agent && dice.chance(0.5) {
            self.shared = Some([1 + dice.below(4) as u32, 1 + dice.below(4) as u32]);
        }
    }

    /// The campaigns.
    pub fn specs(&self) -> Vec<CampaignSpec> {
        let Some(weights) = self.shared else { return vec![self.spec.clone()] };
        let of = |weight: u32| CampaignSpec { name: format!("world {weight}"), weight, ..self.spec.clone() };
        weights.map(of).to_vec()
    }

    /// The campaign, by its place, that a contact is on the list of.
    pub fn campaign_of(&self, contact: usize) -> usize {
        let Some([first, second]) = self.shared.map(|weights| weights.map(|weight| weight as usize)) else {
            return 0;
        };
        usize::from(contact % (first + second) >= first)
    }

    /// The list of the campaign at this place.
    pub fn list_of(&self, campaign: usize) -> Vec<ListedContact> {
        let all = self.contacts.iter().enumerate();
        all.filter(|(at, _)| self.campaign_of(*at) == campaign).map(|(_, contact)| contact.clone()).collect()
    }

    /// People call: of the list and others, all the time.
    pub fn take_callers(&mut self) {
        let mut dice = Dice::new(self.seed, "callers of the plan");
        let message = dice.chance(0.8).then(|| "nobody.wav".to_owned());
        let wait_max = dice.between(2_000, 20_000);
        let numbers = vec![CALLED.to_owned()];
        self.spec.inbound = InboundSpec { numbers, message, wait_max, ..InboundSpec::default() };
        self.max_calls += 30;
        let listed = self.contacts.len() as u64;
        for _ in 0..20 + dice.below(20) {
            let contact = dice.below(listed + listed / 2) as usize;
            self.script.push((dice.between(8_000, 620_000), Step::Calls(contact)));
        }
        self.script.sort_by_key(|(at, _)| *at);
    }

    /// Agents ask each other, hand customers over and change their phones, all the time.
    pub fn use_second_lines(&mut self) {
        let mut dice = Dice::new(self.seed, "second lines of the plan");
        for contact in &mut self.contacts {
            contact.owner = None;
        }
        for _ in 0..60 + dice.below(60) {
            let (agent, colleague) =
                (dice.below(self.agents as u64) as usize, dice.below(self.agents as u64) as usize);
            let wish = match dice.below(3) {
                0 => Wish::Ask(colleague),
                1 => Wish::HandOver(colleague),
                _ => Wish::TakeOver,
            };
            self.script.push((dice.between(8_000, 620_000), Step::Second(agent, wish)));
        }
        self.script.sort_by_key(|(at, _)| *at);
    }

    /// Draws what happens when.
    fn misfortunes(&mut self, dice: &mut Dice) {
        let mut script = Vec::new();
        for _ in 0..dice.below(3) {
            let back_after = dice.between(1_000, 8_000);
            script.push((dice.between(20_000, 520_000), Step::Kill { back_after }));
        }
        for _ in 0..dice.below(4) {
            let (agent, off) = (dice.below(self.agents as u64) as usize, dice.between(10_000, 450_000));
            script.push((off, Step::PhoneOff(agent)));
            script.push((off + dice.between(1_000, 90_000), Step::PhoneOn(agent)));
        }
        for _ in 0..dice.below(4) {
            let agent = dice.below(self.agents as u64) as usize;
            script.push((dice.between(10_000, 580_000), Step::PhoneHangsUp(agent)));
        }
        for _ in 0..dice.below(3) {
            let count = self.contacts.len() as u64;
            let some = (0..1 + dice.below(30)).map(|_| dice.below(count) as usize).collect();
            script.push((dice.between(3_000, 400_000), Step::Suppress(some)));
        }
        if dice.chance(0.3) {
            let pause = dice.between(10_000, 500_000);
            script.push((pause, Step::Pause));
            script.push((pause + dice.between(500, 60_000), Step::Start));
        }
        if dice.chance(0.25) {
            let from = dice.between(10_000, 500_000);
            self.net.outages.push((from, from + dice.between(1_000, 25_000)));
        }
        for _ in 0..dice.below(40) {
            script.push((dice.between(3_000, 600_000), Step::Junk(dice.below(KINDS as u64) as usize)));
        }
        script.sort_by_key(|(at, _)| *at);
        self.script = script;
    }
}

/// The list: numbers that are possible in the United States, zones in turn.
fn list(contacts: usize) -> Vec<ListedContact> {
    (0..contacts)
        .map(|index| ListedContact {
            line: index as u64 + 2,
            external_id: format!("c{index}"),
            number: format!("+1555{:07}", index + 1),
            name: format!("Contact {index}"),
            // Most in the campaign's zone, some where the window opens or closes in the middle.
            timezone: match index % 8 {
                5 => Some(ZONES[1].0.to_owned()),
                6 => Some(ZONES[2].0.to_owned()),
                7 => Some(ZONES[3].0.to_owned()),
                _ => None,
            },
            owner: None,
            fields: BTreeMap::new(),
        })
        .collect()
}

fn spec(mode: Mode) -> CampaignSpec {
    let mut spec = CampaignSpec::new("world".into(), mode, Jurisdiction::Us);
    spec.safe_harbour = Some("sorry.wav".into());
    spec.timezone = Some("UTC".into());
    spec.time_limit = Some(PLACING);
    spec.talk_limit = Duration::from_secs(90);
    spec.wrap_up = WrapUp::Script { after: WRAP_UP, disposition: "success".into() };
    let days = vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];
    spec.windows = vec![Window { days, from: "08:00".into(), to: "21:00".into() }];
    let retry = [
        (Outcome::NoAnswer, 120),
        (Outcome::Busy, 40),
        (Outcome::Congestion, 30),
        (Outcome::Machine, 90),
        (Outcome::Failed, 60),
    ];
    let retry = retry.into_iter().map(|(outcome, seconds)| (outcome, Duration::from_secs(seconds)));
    spec.closure = ClosureSpec { retry: retry.collect(), ..ClosureSpec::default() };
    spec
}

fn callees() -> Callees {
    let lognormal = |median_ms, sigma| Spread::Lognormal { median_ms, sigma };
    Callees {
        shares: Shares {
            person: 0.35,
            machine: 0.15,
            busy: 0.1,
            no_answer: 0.25,
            congestion: 0.05,
            rejected: 0.05,
            invalid: 0.05,
        },
        post_dial: lognormal(900.0, 0.4),
        talk: lognormal(20_000.0, 0.7),
        faults: Faults::default(),
        ..Callees::default()
    }
}
