//! `carillon trace CALL`: the SIP messages of one call, with their times.
//!
//! Asks the running service, which knows calls that are up too. Changes nothing.

mod client;
mod drawing;

use std::path::PathBuf;

use carillon_api::rights::Role;
use carillon_config::ServiceConfig;
use client::{AskError, Pass, Service};

use crate::exit::Exit;
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
    /// The service's file, which says so.
    pub config: Option<PathBuf>,
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
    let (service, user) = match (&options.url, &options.config) {
        (Some(url), _) => (Service::at_url(url).map_err(Exit::file)?, "admin".to_owned()),
        (None, Some(path)) => {
            let config = ServiceConfig::load(path).map_err(Exit::file)?;
            let admin = config.api.users.iter().find(|user| user.role == Role::Admin);
            let admin = admin.map_or_else(|| "admin".to_owned(), |user| user.name.clone());
            (Service::listening(config.api_listen), admin)
        }
        (None, None) => return Err(Exit::file("say where the call is: --url or --config")),
    };
    let pass = pass(user)?;
    let ladder = service.ladder(call, &pass).map_err(|error| match error {
        AskError::Unknown => Exit::other(format!("call {call}: {error}")),
        AskError::Address(_) => Exit::file(error),
        AskError::Silent(_) | AskError::Refused(_) => Exit::never_came(error),
    })?;
    if options.json {
        say(serde_json::to_string_pretty(&ladder).map_err(Exit::other)?);
    } else {
        drawing::lines(&ladder).iter().for_each(say);
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
