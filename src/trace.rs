//! `carillon trace CALL`: the SIP messages of one call, with their times.
//!
//! Looks among the ladders that were kept on the disk, and asks the running service, which knows calls that are up too. Changes
//! nothing.

mod client;
mod drawing;

use std::path::{Path, PathBuf};

use carillon_api::rights::Role;
use carillon_config::ServiceConfig;
use carillon_core::ladder::Ladder;
use client::{AskError, Pass, Service};

use crate::exit::Exit;
use crate::keeper::{self, LADDERS};
use crate::say::say;

/// Variable with the token of a session.
const TOKEN: &str = "CARILLON_TOKEN";
/// Variables with a password; the second one is the service's own.
const PASSWORDS: [&str; 2] = ["CARILLON_PASSWORD", "CARILLON_ADMIN_PASSWORD"];
/// Variable with the name at sign-in.
const USER: &str = "CARILLON_USER";
/// Longest name of a call.
const CALL_MAX: usize = 256;

/// What to show.
#[derive(Clone, Debug)]
pub struct TraceOptions {
    /// Number of the attempt or inbound call, or a Call-ID.
    pub call: String,
    /// Where the service's API is.
    pub url: Option<String>,
    /// The service's file, which says so, and where ladders are kept.
    pub config: Option<PathBuf>,
    /// Directory of a run's report, or of kept ladders: nobody is asked then.
    pub from: Option<PathBuf>,
    /// Write JSON.
    pub json: bool,
}

/// Prints a ladder. Fails with status 1 where nothing is kept of the call, with 2 where the command or a file is wrong, with 3
/// where the service can't be asked.
pub fn command(options: &TraceOptions) -> Result<(), Exit> {
    let call = options.call.as_str();
    if call.is_empty() || call.len() > CALL_MAX || !call.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(Exit::file(
            "CALL must be the number of a call or a Call-ID: visible characters, at most 256",
        ));
    }
    let (service, user) = match (&options.from, &options.url, &options.config) {
        (Some(directory), _, _) => {
            let beside = directory.join(LADDERS);
            let directory = if beside.is_dir() { &beside } else { directory };
            return match kept(directory, call)? {
                Some(ladder) => print(&ladder, options.json),
                None => Err(Exit::other(format!("call {call}: no ladder of it in {}", directory.display()))),
            };
        }
        (None, Some(url), _) => (Service::at_url(url).map_err(Exit::file)?, "admin".to_owned()),
        (None, None, Some(path)) => {
            let config = ServiceConfig::load(path).map_err(Exit::file)?;
            if config.sip.ladders_kept.is_some()
                && let Some(ladder) = kept(&config.store.with_file_name(LADDERS), call)?
            {
                return print(&ladder, options.json);
            }
            let admin = config.api.users.iter().find(|user| user.role == Role::Admin);
            let admin = admin.map_or_else(|| "admin".to_owned(), |user| user.name.clone());
            (Service::listening(config.api_listen), admin)
        }
        (None, None, None) => return Err(Exit::file("say where the call is: --config, --url or --from")),
    };
    let pass = pass(user)?;
    let ladder = service.ladder(call, &pass).map_err(|error| match error {
        AskError::Unknown => Exit::other(format!("call {call}: {error}")),
        AskError::Address(_) => Exit::file(error),
        AskError::Silent(_) | AskError::Refused(_) => Exit::never_came(error),
    })?;
    print(&ladder, options.json)
}

/// A ladder that was kept on the disk.
fn kept(directory: &Path, call: &str) -> Result<Option<Ladder>, Exit> {
    keeper::find(directory, call).map_err(|error| Exit::other(format!("{}: {error}", directory.display())))
}

fn print(ladder: &Ladder, json: bool) -> Result<(), Exit> {
    if json {
        say(serde_json::to_string_pretty(ladder).map_err(Exit::other)?);
    } else {
        drawing::lines(ladder).iter().for_each(say);
    }
    Ok(())
}

/// Who asks, by the environment: command lines are seen by everybody on the machine.
fn pass(admin: String) -> Result<Pass, Exit> {
    if let Ok(token) = std::env::var(TOKEN) {
        return Ok(Pass::Token(token));
    }
    let password = PASSWORDS.iter().find_map(|name| std::env::var(name).ok());
    let user = std::env::var(USER).unwrap_or(admin);
    match password {
        Some(password) => Ok(Pass::Password { user, password }),
        None => Err(Exit::file(format!(
            "set {TOKEN} to the token of a session, or {USER} and {} to a name and its password",
            PASSWORDS[0]
        ))),
    }
}
