//! `[agents]` and `[[agents.agent]]`: who takes calls.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use carillon_sip::command::AgentLegMode;
use carillon_sip::options::{Secret, UserOptions};
use serde::Deserialize;

use crate::reader::{Document, Section};
use crate::sip::{NeighbourUri, split_sip_uri};

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

/// Reads every `[[agents.agent]]`; at least one has to be there.
pub(crate) fn users(document: &Document<'_>, section: &mut Section<'_>) -> Vec<UserOptions> {
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
    let mut users = Vec::new();
    for mut entry in entries.into_iter().take(AGENTS_MAX) {
        let user = entry.text_required("user");
        let contact = entry.text("contact");
        let password = entry.text("password");
        if contact.is_none() {
            entry.need("password");
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
        users.push(UserOptions {
            user: user.value,
            password: Secret::new(password.map_or_else(String::new, |at| at.value)),
            contact: contact.map(|at| at.value),
        });
    }
    users
}

/// RFC 3261 §25.1 `user`, without what would need escaping or reads badly in reports.
fn is_user(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+~".contains(&byte))
}
