//! Where SIP URIs of the file lead, and who is asked about names.

use std::net::{IpAddr, SocketAddr};

use carillon_sip::resolve::{Named, Place, Target};
use carillon_sip::transport::{Local, Transport};

use crate::reader::{Document, Section};

/// Most nameservers.
const NAMESERVERS_MAX: usize = 8;
/// Port of a nameserver where none is written.
const DNS_PORT: u16 = 53;

/// What a SIP URI in the file is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NeighbourUri {
    /// A carrier: host and port only.
    Trunk,
    /// A phone: may have a user; host has to be an address.
    Contact,
}

/// The parts of `sip:[user@]host[:port][;transport=udp|tcp|tls]`, or of a `sips:` URI.
pub(crate) struct SipUri<'u> {
    /// Without brackets.
    pub host: &'u str,
    /// Where it is written.
    pub port: Option<u16>,
    /// Where it is written, or follows from the scheme (RFC 3261 §19.1.1, §26.2.2).
    pub transport: Option<Transport>,
    /// Whether it is a `sips:` URI.
    pub secure: bool,
}

/// Reads `nameservers`.
pub(crate) fn nameservers(document: &Document<'_>, section: &mut Section<'_>) -> Vec<SocketAddr> {
    let Some(written) = section.texts("nameservers", false) else { return Vec::new() };
    if written.value.is_empty() || written.value.len() > NAMESERVERS_MAX {
        document.problem(&written.place, format!("must name 1 to {NAMESERVERS_MAX} addresses"));
    }
    let mut addresses = Vec::new();
    for at in &written.value {
        let alone = || at.value.parse().map(|host: IpAddr| SocketAddr::new(host, DNS_PORT));
        match at.value.parse().or_else(|_| alone()) {
            Ok(address) => addresses.push(address),
            Err(_) => {
                document.problem(&at.place, "must be IP addresses like \"192.0.2.53\" or \"127.0.0.1:5300\"")
            }
        }
    }
    addresses
}

/// Where a trunk's `uri` leads: to an address in a family that we listen on over its transport, or to a name that is looked up
/// once the service runs.
pub(crate) fn trunk_place(uri: &str, listen: &[Local]) -> Result<Place, String> {
    let SipUri { host, port, transport, secure } = split_sip_uri(uri, NeighbourUri::Trunk)?;
    let default = if secure { Transport::Tls } else { Transport::Udp };
    // RFC 3263 §4.1: with an address or a port the transport is the default where none is written.
    let is_address = host.parse::<IpAddr>();
    let sole = transport.or((is_address.is_ok() || port.is_some()).then_some(default));
    // What the carrier sends by itself must find us over the same transport. Without a good listen address its own problem is
    // told; this one would only repeat it.
    let listens =
        |transport: Transport| listen.is_empty() || listen.iter().any(|own| own.transport == transport);
    if let Some(transport) = sole.filter(|transport| !listens(*transport)) {
        return Err(format!("needs an address on {}: in [sip] listen", transport.name()));
    }
    if let (Ok(host), Some(transport)) = (is_address, sole) {
        let family = |own: &Local| own.transport == transport && own.address.is_ipv4() == host.is_ipv4();
        if !listen.is_empty() && !listen.iter().any(family) {
            return Err(format!("host {host} has no address of a family that [sip] listen has"));
        }
        let address = SocketAddr::new(host, port.unwrap_or(transport.default_port()));
        return Ok(Place::Fixed(Target { transport, address }));
    }
    let transports = match sole {
        Some(transport) => vec![transport],
        None => ours(listen, secure),
    };
    if transports.is_empty() {
        let which = if secure { "tls:" } else { "udp:, tcp: or tls:" };
        return Err(format!("needs an address on {which} in [sip] listen"));
    }
    Ok(Place::Named(Named {
        host: host.trim_end_matches('.').to_owned(),
        port,
        transports,
        open: sole.is_none(),
        secure,
    }))
}

/// Our transports towards carriers, in the order in which we listen.
fn ours(listen: &[Local], secure: bool) -> Vec<Transport> {
    let mut transports = Vec::new();
    for transport in listen.iter().map(|local| local.transport) {
        let fits = transport.is_opened_by_us() && (transport.is_secure() || !secure);
        if fits && !transports.contains(&transport) {
            transports.push(transport);
        }
    }
    if listen.is_empty() { vec![if secure { Transport::Tls } else { Transport::Udp }] } else { transports }
}

/// Reads a SIP URI; a phone's has to lead to an address, and not over TLS.
pub(crate) fn split_sip_uri(uri: &str, what: NeighbourUri) -> Result<SipUri<'_>, String> {
    let form = || match what {
        NeighbourUri::Trunk => "must be like \"sip:carrier.example:5060\"".to_owned(),
        NeighbourUri::Contact => "must be like \"sip:agent1@192.0.2.7:5060\"".to_owned(),
    };
    let secure = uri.strip_prefix("sips:");
    let rest = secure.or(uri.strip_prefix("sip:")).ok_or_else(form)?;
    let (rest, named) =
        rest.split_once(";transport=").map_or((rest, None), |(rest, name)| (rest, Some(name)));
    let transport = match (named, named.and_then(|name| Transport::of_param(Some(name)))) {
        (None, _) => None,
        (Some(_), Some(Transport::Tls)) => Some(Transport::Tls),
        // What TLS runs over may be named.
        (Some(_), Some(Transport::Tcp)) if secure.is_some() => Some(Transport::Tls),
        (Some(_), Some(transport @ (Transport::Udp | Transport::Tcp))) if secure.is_none() => Some(transport),
        (Some(name), _) => {
            let scheme = if secure.is_some() { "sips" } else { "sip" };
            return Err(format!(
                "transport {name} is not for {scheme}: here; only udp, tcp and tls, and tls with sips:"
            ));
        }
    };
    if what == NeighbourUri::Contact && (secure.is_some() || transport == Some(Transport::Tls)) {
        return Err("a phone over TLS has to register".into());
    }
    let host_port = match (rest.split_once('@'), what) {
        (Some((user, host_port)), NeighbourUri::Contact) if !user.is_empty() => host_port,
        (None, NeighbourUri::Trunk | NeighbourUri::Contact) => rest,
        (Some(_), NeighbourUri::Trunk | NeighbourUri::Contact) => return Err(form()),
    };
    let number = |port: &str| port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(form);
    let (host, port) = match host_port.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(number(rest.strip_prefix(':').ok_or_else(form)?)?)),
        None => match host_port.split_once(':') {
            Some((host, port)) => (host, Some(number(port)?)),
            None => (host_port, None),
        },
    };
    let known = host.parse::<IpAddr>().is_ok() || (what == NeighbourUri::Trunk && is_host_name(host));
    if known { Ok(SipUri { host, port, transport, secure: secure.is_some() }) } else { Err(form()) }
}

/// RFC 1123 §2.1: words of letters, digits and hyphens, 63 characters each and 253 together.
pub(crate) fn is_host_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let word = |word: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&word.len()) && word.bytes().all(fits)
    };
    let last = host.rsplit('.').next().unwrap_or(host);
    // What ends in a number is an address, and a wrong one (RFC 3696 §2).
    host.len() <= 253 && host.split('.').all(word) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(uri: &str) -> Result<Place, String> {
        let listen = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060", "tls:127.0.0.1:5061", "ws:127.0.0.1:80"];
        trunk_place(uri, &listen.map(|local| local.parse().unwrap()))
    }

    fn named(uri: &str) -> Named {
        match place(uri) {
            Ok(Place::Named(named)) => named,
            other => panic!("{uri}: {other:?}"),
        }
    }

    #[test]
    fn what_is_written_leaves_the_rest_to_the_dns() {
        use Transport::{Tcp, Tls, Udp};
        for (uri, port, transports, open, secure) in [
            ("sip:carrier.example", None, vec![Udp, Tcp, Tls], true, false),
            ("sip:carrier.example.", None, vec![Udp, Tcp, Tls], true, false),
            ("sip:carrier.example:5070", Some(5070), vec![Udp], false, false),
            ("sip:carrier.example;transport=tcp", None, vec![Tcp], false, false),
            ("sip:carrier.example:5070;transport=tls", Some(5070), vec![Tls], false, false),
            ("sips:carrier.example", None, vec![Tls], true, true),
            ("sips:carrier.example:5071", Some(5071), vec![Tls], false, true),
        ] {
            let expected = Named { host: "carrier.example".into(), port, transports, open, secure };
            assert_eq!(named(uri), expected, "{uri}");
        }
    }

    #[test]
    fn an_address_is_an_address() {
        for (uri, expected) in [
            ("sip:127.0.0.2", "udp:127.0.0.2:5060"),
            ("sip:127.0.0.2:5070;transport=tcp", "tcp:127.0.0.2:5070"),
            ("sips:127.0.0.2", "tls:127.0.0.2:5061"),
        ] {
            let Ok(Place::Fixed(target)) = place(uri) else { panic!("{uri}") };
            assert_eq!(target.to_string(), expected);
        }
        for wrong in
            ["sip:[::1]", "sip:127.0.0.256", "sip:1.2.3", "sip:a..b", "sip:", "sip:a:0", "sip:-x:99999"]
        {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_what_we_listen_on_is_taken() {
        let udp: [Local; 1] = ["127.0.0.1:5060".parse().unwrap()];
        for uri in ["sip:carrier.example;transport=tcp", "sips:carrier.example"] {
            assert!(trunk_place(uri, &udp).is_err(), "{uri}");
        }
        let Ok(Place::Named(named)) = trunk_place("sip:carrier.example", &udp) else { panic!("a name") };
        assert_eq!(named.transports, [Transport::Udp]);
    }
}
