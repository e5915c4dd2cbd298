//! What a REGISTER asks for: which contacts, for how long, on which way (RFC 3261 §10.3, RFC 3327, RFC 5626).

use std::net::SocketAddr;
use std::time::Duration;

use super::bindings::{BINDINGS_MAX, Q_WHOLE, Wish};
use crate::dialog::capability::{lists, response as plain};
use crate::message::{Contacts, HeaderName, NameAddr, Request, Response, Scheme, Uri};
use crate::transport::Local;

/// Lifetime granted when the phone asks for none (RFC 3261 §10.3 step 6 leaves it to us).
pub const EXPIRES_DEFAULT: Duration = Duration::from_secs(3600);

/// Longest name of a device that is kept; a longer one is as good as none.
pub const INSTANCE_LENGTH_MAX: usize = 256;

/// Most proxies between a phone and us.
pub const PATH_MAX: usize = 8;

/// The option tag of RFC 5626.
pub const OUTBOUND: &str = "outbound";

/// Between what a lifetime has to be.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Below it: 423.
    pub min: Duration,
    /// Never granted more than this.
    pub max: Duration,
}

/// What is asked for.
#[derive(Debug)]
pub enum Asked {
    /// Only what is bound.
    Nothing,
    /// To forget all of the user's bindings.
    Clear,
    /// To change these; at least one.
    Change {
        /// One a contact.
        wishes: Vec<Wish>,
        /// The flow is kept as RFC 5626 has it, which the answer has to say.
        outbound: bool,
    },
}

/// Reads a REGISTER of somebody who has proved who they are. `Err` is the refusal.
pub fn read(
    request: &Request,
    from: SocketAddr,
    local: Local,
    lifetimes: Lifetimes,
) -> Result<Asked, Response> {
    let headers = &request.headers;
    let contacts = match headers.contacts().map_err(|_| plain(request, 400))? {
        // §10.3 step 6: "*" removes all, and only with "Expires: 0".
        Contacts::Star if headers.expires() == Some(0) => return Ok(Asked::Clear),
        Contacts::Star => return Err(plain(request, 400)),
        Contacts::List(contacts) if contacts.is_empty() => return Ok(Asked::Nothing),
        Contacts::List(contacts) => contacts,
    };
    if contacts.len() > BINDINGS_MAX {
        return Err(plain(request, 400));
    }
    let path = path(request)?;
    let outbound = outbound(request, &contacts, &path)?;
    let (call_id, cseq) = match (headers.call_id(), headers.cseq()) {
        (Ok(call_id), Ok(cseq)) => (call_id.to_owned(), cseq.number),
        (_, _) => return Err(plain(request, 400)),
    };
    let address = towards(&path, from, local);
    let mut wishes = Vec::with_capacity(contacts.len());
    for contact in &contacts {
        // Headers in a contact would be headers of our INVITE (§19.1.5).
        if !matches!(contact.uri.scheme(), Scheme::Sip | Scheme::Sips) || contact.uri.headers().is_some() {
            return Err(plain(request, 400));
        }
        wishes.push(Wish {
            contact: contact.uri.raw().to_owned(),
            address,
            local,
            call_id: call_id.clone(),
            cseq,
            expires: expires(request, contact, lifetimes)?,
            instance: instance(contact),
            reg_id: reg_id(contact).filter(|_| outbound),
            q: quality(contact),
            path: path.clone(),
            session: None,
        });
    }
    Ok(Asked::Change { wishes, outbound })
}

/// §10.3 step 7: a lifetime of its own, else that of the request, else ours.
fn expires(request: &Request, contact: &NameAddr, lifetimes: Lifetimes) -> Result<Duration, Response> {
    let own = contact.param("expires").and_then(|text| text.parse::<u32>().ok());
    let asked = own.or(request.headers.expires());
    let asked = asked.map_or(EXPIRES_DEFAULT, |s| Duration::from_secs(u64::from(s)));
    if !asked.is_zero() && asked < lifetimes.min {
        let mut response = plain(request, 423);
        response.headers.append(HeaderName::MinExpires, lifetimes.min.as_secs().to_string());
        return Err(response);
    }
    Ok(asked.min(lifetimes.max))
}

/// The proxies that a request to the phone has to go through (RFC 3327 §5.3), the nearest to us first.
fn path(request: &Request) -> Result<Vec<String>, Response> {
    if !request.headers.contains(HeaderName::Path) {
        return Ok(Vec::new());
    }
    let proxies = request.headers.addresses(HeaderName::Path).map_err(|_| plain(request, 400))?;
    let sound = |proxy: &NameAddr| {
        // RFC 3327 §4: a loose router. Headers in its URI would be headers of our INVITE.
        let sip = matches!(proxy.uri.scheme(), Scheme::Sip | Scheme::Sips);
        sip && proxy.uri.is_loose_router() && proxy.uri.headers().is_none()
    };
    if proxies.len() > PATH_MAX || !proxies.iter().all(sound) {
        return Err(plain(request, 400));
    }
    Ok(proxies.iter().map(|proxy| proxy.uri.raw().to_owned()).collect())
}

/// Where requests on this path go first. A Path is believed where it names the host that the REGISTER came from, so that
/// nobody makes us call a third party; else, and without one, requests go back where it came from.
fn towards(path: &[String], from: SocketAddr, local: Local) -> SocketAddr {
    let nearest = path.first().and_then(|first| Uri::parse(first).ok());
    let named = nearest.filter(|uri| uri.transport() == Some(local.transport));
    let named = named.filter(|_| local.transport.follows_addresses());
    let named = named.and_then(|uri| uri.socket_addr());
    named.filter(|named| named.ip().to_canonical() == from.ip().to_canonical()).unwrap_or(from)
}

/// Whether the flow is to be kept as RFC 5626 §6 has it: the phone supports it and names device and flow, and so does the
/// proxy that the phone speaks to, if there is one. Else a 439 says that it doesn't.
fn outbound(request: &Request, contacts: &[NameAddr], path: &[String]) -> Result<bool, Response> {
    let supported = lists(&request.headers, HeaderName::Supported, OUTBOUND);
    let flows = contacts.iter().filter(|contact| reg_id(contact).is_some() && instance(contact).is_some());
    let flows = flows.count();
    if flows == 0 || !supported {
        return Ok(false);
    }
    // §4.2.1: one REGISTER is about one flow.
    if contacts.len() > 1 {
        return Err(plain(request, 400));
    }
    let direct = request.headers.vias().map_err(|_| plain(request, 400))?.len() < 2;
    let first_hop = path.last().and_then(|last| Uri::parse(last).ok());
    if direct || first_hop.is_some_and(|proxy| proxy.param("ob").is_some()) {
        return Ok(true);
    }
    Err(plain(request, 439))
}

/// The device's name, without quotes. One that can't be written back as it is counts as none.
fn instance(contact: &NameAddr) -> Option<String> {
    let quoted = contact.param("+sip.instance")?;
    let name = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let writable = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\');
    let fits = (1..=INSTANCE_LENGTH_MAX).contains(&name.len()) && name.bytes().all(writable);
    fits.then(|| name.to_owned())
}

/// RFC 5626 §4.2: 1 to 2^31 - 1.
fn reg_id(contact: &NameAddr) -> Option<u32> {
    let digits = contact.param("reg-id").filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()))?;
    digits.parse().ok().filter(|reg_id| (1..=i32::MAX.unsigned_abs()).contains(reg_id))
}

/// RFC 3261 §25.1 `qvalue`, in thousandths; whatever is none counts as 1.
fn quality(contact: &NameAddr) -> u16 {
    let read = |text: &str| {
        let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
        let sound = rest.len() <= 3 && rest.bytes().all(|octet| octet.is_ascii_digit());
        let thousandths = format!("{rest:0<3}").parse::<u16>().ok().filter(|_| sound)?;
        match whole {
            "0" => Some(thousandths),
            "1" if thousandths == 0 => Some(Q_WHOLE),
            _ => None,
        }
    };
    contact.param("q").and_then(read).unwrap_or(Q_WHOLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn contact(text: &str) -> NameAddr {
        NameAddr::parse(&Bytes::copy_from_slice(text.as_bytes())).expect("a contact")
    }

    #[test]
    fn what_is_no_quality_counts_as_one() {
        let of = |q: &str| quality(&contact(&format!("<sip:a@192.0.2.1>;q={q}")));
        for (written, read) in
            [("0", 0), ("0.", 0), ("0.5", 500), ("0.25", 250), ("0.001", 1), ("1.000", 1000)]
        {
            assert_eq!(of(written), read, "{written}");
        }
        for wrong in ["2", "1.5", "-1", "0.0001", "nan", "1e3", ".5", "0.5x", "+0.5"] {
            assert_eq!(of(wrong), Q_WHOLE, "{wrong}");
        }
        assert_eq!(quality(&contact("<sip:a@192.0.2.1>")), Q_WHOLE);
    }

    #[test]
    fn a_device_is_read_when_it_can_be_written_back() {
        let of = |value: &str| instance(&contact(&format!("<sip:a@192.0.2.1>;+sip.instance={value}")));
        assert_eq!(of("\"<urn:uuid:1>\"").as_deref(), Some("<urn:uuid:1>"));
        let long = format!("\"{}\"", "x".repeat(INSTANCE_LENGTH_MAX + 1));
        for wrong in ["\"\"", "urn:uuid:1", "\"a b\"", "\"a\\\"b\"", long.as_str()] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        let flow = |value: &str| reg_id(&contact(&format!("<sip:a@192.0.2.1>;reg-id={value}")));
        assert_eq!((flow("1"), flow("2147483647")), (Some(1), Some(2_147_483_647)));
        for wrong in ["0", "-1", "+1", "2147483648", "99999999999", "x"] {
            assert_eq!(flow(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_path_is_followed_to_the_host_that_it_came_from_alone() {
        let from: SocketAddr = "192.0.2.9:40000".parse().expect("an address");
        let udp = Local::from(SocketAddr::from(([192, 0, 2, 1], 5060)));
        let tcp = Local::tcp(udp.address);
        let tls = Local { transport: crate::transport::Transport::Tls, ..tcp };
        let to = |path: &str, local| towards(&[path.to_owned()], from, local).to_string();
        assert_eq!(to("sip:192.0.2.9;lr", udp), "192.0.2.9:5060");
        assert_eq!(to("sip:token@192.0.2.9:5070;transport=tcp;lr;ob", tcp), "192.0.2.9:5070");
        for (path, local) in [
            ("sip:203.0.113.5;lr", udp),
            ("sip:proxy.example;lr", udp),
            ("sip:192.0.2.9;transport=tcp;lr", udp),
            ("sip:192.0.2.9;transport=tls;lr", tls),
        ] {
            assert_eq!(to(path, local), from.to_string(), "{path}");
        }
        assert_eq!(towards(&[], from, udp), from);
    }
}
