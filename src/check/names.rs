//! What the DNS says of a trunk's name, asked and walked as the service does it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use carillon_sip::io::resolve::{self, ResolverHandle};
use carillon_sip::options::Options;
use carillon_sip::resolve::machine::{Output, Resolver};
use carillon_sip::resolve::plan::Server;
use carillon_sip::resolve::{Answer, Place, Question, Target};

use crate::say::say;

/// Longest wait for all that a name leads to.
const NAMES_MAX: Duration = Duration::from_secs(20);

/// Servers of a trunk in the order in which they are tried, those of one rank as the DNS gave them.
pub fn servers(sip: &Options, place: &Place) -> Result<Vec<Target>, String> {
    let servers = match place {
        Place::Fixed(target) => return Ok(vec![*target]),
        Place::Named(_) => Walk::new(sip, place)?.servers()?,
    };
    let mut targets = Vec::new();
    for server in &servers {
        let Server { rank, weight, transport, addresses } = server;
        let of = |address| Target { transport: *transport, address };
        let told: Vec<String> = addresses.iter().map(|address| of(*address).to_string()).collect();
        say(format_args!("      order     {rank}, weight {weight}: {}", told.join(", ")));
        targets.extend(addresses.iter().map(|address| of(*address)));
    }
    Ok(targets)
}

struct Walk {
    resolver: Resolver,
    handle: ResolverHandle,
    answers: Receiver<(Question, Answer)>,
    began: Instant,
}

impl Walk {
    fn new(sip: &Options, place: &Place) -> Result<Self, String> {
        let (sender, answers) = channel();
        let tell = move |question, answer| {
            // Whoever asked may have given up.
            let _ = sender.send((question, answer));
        };
        let handle = resolve::spawn(sip.nameservers.clone(), Arc::new(tell));
        let handle = handle.map_err(|error| format!("resolver thread: {error}"))?;
        let mut resolver = Resolver::new(&sip.listen, std::iter::once(place));
        resolver.start(Duration::ZERO);
        Ok(Self { resolver, handle, answers, began: Instant::now() })
    }

    /// Walks until it is known where the name leads, telling each answer.
    fn servers(mut self) -> Result<Vec<Server>, String> {
        loop {
            while let Some(output) = self.resolver.poll_output() {
                match output {
                    Output::Ask(question) => {
                        self.handle.ask(question);
                    }
                    Output::Found { servers, .. } => return Ok(servers),
                    Output::Lost { why, .. } => return Err(why),
                }
            }
            let left = NAMES_MAX.checked_sub(self.began.elapsed()).unwrap_or_default();
            let answer = self.answers.recv_timeout(left);
            let (question, answer) =
                answer.map_err(|_| format!("no answer within {} s", NAMES_MAX.as_secs()))?;
            tell(&question, &answer);
            self.resolver.answered(question, answer, self.began.elapsed());
        }
    }
}

fn tell(question: &Question, answer: &Answer) {
    let Question { name, kind } = question;
    let kind = kind.to_string();
    match answer {
        Answer::Records { records, ttl } => {
            for record in records {
                say(format_args!("      {kind:<9} {name}: {record} (for {} s)", ttl.as_secs()));
            }
        }
        Answer::Nothing { .. } => say(format_args!("      {kind:<9} {name}: none")),
        Answer::Failed { fault } => say(format_args!("      {kind:<9} {name}: {fault}")),
    }
}
