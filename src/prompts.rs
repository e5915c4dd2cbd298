//! Safe-harbour messages and those for callers: read from disk once, when a campaign is made or found again.

use std::path::Path;
use std::sync::Arc;

use carillon_core::campaign::spec::CampaignSpec;
use carillon_sip::io::wav;
use carillon_sip::media::prompt::Prompt;

/// The campaign's message, ready to be sent; `None` when it has none. A relative name lies in `directory`.
///
/// # Errors
/// One sentence naming the key and the file.
pub fn of(spec: &CampaignSpec, directory: &Path) -> Result<Option<Arc<Prompt>>, String> {
    load("safe_harbour", spec.safe_harbour.as_deref(), directory)
}

/// What the campaign's callers hear whom nobody could take, as [`of`] does.
///
/// # Errors
/// One sentence naming the key and the file.
pub fn for_callers(spec: &CampaignSpec, directory: &Path) -> Result<Option<Arc<Prompt>>, String> {
    load("inbound.message", spec.inbound.message.as_deref(), directory)
}

fn load(key: &str, name: Option<&str>, directory: &Path) -> Result<Option<Arc<Prompt>>, String> {
    let Some(name) = name else { return Ok(None) };
    match wav::load_prompt(&directory.join(name)) {
        Ok(prompt) => Ok(Some(Arc::new(prompt))),
        Err(error) => Err(format!("{key}: {name}: {error}")),
    }
}
