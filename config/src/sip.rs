//! `[sip]` and `[[trunk]]` as the gateway's options.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use carillon_sip::auth::Algorithm;
use carillon_sip::dialog::session_timer::{INTERVAL_MIN, SessionOptions};
use carillon_sip::media::Codec;
use carillon_sip::options::{HepOptions, HepServer, Options, Secret, Timers, TlsOptions, TrunkOptions};
use carillon_sip::resolve::Place;
use carillon_sip::transport::{Local, NotLocal, Transport};

use crate::place::{is_host_name, nameservers, trunk_place};
use crate::rates::money;
use crate::reader::{At, Document, Section, named};
use crate::signing::signing;
use crate::spec::check_name;
use crate::tls;
use crate::trunk;
use crate::verification::verification;

/// Most trunks of one file.
pub(crate) const TRUNKS_MAX: usize = 100;
/// Most addresses to listen on.
pub(crate) const LISTEN_MAX: usize = 16;
/// Most threads for the UDP addresses.
const WORKERS_MAX: u64 = 16;
/// Most web pages that may connect.
pub(crate) const ORIGINS_MAX: usize = 100;
/// Most caller IDs of one trunk.
pub(crate) const CALLER_IDS_MAX: usize = 10_000;

/// Intervals of pings: more often is a burden, more seldom keeps nothing open.
const KEEP_ALIVE: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(3600);
/// A file a day, so no less than a day.
const LADDERS_KEPT: RangeInclusive<Duration> =
    Duration::from_secs(24 * 3600)..=Duration::from_secs(365 * 24 * 3600);
/// What a capture server knows us by where nothing is said.
const HEP_ID_DEFAULT: u32 = 2_001;
/// Longest password of a capture server.
const HEP_PASSWORD_MAX: usize = 255;
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);

/// Reads `[sip]`; trunks and users are added by the caller.
pub(crate) fn sip(document: &Document<'_>, mut section: Section<'_>) -> Options {
    let listen = listen(document, &mut section);
    let workers = section.integer("workers", 0..=WORKERS_MAX).map(|at| at.value);
    let media = section.text_or_variable("media_address", "CARILLON_SIP_MEDIA_ADDRESS");
    let media_address = media_address(document, media, &section, &listen);
    for local in &listen {
        let address = local.address;
        if address.ip().is_unspecified() && address.is_ipv4() != media_address.is_ipv4() {
            let message =
                format!("{address} stands for every address, but media_address is not of its family");
            document.problem(&section.place("listen"), format!("{message}; name the one that others reach"));
        }
    }
    let ports = section
        .text("rtp_ports")
        .unwrap_or_else(|| At { value: "20000-29999".into(), place: section.place("rtp_ports") });
    let rtp_ports = port_range(&ports.value).unwrap_or_else(|message| {
        document.problem(&ports.place, message);
        (0, 0)
    });
    let realm = section.text("realm");
    if let Some(realm) = &realm
        && (realm.value.is_empty()
            || realm.value.len() > 100
            || !realm.value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'))
    {
        document.problem(&realm.place, "must have 1 to 100 visible ASCII characters without quotes");
    }
    let bounds = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    let shortest = section.duration_within("register_expires_min", bounds.clone());
    let longest = section.duration_within("register_expires_max", bounds);
    let register_expires_min = shortest.map_or(Duration::from_secs(30), |at| at.value);
    let longest_place = longest.as_ref().map(|at| at.place.clone());
    let register_expires_max = longest.map_or(Duration::from_secs(3600), |at| at.value);
    if register_expires_max < register_expires_min {
        let place = longest_place.unwrap_or_else(|| section.place("register_expires_max"));
        document.problem(&place, "must not be below register_expires_min");
    }
    let ws_origins = section.texts("ws_origins", false).map(|at| check_origins(document, at));
    let keep_alive = section.duration_within("keep_alive", KEEP_ALIVE).map(|at| at.value);
    let phone_digests = section
        .texts("phone_digests", false)
        .map_or_else(|| vec![Algorithm::Md5], |written| check_digests(document, written));
    let phone_auth_int = section.flag("phone_auth_int", false);
    let session = session(document, &mut section);
    let nameservers = nameservers(document, &mut section);
    let ladders_kept = section.duration_within("ladders_kept", LADDERS_KEPT).map(|at| at.value);
    let hep = hep(document, &mut section);
    section.finish();
    Options {
        listen,
        workers: workers.and_then(|count| usize::try_from(count).ok()).unwrap_or(0),
        media_address,
        rtp_ports,
        streams_max: usize::MAX,
        realm: realm.map_or_else(|| "carillon".into(), |at| at.value),
        trunks: Vec::new(),
        users: Vec::new(),
        register_expires_min,
        register_expires_max,
        phone_digests,
        phone_auth_int,
        session,
        tls: TlsOptions::default(),
        ws_origins,
        keep_alive,
        nameservers,
        ladders_kept,
        hep,
        timers: Timers::default(),
    }
}

/// Where messages are told besides.
fn hep(document: &Document<'_>, section: &mut Section<'_>) -> Option<HepOptions> {
    let address = section.text("hep");
    let id = section.integer("hep_id", 0..=u64::from(u32::MAX)).map(|at| at.value);
    let id = id.map_or(HEP_ID_DEFAULT, |id| u32::try_from(id).unwrap_or(u32::MAX));
    let password = section.text("hep_password");
    if let Some(password) = &password
        && !(1..=HEP_PASSWORD_MAX).contains(&password.value.len())
    {
        document.problem(&password.place, format!("must have 1 to {HEP_PASSWORD_MAX} octets"));
    }
    let Some(written) = address else {
        if let Some(password) = &password {
            document.problem(&password.place, "does nothing without hep");
        }
        return None;
    };
    let Some(server) = hep_server(&written.value) else {
        let message = "must be an address or a name with port, like \"192.0.2.30:9060\"";
        document.problem(&written.place, message);
        return None;
    };
    Some(HepOptions { server, id, password: password.map(|at| Secret::new(at.value)) })
}

fn hep_server(written: &str) -> Option<HepServer> {
    if let Ok(address) = written.parse::<SocketAddr>() {
        let usable = address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast();
        return usable.then_some(HepServer::Address(address));
    }
    let (host, port) = written.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    is_host_name(host).then(|| HepServer::Named { host: host.to_owned(), port })
}

/// RFC 4028: no interval below 90 s, and none that we would refuse ourselves.
fn session(document: &Document<'_>, section: &mut Section<'_>) -> SessionOptions {
    let bounds = INTERVAL_MIN..=Duration::from_secs(24 * 3600);
    let expires = section.duration_within("session_expires", bounds.clone());
    let min = section.duration_within("session_expires_min", bounds);
    let place = min.as_ref().map(|at| at.place.clone());
    let default = SessionOptions::default();
    let session = SessionOptions {
        expires: expires.map_or(default.expires, |at| at.value),
        min: min.map_or(default.min, |at| at.value),
    };
    if session.min > session.expires {
        let place = place.unwrap_or_else(|| section.place("session_expires_min"));
        document.problem(&place, "must not be above session_expires");
    }
    session
}

fn listen(document: &Document<'_>, section: &mut Section<'_>) -> Vec<Local> {
    const VARIABLE: &str = "CARILLON_SIP_LISTEN";
    let written = section.texts("listen", true);
    let written = match section.variable(VARIABLE) {
        Some(at) => Some(At {
            value: at
                .value
                .split(',')
                .map(|text| At { value: text.trim().into(), place: at.place.clone() })
                .collect(),
            place: at.place,
        }),
        None => written,
    };
    let Some(written) = written else { return vec![LISTEN_DEFAULT.into()] };
    if written.value.is_empty() || written.value.len() > LISTEN_MAX {
        document.problem(&written.place, format!("must name 1 to {LISTEN_MAX} addresses"));
    }
    let mut addresses = Vec::new();
    for text in written.value.iter().take(LISTEN_MAX) {
        match listen_address(&text.value) {
            Ok(address) if addresses.contains(&address) => {
                document.problem(&text.place, format!("{address} is there twice"));
            }
            Ok(address) => addresses.push(address),
            Err(message) => document.problem(&text.place, message),
        }
    }
    addresses
}

/// RFC 6454 §6.1: scheme, host and perhaps a port, nothing behind it.
fn check_origins(document: &Document<'_>, written: At<Vec<At<String>>>) -> Vec<String> {
    if written.value.len() > ORIGINS_MAX {
        document.problem(&written.place, format!("must name at most {ORIGINS_MAX} origins"));
    }
    for origin in &written.value {
        let host = origin.value.strip_prefix("https://").or(origin.value.strip_prefix("http://"));
        if !host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', '*'])) {
            document.problem(&origin.place, "must be like \"https://console.example\", without a path");
        }
    }
    written.value.into_iter().map(|origin| origin.value).collect()
}

fn listen_address(text: &str) -> Result<Local, String> {
    let local: Local = text.parse().map_err(|error: NotLocal| error.to_string())?;
    if local.address.port() == 0 { Err("port must not be 0".into()) } else { Ok(local) }
}

fn media_address(
    document: &Document<'_>,
    written: Option<At<String>>,
    section: &Section<'_>,
    listen: &[Local],
) -> IpAddr {
    let place = written.as_ref().map_or_else(|| section.place("media_address"), |at| at.place.clone());
    let address = match written {
        Some(at) => at.value.parse().map_err(|_| "must be an IP address"),
        None => Ok(listen.first().map_or(LISTEN_DEFAULT, |local| local.address).ip()),
    };
    match address {
        Ok(address) if address.is_unspecified() || address.is_multicast() => {
            document.problem(&place, "must be one address that phones and carriers can reach");
            address
        }
        Ok(address) => address,
        Err(message) => {
            document.problem(&place, message);
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        }
    }
}

/// RFC 3550 §11: RTP on the even port, RTCP on the next one; so the range starts even and holds more than one pair.
fn port_range(text: &str) -> Result<(u16, u16), String> {
    let form = || "must be two ports like \"20000-29999\"".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(form)?;
    let port = |text: &str| text.trim().parse::<u16>().map_err(|_| form());
    let (first, last) = (port(first)?, port(last)?);
    if first < 1024 {
        return Err("must start at 1024 or above".into());
    }
    if first % 2 != 0 {
        return Err("must start at an even port".into());
    }
    if last.checked_sub(first).is_none_or(|more| more < 2) {
        return Err("must hold more than two ports, lowest first".into());
    }
    Ok((first, last))
}

/// Reads every `[[trunk]]`; at least one has to be there.
pub(crate) fn trunks(document: &Document<'_>, root: &mut Section<'_>, sip: &Options) -> Vec<TrunkOptions> {
    let Some(sections) = root.sections("trunk", "[[trunk]]") else { return Vec::new() };
    if sections.is_empty() {
        document.problem(&root.place("[[trunk]]"), "needs at least one trunk with name, uri and caller_ids");
    }
    if sections.len() > TRUNKS_MAX {
        document.problem(&root.place("[[trunk]]"), format!("at most {TRUNKS_MAX} trunks"));
    }
    let mut names = BTreeSet::new();
    let mut trunks: Vec<TrunkOptions> = Vec::new();
    for section in sections.into_iter().take(TRUNKS_MAX) {
        let place = section.place("uri");
        let trunk = one_trunk(document, section, &mut names, sip);
        let same = |known: &&TrunkOptions| known.place == trunk.place && known.place.may_use(Transport::Tls);
        // They would share a connection.
        if let Some(known) = trunks.iter().find(same).filter(|known| known.tls != trunk.tls) {
            let message = format!(
                "leads where trunk {} is; over TLS both need the same tls_ keys and host",
                known.name
            );
            document.problem(&place, message);
        }
        trunks.push(trunk);
    }
    trunks
}

fn one_trunk(
    document: &Document<'_>,
    mut section: Section<'_>,
    names: &mut BTreeSet<String>,
    sip: &Options,
) -> TrunkOptions {
    let name = section.text_required("name");
    let uri = section.text_required("uri");
    let username = section.text("username").map_or_else(String::new, |at| at.value);
    let password = section.text("password").map_or_else(String::new, |at| at.value);
    let register = section.flag("register", false);
    let max_calls = section.integer("max_calls", 1..=100_000);
    let calls_per_second = section.number("calls_per_second");
    let incoming_per_second = section.number("incoming_per_second");
    let caller_ids = section.texts("caller_ids", false);
    section.need("caller_ids");
    let codecs = section.texts("codecs", false);
    let late_offer = section.flag("late_offer", false);
    let asserted_identity = section.flag("asserted_identity", false);
    let group = |at: Option<At<u64>>| at.and_then(|at| u32::try_from(at.value).ok()).unwrap_or(0);
    let priority = group(section.integer("priority", 0..=1_000));
    let weight = group(section.integer("weight", 0..=1_000));
    let (rates, spend) = money(document, &mut section);
    let signing = signing(document, &mut section, &name.value);
    let verification = verification(document, &mut section);
    let options_interval = section
        .duration_within("options_interval", Duration::from_secs(1)..=Duration::from_secs(24 * 3600))
        .map(|at| at.value);
    let failover = trunk::failover(document, &mut section);
    let outcomes = trunk::outcomes(document, &mut section);
    let hysteresis = trunk::hysteresis(&mut section);
    let destinations = trunk::destinations(document, &mut section);
    let pool = trunk::pool(&mut section);
    let talk_daily_max = trunk::minutes(&mut section, "minutes_daily_max");
    let talk_monthly_max = trunk::minutes(&mut section, "minutes_monthly_max");
    if !name.value.is_empty() && !names.insert(name.value.clone()) {
        document.problem(&name.place, format!("trunk {} is there already", name.value));
    }
    if section.has("name") {
        check_name(document, &name);
    }
    if register && username.is_empty() {
        document.problem(&section.place("username"), "missing; register = true needs it");
    }
    for rate in [&calls_per_second, &incoming_per_second].into_iter().flatten() {
        if !(rate.value > 0.0 && rate.value <= 10_000.0) {
            document.problem(&rate.place, "must be above 0 and at most 10000");
        }
    }
    let mut place = match section.has("uri").then(|| trunk_place(&uri.value, &sip.listen)) {
        Some(Ok(found)) => found,
        Some(Err(message)) => {
            document.problem(&uri.place, message);
            Place::udp(LISTEN_DEFAULT)
        }
        None => Place::udp(LISTEN_DEFAULT),
    };
    let tls = tls::trunk(document, &mut section, &uri.value, &mut place, &sip.tls);
    section.finish();
    TrunkOptions {
        name: name.value,
        uri: uri.value,
        place,
        username,
        password: Secret::new(password),
        register,
        max_calls: max_calls.and_then(|at| u32::try_from(at.value).ok()).unwrap_or(200),
        calls_per_second: calls_per_second.map_or(50.0, |at| at.value),
        incoming_per_second: incoming_per_second.map(|at| at.value),
        caller_ids: caller_ids.map(|at| check_caller_ids(document, at)).unwrap_or_default(),
        late_offer,
        asserted_identity,
        signing,
        verification,
        priority,
        weight,
        rates,
        spend,
        codecs: codecs.map_or_else(|| vec![Codec::Pcmu, Codec::Pcma], |at| check_codecs(document, at)),
        options_interval,
        outcomes,
        failover,
        tls,
        hysteresis,
        talk_daily_max,
        talk_monthly_max,
        destinations,
        pool,
    }
}

fn check_caller_ids(document: &Document<'_>, written: At<Vec<At<String>>>) -> Vec<String> {
    if written.value.is_empty() || written.value.len() > CALLER_IDS_MAX {
        document.problem(&written.place, format!("must name 1 to {CALLER_IDS_MAX} numbers"));
    }
    let mut numbers = Vec::new();
    for number in written.value {
        let digits = number.value.strip_prefix('+').unwrap_or(&number.value);
        if !(3..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            document.problem(&number.place, "must be numbers of 3 to 15 digits like \"+15550000001\"");
        } else if numbers.contains(&number.value) {
            document.problem(&number.place, format!("{} is there twice", number.value));
        }
        numbers.push(number.value);
    }
    numbers
}

fn check_digests(document: &Document<'_>, written: At<Vec<At<String>>>) -> Vec<Algorithm> {
    let names = Algorithm::ALL.map(Algorithm::as_str).join(", ");
    if written.value.is_empty() {
        document.problem(&written.place, format!("must name at least one of {names}"));
    }
    let mut digests = Vec::new();
    for name in written.value {
        match Algorithm::named(&name.value) {
            Some(digest) if digests.contains(&digest) => {
                document.problem(&name.place, format!("{} is there twice", name.value));
            }
            Some(digest) => digests.push(digest),
            None => document.problem(&name.place, format!("must be one of {names}")),
        }
    }
    digests
}

fn check_codecs(document: &Document<'_>, written: At<Vec<At<String>>>) -> Vec<Codec> {
    if written.value.is_empty() {
        document.problem(&written.place, "must name at least one of PCMU, PCMA");
    }
    let mut codecs = Vec::new();
    for name in written.value {
        match named::<Codec>(&name.value) {
            Ok(codec) if codecs.contains(&codec) => {
                document.problem(&name.place, format!("{} is there twice", name.value));
            }
            Ok(codec) => codecs.push(codec),
            Err(message) => document.problem(&name.place, message),
        }
    }
    codecs
}
