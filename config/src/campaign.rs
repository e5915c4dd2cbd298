//! The campaign file: what `carillon run` takes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use carillon_core::campaign::spec::CampaignSpec;
use carillon_sip::command::AgentLegMode;
use carillon_sip::options::Options as SipOptions;

use crate::error::ConfigError;
use crate::reader::{self, At, Document};
use crate::spec::SpecReader;
use crate::{agents, files, sip, tls};

/// A campaign file, read and checked.
#[derive(Clone, Debug)]
pub struct CampaignFile {
    /// The campaign. `safe_harbour`, where given, is the absolute path.
    pub spec: CampaignSpec,
    /// Seed of the generators that decide order and jitter; absent means a fresh one.
    pub seed: Option<u64>,
    /// Sockets, trunks and softphone users of the gateway.
    pub sip: SipOptions,
    /// Who takes the calls.
    pub agents: AgentsOptions,
    /// Who is called.
    pub list: ListOptions,
    /// WAV file with the safe-harbour message, absolute; checked to be PCM16 mono 8-48 kHz.
    pub safe_harbour: Option<PathBuf>,
}

/// Who takes the calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentsOptions {
    /// How an agent's phone is attached.
    pub leg: AgentLegMode,
    /// How long to wait for all agents before starting with those there are.
    pub wait_for: Duration,
    /// Their users, in the order of the file; their passwords are in [`SipOptions::users`].
    pub users: Vec<String>,
}

/// Who is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOptions {
    /// CSV with header, absolute; it existed when the file was read.
    pub file: PathBuf,
    /// ISO 3166 alpha-2 region for numbers without a country code.
    pub region: Option<String>,
    /// IANA zone for contacts without one.
    pub timezone: Option<String>,
    /// Numbers that must not be called, one a line, absolute; it existed when the file was read.
    pub suppression: Option<PathBuf>,
    /// The column that names the agent who alone takes a contact's calls.
    pub owner: Option<String>,
}

impl CampaignFile {
    /// Reads and checks the file at `path`. Paths in it are relative to it.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with line and key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        reader::read(path, &|_| None, read)
    }
}

fn read(document: &Document<'_>) -> Option<CampaignFile> {
    let mut root = document.root();
    let mut specs = SpecReader::new(document);
    let mut campaign = root.section("campaign", "[campaign]");
    let spec = specs.campaign(&mut campaign);
    let safe_harbour = campaign.text("safe_harbour");
    let seed = campaign.integer("seed", 0..=u64::MAX).map(|at| at.value);
    let campaign_place = campaign.place("");
    campaign.finish();

    let mut sip = sip::sip(document, root.section("sip", "[sip]"));
    tls::tls(document, root.section("tls", "[tls]"), &mut sip);
    sip.trunks = sip::trunks(document, &mut root, &sip);

    let mut agents = root.section("agents", "[agents]");
    let leg = agents::leg(&mut agents);
    let wait_for = agents::wait_for(&mut agents);
    let wrap_up = specs.script(&mut agents);
    let talk_limit = agents.duration("talk_limit");
    sip.users = agents::phones(agents::agents(document, &mut agents, &sip));
    let shifts = agents.sections("shift", "[[agents.shift]]").unwrap_or_default();
    let shifts = specs.shifts(shifts, &sip.users);
    let shifts_timezone = agents.text("timezone");
    let shifts_place = agents.place("shift");
    agents.finish();

    let mut list = root.section("list", "[list]");
    let file = list.text_required("file");
    let region = list.text("region");
    let timezone = list.text("timezone");
    let suppression = list.text("suppression");
    let owner = list.text("owner").map(|at| at.value);
    let list_has_file = list.has("file");
    list.finish();

    let windows = specs.windows(root.sections("window", "[[window]]").unwrap_or_default());
    let closure = specs.closure(root.section("closure", "[closure]"));
    let (inbound, message) = specs.inbound(root.section("inbound", "[inbound]"));
    root.finish();

    let file = if list_has_file { files::existing(document, &file) } else { PathBuf::new() };
    let suppression = suppression.map(|at| files::existing(document, &at));
    let safe_harbour = safe_harbour.map(|at| files::prompt(document, &at));

    let message = message.map(|at| files::prompt(document, &at));

    let mut spec = spec?;
    spec.safe_harbour = safe_harbour.as_ref().map(|path| path.display().to_string());
    spec.wrap_up = wrap_up;
    spec.talk_limit = specs.keep("talk_limit", talk_limit).unwrap_or_default();
    spec.region = specs.keep("region", region);
    spec.timezone = specs.keep("timezone", timezone);
    spec.windows = windows;
    spec.shifts_timezone = specs.keep("shifts_timezone", shifts_timezone);
    spec.shifts = specs.keep("shifts", Some(At { value: shifts, place: shifts_place })).unwrap_or_default();
    spec.closure = closure;
    spec.inbound = inbound;
    spec.inbound.message = message.map(|path| path.display().to_string());
    specs.read_numbers(&mut spec);
    specs.check(&spec, &campaign_place);

    let users = sip.users.iter().map(|user| user.user.clone()).collect();
    let list = ListOptions {
        file,
        region: spec.region.clone(),
        timezone: spec.timezone.clone(),
        suppression,
        owner,
    };
    Some(CampaignFile { spec, seed, sip, agents: AgentsOptions { leg, wait_for, users }, list, safe_harbour })
}
