//! `[agents]` and `[[agents.agent]]`: who takes calls.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use carillon_sip::auth::{Algorithm, Ha1};
use carillon_sip::command::AgentLegMode;
use carillon_sip::options::{Options, Secret, UserOptions};
use carillon_sip::registrar::INSTANCE_LENGTH_MAX;
use serde::Deserialize;

use crate::place::{NeighbourUri, split_sip_uri};
use crate::reader::{At, Document, Section};

/// Most agents of one file.
pub(crate) const AGENTS_MAX: usize = 10_000;

const WAIT_FOR: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);

/// How an agent's phone is attached, by its name in the file.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LegName {
    Persistent,
    PerCall,
}

/// Reads `leg`; persistent unless said otherwise.
pub(crate) fn leg(section: &mut Section<'_>) -> AgentLegMode {
    match section.name::<LegName>("leg").map(|at| at.value) {
        Some(LegName::PerCall) => AgentLegMode::PerCall,
        Some(LegName::Persistent) | None => AgentLegMode::Persistent,
    }
}

/// Reads `wait_for`.
pub(crate) fn wait_for(section: &mut Section<'_>) -> Duration {
    section.duration_within("wait_for", WAIT_FOR).map_or(Duration::from_secs(20), |at| at.value)
}

/// An agent as the file names them.
pub(crate) struct Agent {
    pub phone: UserOptions,
    /// What they sign in to the API with.
    pub password: Option<String>,
    /// The same as a hash.
    pub password_hash: Option<At<String>>,
}

/// The phones of agents.
pub(crate) fn phones(agents: Vec<Agent>) -> Vec<UserOptions> {
    agents.into_iter().map(|agent| agent.phone).collect()
}

/// Reads every `[[agents.agent]]`; at least one has to be there.
pub(crate) fn agents(document: &Document<'_>, section: &mut Section<'_>, sip: &Options) -> Vec<Agent> {
    let Some(entries) = section.sections("agent", "[[agents.agent]]") else { return Vec::new() };
    if entries.is_empty() {
        document.problem(
            &section.place("agent"),
            "missing; needs at least one [[agents.agent]] with user and password",
        );
    }
    if entries.len() > AGENTS_MAX {
        document.problem(&section.place("agent"), format!("at most {AGENTS_MAX} agents"));
    }
    let mut seen = BTreeSet::new();
    let mut agents = Vec::new();
    for mut entry in entries.into_iter().take(AGENTS_MAX) {
        let user = entry.text_required("user");
        let contact = entry.text("contact");
        let password = entry.text("password");
        let password_hash = entry.text("password_hash");
        let preferred = entry.text("preferred_device");
        let hashed = hashed(document, &mut entry);
        if contact.is_none() && hashed.is_none() {
            entry.need("password");
        }
        if password.is_some() && (hashed.is_some() || password_hash.is_some()) {
            let key = entry.place("password");
            document.problem(&key, "give either password, or password_hash and the hashes for the phone");
        }
        if let Some(ha1) = &hashed
            && !ha1.is_empty()
            && !sip.phone_digests.iter().any(|digest| ha1.get(*digest).is_some())
        {
            let asked: Vec<&str> = sip.phone_digests.iter().map(|digest| digest.as_str()).collect();
            let problem = format!("has no hash for what phones are asked for: {}", asked.join(", "));
            document.problem(&user.place, problem);
        }
        entry.finish();
        if !user.value.is_empty() && !is_user(&user.value) {
            document.problem(&user.place, "must have 1 to 64 letters, digits or any of -_.+~");
        } else if !user.value.is_empty() && !seen.insert(user.value.clone()) {
            document.problem(&user.place, format!("agent {} is there already", user.value));
        }
        if let Some(password) = &password
            && password.value.is_empty()
            && contact.is_none()
        {
            document.problem(&password.place, "is empty");
        }
        if let Some(contact) = &contact
            && let Err(message) = split_sip_uri(&contact.value, NeighbourUri::Contact)
        {
            document.problem(&contact.place, message);
        }
        if let Some(preferred) = &preferred
            && !is_device(&preferred.value)
        {
            document.problem(
                &preferred.place,
                "must be a URN, like \"urn:uuid:...\", as the phone's +sip.instance has it",
            );
        }
        let password = password.map(|at| at.value).filter(|password| !password.is_empty());
        let of = |password: &String| Ha1::of(&user.value, &sip.realm, &Secret::new(password.clone()));
        let ha1 = password.as_ref().map(of).or(hashed).unwrap_or_default();
        let phone = UserOptions {
            user: user.value,
            ha1,
            contact: contact.map(|at| at.value),
            preferred_device: preferred.map(|at| at.value),
        };
        agents.push(Agent { phone, password, password_hash });
    }
    agents
}

/// The hashes that stand in for a password, if any is given; those that are none are left out.
fn hashed(document: &Document<'_>, entry: &mut Section<'_>) -> Option<Ha1> {
    let keys = ["ha1_md5", "ha1_sha256", "ha1_sha512_256"];
    let mut ha1 = Ha1::default();
    for (key, algorithm) in keys.into_iter().zip(Algorithm::ALL) {
        let Some(written) = entry.text(key) else { continue };
        if !ha1.set(algorithm, &written.value) {
            let digits = algorithm.digits();
            document.problem(
                &written.place,
                format!("must be the hash of \"user:realm:password\" in {digits} hexadecimal digits"),
            );
        }
    }
    keys.iter().any(|key| entry.has(key)).then_some(ha1)
}

/// What stands between the angle brackets of a `+sip.instance` (RFC 5626 §4.1).
fn is_device(text: &str) -> bool {
    let writable = |octet: u8| octet.is_ascii_graphic() && !b"\"\\<>".contains(&octet);
    let known = text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:"));
    known && text.len() <= INSTANCE_LENGTH_MAX - 2 && text.bytes().all(writable)
}

/// RFC 3261 §25.1 `user`, without what would need escaping or reads badly in reports.
fn is_user(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+~".contains(&byte))
}
