//! `carillon trunk check NAME`: asks one trunk what works and what does not, and says it so that a carrier's engineer can act on it.
//!
//! It speaks from a port of its own, so it can be used while the service runs. It changes nothing: REGISTER asks what is bound and
//! binds nothing, and no call is made unless a number is given.

mod books;
mod identity;
mod names;
mod questions;

use std::path::{Path, PathBuf};
use std::time::Duration;

use carillon_config::{CampaignFile, ServiceConfig};
use carillon_sip::media::Codec;
use carillon_sip::message::{HeaderName, Response};
use carillon_sip::options::{Options, TrunkOptions};
use carillon_sip::resolve::Target;
use carillon_sip::sdp::{OwnMedia, read_answer};
use carillon_sip::transport::Transport;
use carillon_sip::trunk::rates::{Billing, written};

use crate::clock::wall;
use crate::exit::Exit;
use crate::say::say;
use questions::{Called, Heard, Questions};

/// Headers of a response that any carrier writes; the others are told.
const USUAL: [&str; 14] = [
    "via",
    "from",
    "to",
    "call-id",
    "cseq",
    "contact",
    "content-length",
    "content-type",
    "max-forwards",
    "allow",
    "supported",
    "server",
    "user-agent",
    "www-authenticate",
];

/// Most servers of a trunk that are asked.
const SERVERS_MAX: usize = 8;

/// What to check.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// Service or campaign file.
    pub config: PathBuf,
    /// The trunk's name.
    pub trunk: String,
    /// A number to call; none: no call is made.
    pub call: Option<String>,
    /// The database, where it is another than the service's.
    pub store: Option<PathBuf>,
}

/// Checks a trunk. Fails with status 2 where the file is wrong or has no such trunk, with 3 where anything does not work.
pub async fn command(options: &CheckOptions) -> Result<(), Exit> {
    let (sip, store) = load(&options.config)?;
    let trunk = sip.trunks.iter().find(|trunk| trunk.name == options.trunk).ok_or_else(|| {
        let names: Vec<&str> = sip.trunks.iter().map(|trunk| trunk.name.as_str()).collect();
        Exit::file(format!(
            "no trunk `{}` in {}; there are: {}",
            options.trunk,
            options.config.display(),
            names.join(", ")
        ))
    })?;
    say(format_args!("trunk {}", trunk.name));
    let mut failed = 0;
    let mut tell = |what: &str, result: Result<String, String>| {
        failed += u32::from(result.is_err());
        let (mark, text) = match &result {
            Ok(text) => ("ok  ", text),
            Err(text) => ("FAIL", text),
        };
        say(format_args!("{mark}  {what:<9} {text}"));
    };
    let targets = match names::servers(&sip, &trunk.place) {
        Ok(targets) => {
            let at = |target: &Target| format!("{} over {}", target.address, word(target.transport));
            let all: Vec<String> = targets.iter().map(at).collect();
            tell("resolve", Ok(format!("{} is {}", trunk.uri, all.join(", then "))));
            targets
        }
        Err(why) => {
            tell("resolve", Err(format!("{}: {why}", trunk.uri)));
            Vec::new()
        }
    };
    // Each server is asked for a sign of life; the first one that gives it has the rest.
    let mut rest_done = false;
    for target in targets.into_iter().take(SERVERS_MAX) {
        match Questions::open(trunk, target, sip.timers) {
            Err(error) => tell("connect", Err(error)),
            Ok(mut questions) => {
                tell("connect", Ok(format!("from {}", questions.local())));
                let heard = questions.options();
                let lives = heard.is_ok();
                tell("OPTIONS", heard.map_or_else(Err, |heard| alive(&heard)));
                if !lives || std::mem::replace(&mut rest_done, true) {
                    continue;
                }
                if trunk.register {
                    tell("REGISTER", questions.register().and_then(|heard| registered(&heard)));
                }
                if let Some(number) = &options.call {
                    call(&mut questions, trunk, &sip, number, &mut tell);
                }
            }
        }
    }
    if let Some(signing) = &trunk.signing {
        tell("identity", identity::check(trunk, signing, options.call.as_deref(), wall()));
    }
    let store = options.store.clone().or(store);
    if let Some(store) = store {
        let used = books::caps(trunk, &store, wall()).await;
        let used = used.map_err(|error| Exit::file(format!("{}: {error}", store.display())))?;
        used.into_iter().for_each(|(what, result)| tell(what, result));
        let numbers = books::numbers(trunk, &store, wall()).await;
        let numbers = numbers.map_err(|error| Exit::file(format!("{}: {error}", store.display())))?;
        numbers.into_iter().for_each(|(what, result)| tell(what, result));
    }
    if let Some(number) = options.call.as_ref().filter(|_| trunk.spend.is_capped()) {
        tell("price", price(trunk, number));
    }
    match failed {
        0 => Ok(()),
        _ => Err(Exit::never_came(format!("trunk `{}`: {failed} of its checks failed", trunk.name))),
    }
}

/// What a minute to this number costs, by a trunk that may not call it without.
fn price(trunk: &TrunkOptions, number: &str) -> Result<String, String> {
    let rate = trunk.rates.as_ref().and_then(|rates| rates.of(number));
    let rate = rate.ok_or("no price fits this number: with a cap on what is spent it is not called")?;
    let Billing { first_s, next_s } = rate.billing;
    let (minute, fee) = (written(rate.per_minute), written(rate.fee));
    Ok(format!("{minute} {} a minute, {first_s}/{next_s}, fee {fee}", trunk.spend.currency)
        .replace("  ", " "))
}

/// The gateway's options of a service's file, with its database, or of a campaign's.
fn load(path: &Path) -> Result<(Options, Option<PathBuf>), Exit> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Exit::file(format!("{}: {error}", path.display())))?;
    if text.lines().any(|line| line.trim_start().starts_with("[campaign]")) {
        return CampaignFile::load(path).map(|file| (file.sip, None)).map_err(Exit::file);
    }
    ServiceConfig::load(path).map(|config| (config.sip, Some(config.store))).map_err(Exit::file)
}

fn alive(heard: &Heard) -> Result<String, String> {
    let text = summary(heard);
    match heard.last.status {
        408 | 503 | 504 => Err(text),
        _ => Ok(text),
    }
}

fn registered(heard: &Heard) -> Result<String, String> {
    let text = summary(heard);
    match heard.last.status {
        200..=299 => {
            let bound = heard.last.headers.contacts().is_ok_and(|contacts| {
                matches!(contacts, carillon_sip::message::Contacts::List(list) if !list.is_empty())
            });
            let bound = if bound { "something is registered" } else { "nothing is registered" };
            Ok(format!("{text}; the credentials are taken, {bound}"))
        }
        401 | 407 => Err(format!("{text}; the credentials are not taken")),
        _ => Err(text),
    }
}

fn call(
    questions: &mut Questions,
    trunk: &TrunkOptions,
    sip: &Options,
    number: &str,
    tell: &mut impl FnMut(&str, Result<String, String>),
) {
    let Some(user) = trunk.destinations.user(number) else {
        return tell(
            "INVITE",
            Err("this number is none, or may not be called over this trunk (allow, deny)".into()),
        );
    };
    let called = match questions.call(trunk, sip, &user) {
        Ok(called) => called,
        Err(error) => return tell("INVITE", Err(error)),
    };
    let Called { heard, first, rang, ended } = called;
    let told = |at: Option<Duration>| at.map_or_else(|| "never".to_owned(), |at| format!("after {}", ms(at)));
    say(format_args!("      offered   {}", names(&trunk.codecs)));
    say(format_args!("      heard     first {}, ringing {}", told(first), told(rang)));
    let own = OwnMedia { address: sip.media_address, ports: sip.rtp_ports };
    let answered = (200..300).contains(&heard.last.status);
    let text = summary(&heard);
    let cut = heard.cancelled && heard.last.status == 487;
    tell("INVITE", if answered || cut { Ok(text) } else { Err(text) });
    if let Some(session) = heard.session() {
        match read_answer(&session.body, &trunk.codecs, own) {
            Ok(remote) => {
                let digits = if remote.telephone_event.is_some() { "with" } else { "without" };
                let codec = names(&[remote.codec]);
                tell("media", Ok(format!("{codec}, {digits} telephone-event, to {}", remote.address)));
            }
            Err(error) => tell("media", Err(format!("the session can't be used: {error}"))),
        }
    }
    if let Some(ended) = ended {
        tell("BYE", ended.map(|heard| summary(&heard)));
    }
}

fn names(codecs: &[Codec]) -> String {
    codecs.iter().map(|codec| format!("{codec:?}").to_uppercase()).collect::<Vec<_>>().join(", ")
}

fn word(transport: Transport) -> String {
    format!("{transport:?}").to_ascii_lowercase()
}

fn ms(length: Duration) -> String {
    format!("{:.1} ms", length.as_secs_f64() * 1_000.0)
}

/// `200 OK after 3.1 ms, challenged once; Server: X; adds P-Charging-Vector`.
fn summary(heard: &Heard) -> String {
    let Response { status, reason, headers, .. } = &heard.last;
    let mut text = format!("{status} {} after {}", String::from_utf8_lossy(reason), ms(heard.after));
    if heard.challenges > 0 {
        text.push_str(&format!(", after {} challenge(s)", heard.challenges));
    }
    for (name, label) in
        [(HeaderName::Server, "Server"), (HeaderName::Allow, "Allow"), (HeaderName::Supported, "Supported")]
    {
        if let Some(value) = headers.text(name) {
            text.push_str(&format!("; {label}: {value}"));
        }
    }
    let more: Vec<String> = headers
        .iter()
        .map(|(name, _)| name.to_string())
        .filter(|name| !USUAL.contains(&name.to_ascii_lowercase().as_str()))
        .collect();
    if !more.is_empty() {
        text.push_str(&format!("; also writes {}", more.join(", ")));
    }
    text
}
