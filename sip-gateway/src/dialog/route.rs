//! Route set, Request-URI and destination (RFC 3261 §12.2.1.1, §16.12.1.1).

use std::net::{IpAddr, SocketAddr};

use super::{Dialog, Reach};
use crate::message::{Headers, NameAddr, Request, Response, Uri};
use crate::transport::{Transport, is_nobodys};

impl Dialog {
    /// Request-URI and Route headers of the next request (§12.2.1.1).
    pub(super) fn path(&self) -> (Uri, Vec<NameAddr>) {
        match self.route_set.split_first() {
            None => (request_uri(&self.remote_target), Vec::new()),
            // A loose router finds the target in the Request-URI and itself on top of the routes.
            Some((first, _)) if first.uri.is_loose_router() => {
                (request_uri(&self.remote_target), self.route_set.clone())
            }
            // A strict router expects itself in the Request-URI and the target at the end.
            Some((first, rest)) => {
                let mut routes = rest.to_vec();
                routes.push(NameAddr::new(self.remote_target.clone()));
                (request_uri(&first.uri), routes)
            }
        }
    }

    /// Works out where requests go after route set or target changed.
    pub(super) fn route(&mut self) {
        match self.reach {
            Reach::Pinned => {}
            Reach::Follow => {
                let next = self.route_set.first().map_or(&self.remote_target, |route| &route.uri);
                // A name can't be resolved here, another transport can't be had: the way the INVITE took still leads there.
                let address = reachable(next, self.local.transport);
                // Loopback belongs to this machine; only who is on it can mean it.
                let loopback = self.next_hop.ip().is_loopback();
                if let Some(address) = address.filter(|address| loopback || !address.ip().is_loopback()) {
                    self.next_hop = address;
                }
            }
        }
    }

    /// Takes over the peer's new Contact from a target refresh request or its 2xx (§12.2.1.2, §12.2.2).
    pub fn retarget(&mut self, headers: &Headers) {
        if let Ok(contacts) = headers.contacts()
            && let Some(contact) = contacts.first()
        {
            self.remote_target = contact.uri.clone();
            self.route();
        }
    }

    /// Whether a request in this dialog may come from `source`: the address our requests go to, the one a call from outside
    /// came from, that of the peer's contact, or that of one of the routes. Ports are not compared.
    pub fn is_peer(&self, source: SocketAddr) -> bool {
        let source = canonical(source.ip());
        let known = [&self.remote_target].into_iter().chain(self.route_set.iter().map(|route| &route.uri));
        source == canonical(self.next_hop.ip())
            || self.met.is_some_and(|met| canonical(met) == source)
            || known.filter_map(Uri::host_ip).any(|address| canonical(address) == source)
    }

    /// Whether the request is in this dialog (§12.2.2).
    pub fn matches_request(&self, request: &Request) -> bool {
        super::DialogId::of_request(request).as_ref() == Some(&self.id)
    }

    /// Whether the response is in this dialog (§12.2.1.2).
    pub fn matches_response(&self, response: &Response) -> bool {
        super::DialogId::of_response(response).as_ref() == Some(&self.id)
    }
}

/// An address that can be sent to over the dialog's transport. Some are nobody's contact. Over a connection a URI that names no transport is taken to mean the same one.
fn reachable(uri: &Uri, transport: Transport) -> Option<SocketAddr> {
    let same = uri.param("transport").is_none() || uri.transport() == Some(transport);
    let same = same && transport.follows_addresses();
    let address = uri.socket_addr().filter(|_| same && uri.param("maddr").is_none())?;
    (!is_nobodys(address.ip())).then_some(address)
}

/// RFC 5118 §4.9: an IPv4 address mapped into IPv6 is the same peer.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// The URI without what may not stand in a Request-URI: headers and `method` (§19.1.1, table 1).
fn request_uri(uri: &Uri) -> Uri {
    let method = uri.params().find(|(name, _)| name.eq_ignore_ascii_case("method"));
    if uri.headers().is_none() && method.is_none() {
        return uri.clone();
    }
    let mut text = uri.raw().to_owned();
    if let Some(headers) = uri.headers() {
        text.truncate(text.len().saturating_sub(headers.len() + 1));
    }
    if let Some((name, value)) = method {
        let param = format!(";{name}={value}");
        if let Some(at) = text.rfind(&param) {
            text.replace_range(at..at + param.len(), "");
        }
    }
    Uri::parse(&text).unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_uri_loses_headers_and_method() {
        for (contact, expected) in [
            ("sip:a@192.0.2.1;transport=udp", "sip:a@192.0.2.1;transport=udp"),
            ("sip:a@192.0.2.1;method=INVITE;x=1?Route=%3Csip:evil%3E", "sip:a@192.0.2.1;x=1"),
            ("sip:a?b@192.0.2.1?Subject=x", "sip:a?b@192.0.2.1"),
        ] {
            let uri = Uri::parse(contact).expect("a good URI");
            assert_eq!(request_uri(&uri).raw(), expected);
        }
    }

    #[test]
    fn only_addresses_that_udp_reaches_are_followed() {
        let follow = |text: &str| reachable(&Uri::parse(text).expect("a good URI"), Transport::Udp);
        assert_eq!(follow("sip:192.0.2.1:5070"), "192.0.2.1:5070".parse().ok());
        assert_eq!(follow("sip:[2001:db8::1]"), "[2001:db8::1]:5060".parse().ok());
        for never in [
            "sip:carrier.example",
            "sip:192.0.2.1;transport=tcp",
            "sip:192.0.2.1;maddr=239.255.255.1",
            "sip:224.0.0.1",
            "sip:255.255.255.255",
            "sip:0.0.0.0",
            "sip:169.254.169.254:80",
            "sip:[::ffff:169.254.169.254]:80",
            "sip:[fe80::1]",
            "tel:+15550100",
        ] {
            assert_eq!(follow(never), None, "{never}");
        }
        let tls = Uri::parse("sip:192.0.2.1:5061;transport=tls").expect("a good URI");
        assert_eq!(reachable(&tls, Transport::Tls), None, "nothing says whose certificate to expect there");
    }
}
