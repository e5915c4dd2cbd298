//! From a name to servers (RFC 3263 §4.1, §4.2), over the answers that are known.
//!
//! The walk is made anew whenever an answer came. It has nothing to remember: where it needs an answer that it does not have
//! it says so, and everything it used is named, so that it can be kept fresh.

use std::net::SocketAddr;

use super::{Answer, Kind, Named, Question, RECORDS_MAX, Record};
use crate::transport::{Local, Transport};

/// Most servers that one name leads to; those at the end are left off.
pub const SERVERS_MAX: usize = 64;

/// A server: where it is and when it is its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its turn: lower ones first.
    pub rank: u32,
    /// Its share among those of its rank (RFC 2782).
    pub weight: u16,
    /// What it is reached over.
    pub transport: Transport,
    /// Its addresses, tried in this order; at least one.
    pub addresses: Vec<SocketAddr>,
}

/// What a walk came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Questions without an answer yet; while there are any, the servers are not known.
    pub missing: Vec<Question>,
    /// Questions whose answers were used, or would have been.
    pub used: Vec<Question>,
    /// The servers; none where the name leads nowhere.
    pub servers: Vec<Server>,
    /// The walk could not go on, or not everywhere, because nobody answered: there may be more.
    pub failed: bool,
}

/// Walks from a name to servers. `know` gives the answers that are known, `listen` our own addresses: only families are taken
/// in which a peer could answer us.
pub fn plan<'a>(named: &Named, listen: &[Local], know: impl Fn(&Question) -> Option<&'a Answer>) -> Plan {
    let mut walk = Walk { know, listen, plan: Plan::default(), rank: 0 };
    walk.from(named);
    let Walk { mut plan, .. } = walk;
    if !plan.missing.is_empty() {
        plan.servers.clear();
    }
    // A failover from a server that proves who it is to one that does not would help whoever disturbs the first.
    if let Some(first) = plan.servers.first() {
        let secure = first.transport.is_secure();
        plan.servers.retain(|server| server.transport.is_secure() || !secure);
    }
    plan.servers.truncate(SERVERS_MAX);
    plan
}

/// Our families for a transport, in the order in which we listen.
pub fn families(listen: &[Local], transport: Transport) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for local in listen.iter().filter(|local| local.transport == transport) {
        let kind = if local.address.is_ipv4() { Kind::A } else { Kind::Aaaa };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

struct Walk<'l, K> {
    know: K,
    listen: &'l [Local],
    plan: Plan,
    /// Of the last server.
    rank: u32,
}

/// What a question came to.
enum Found<'a> {
    Records(&'a [Record]),
    Nothing,
    /// No answer yet, or none at all.
    Unknown,
}

/// What the SRV records of a service came to.
#[derive(PartialEq, Eq)]
enum Service {
    /// There are some.
    Known,
    /// There are some, and they say that the service is not there (RFC 2782: a target of `.`).
    Refused,
    /// There are none.
    Unnamed,
    /// No answer yet, or none at all.
    Unknown,
}

impl<'a, K: Fn(&Question) -> Option<&'a Answer>> Walk<'_, K> {
    fn from(&mut self, named: &Named) {
        let Some(first) = named.transports.first().copied() else { return };
        // §4.2: a port is written, so only addresses are asked for. An open one with a port is UDP, or TLS for sips (§4.1).
        if let Some(port) = named.port {
            return self.host(&named.host, port, first, 0);
        }
        if !named.open {
            return match self.service(&service_name(first, named.secure, &named.host), first) {
                Service::Unnamed => self.host(&named.host, first.default_port(), first, 0),
                Service::Known | Service::Refused | Service::Unknown => {}
            };
        }
        match self.ask(&named.host, Kind::Naptr) {
            Found::Unknown => return,
            Found::Records(records) => {
                if self.naptr(records, named) {
                    return;
                }
            }
            Found::Nothing => {}
        }
        // §4.1: no NAPTR records that we can use. The services that we have are asked for, in the order of our preference.
        let mut refused = false;
        for transport in &named.transports {
            match self.service(&service_name(*transport, named.secure, &named.host), *transport) {
                Service::Known | Service::Unknown => return,
                Service::Refused => refused = true,
                Service::Unnamed => {}
            }
        }
        // No SRV records either: the default, which is UDP, or TLS for sips (§4.1). Where we do not have it, what we have.
        let default = if named.secure { Transport::Tls } else { Transport::Udp };
        let transport = if named.transports.contains(&default) { default } else { first };
        if !refused {
            self.host(&named.host, transport.default_port(), transport, 0);
        }
    }

    /// §4.1: the services of a domain in the order that it wants. True where one of them is ours, whatever it leads to.
    fn naptr(&mut self, records: &[Record], named: &Named) -> bool {
        let ours = |record: &Record| match record {
            Record::Naptr { order, preference, flags, service, regexp, replacement } => {
                let transport = service_transport(service, named)?;
                // Terminal rules that lead to SRV records, without rewriting.
                let terminal =
                    flags.eq_ignore_ascii_case("s") && regexp.is_empty() && !replacement.is_empty();
                terminal.then(|| (*order, *preference, transport, replacement.clone()))
            }
            Record::Srv { .. } | Record::Address(_) => None,
        };
        let mut rules: Vec<_> = records.iter().filter_map(ours).collect();
        rules.sort_by_key(|(order, preference, ..)| (*order, *preference));
        let Some(lowest) = rules.first().map(|(order, ..)| *order) else { return false };
        // RFC 3403 §4.1: nothing of another order once something fits; of one order the later ones are for when the earlier fail.
        for (_, _, transport, replacement) in rules.into_iter().filter(|(order, ..)| *order == lowest) {
            self.service(&replacement, transport);
        }
        true
    }

    /// §4.2: the servers of a service.
    fn service(&mut self, name: &str, transport: Transport) -> Service {
        let records = match self.ask(name, Kind::Srv) {
            Found::Unknown => return Service::Unknown,
            Found::Nothing => return Service::Unnamed,
            Found::Records(records) => records,
        };
        let server = |record: &Record| match record {
            Record::Srv { priority, weight, port, target } => {
                Some((*priority, *weight, *port, target.clone()))
            }
            Record::Naptr { .. } | Record::Address(_) => None,
        };
        let mut servers: Vec<_> = records.iter().filter_map(server).collect();
        if servers.is_empty() {
            return Service::Unnamed;
        }
        servers.retain(|(_, _, port, target)| *port != 0 && !target.is_empty());
        if servers.is_empty() {
            return Service::Refused;
        }
        servers.sort_by_key(|(priority, ..)| *priority);
        let mut before = None;
        for (priority, weight, port, target) in servers {
            if before != Some(priority) {
                (before, self.rank) = (Some(priority), self.rank.saturating_add(1));
            }
            self.host(&target, port, transport, weight);
        }
        Service::Known
    }

    /// The addresses of a host, as a server of the present rank.
    fn host(&mut self, name: &str, port: u16, transport: Transport, weight: u16) {
        let mut addresses = Vec::new();
        for kind in families(self.listen, transport) {
            if let Found::Records(records) = self.ask(name, kind) {
                addresses.extend(records.iter().filter_map(|record| match record {
                    Record::Address(address) if address.is_ipv4() == (kind == Kind::A) => {
                        Some(SocketAddr::new(*address, port))
                    }
                    Record::Address(_) | Record::Naptr { .. } | Record::Srv { .. } => None,
                }));
            }
        }
        if !addresses.is_empty() && self.plan.servers.len() < SERVERS_MAX {
            self.plan.servers.push(Server { rank: self.rank, weight, transport, addresses });
        }
    }

    fn ask(&mut self, name: &str, kind: Kind) -> Found<'a> {
        let question = Question::new(name, kind);
        let answer = (self.know)(&question);
        if !self.plan.used.contains(&question) {
            self.plan.used.push(question.clone());
        }
        match answer {
            None => {
                if !self.plan.missing.contains(&question) {
                    self.plan.missing.push(question);
                }
                Found::Unknown
            }
            Some(Answer::Failed { .. }) => {
                self.plan.failed = true;
                Found::Unknown
            }
            Some(Answer::Nothing { .. }) => Found::Nothing,
            Some(Answer::Records { records, .. }) => {
                Found::Records(records.get(..RECORDS_MAX).unwrap_or(records))
            }
        }
    }
}

/// RFC 3263 §4.1, §4.2: the SRV name of a service. TLS is asked for as `_sips._tcp`, whatever the scheme.
fn service_name(transport: Transport, secure: bool, host: &str) -> String {
    let (scheme, protocol) = match transport {
        Transport::Udp => ("_sip", "_udp"),
        Transport::Tcp if secure => ("_sips", "_tcp"),
        Transport::Tcp => ("_sip", "_tcp"),
        Transport::Tls => ("_sips", "_tcp"),
        Transport::Ws => ("_sip", "_ws"),
        Transport::Wss => ("_sips", "_ws"),
    };
    format!("{scheme}.{protocol}.{host}")
}

/// Our transport for a service of a NAPTR record (RFC 3263 §4.1); `None` where we have none, or none that is as secure as the
/// URI wants.
fn service_transport(service: &str, named: &Named) -> Option<Transport> {
    let services = [("SIP+D2U", Transport::Udp), ("SIP+D2T", Transport::Tcp), ("SIPS+D2T", Transport::Tls)];
    let (_, transport) = services.into_iter().find(|(name, _)| service.eq_ignore_ascii_case(name))?;
    (named.transports.contains(&transport) && (transport.is_secure() || !named.secure)).then_some(transport)
}

#[cfg(test)]
mod tests;
