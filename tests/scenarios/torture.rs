//! Every message of RFC 4475 and RFC 5118, sent to a running gateway, and the answer that comes back.
//!
//! `tests/corpus/*/expect.tsv` says what is right, its MANIFEST.md what the codes mean. Each message goes over the transport
//! that its RFC drew it for, and once more over UDP, written in another way that means the same.
//!
//! The sender is the trunk: a stranger would get silence for most of it. Answers go to the port of the top Via
//! (RFC 3261 §18.2.2), so the sender holds all ports that the messages name, on a loopback address of its own.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant};

use carillon_tests::parsers::variants::{VARIANTS, variant};
use socket2::{Domain, Socket, Type};

use crate::real::rig::campaign::Campaign;
use crate::real::rig::{LONG, Run, Stage, repository};

const SETS: [&str; 2] = ["rfc4475", "rfc5118"];
/// What the messages' top Vias name: the default ports of SIP and SIPS, and the others.
const PORTS: [u16; 7] = [5060, 5061, 5050, 5070, 6050, 19823, 5080];
/// MANIFEST.md: "no hang over 1 s".
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How long silence is listened to.
const SILENCE: Duration = Duration::from_millis(300);
/// MANIFEST.md: "no more than 1 MiB extra memory".
const MEMORY_KIB_MAX: u64 = 1_024;

/// One row of `expect.tsv`.
#[derive(Clone, Debug)]
struct Row {
    path: PathBuf,
    over_tcp: bool,
    /// What is right; one of several.
    codes: Vec<String>,
}

impl Row {
    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn octets(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
    }
}

fn rows(set: &str) -> Vec<Row> {
    let folder = repository().join("tests/corpus").join(set);
    let table = fs::read_to_string(folder.join("expect.tsv")).expect("expect.tsv");
    let rows = table.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let over_tcp = columns[3] == "tcp";
        Row {
            path: folder.join(columns[0]),
            over_tcp,
            codes: columns[4].split('|').map(str::to_owned).collect(),
        }
    });
    rows.collect()
}

/// Rows in groups, each for a gateway of its own: within a group no Call-ID and no top Via comes twice. Many of the
/// messages share them, and a gateway that has answered one of them takes the next for its retransmission.
fn groups(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut groups: Vec<(BTreeSet<String>, Vec<Row>)> = Vec::new();
    for row in rows {
        let octets = row.octets();
        let text = String::from_utf8_lossy(&octets);
        let marks = [header(&text, &["call-id", "i"]), header(&text, &["via", "v"])];
        let marks: BTreeSet<String> = marks.into_iter().flatten().collect();
        match groups.iter_mut().find(|(seen, _)| seen.is_disjoint(&marks)) {
            Some((seen, group)) => {
                seen.extend(marks);
                group.push(row);
            }
            None => groups.push((marks, vec![row])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The first value of a header, unfolded (RFC 3261 §7.3.1).
fn header(text: &str, names: &[&str]) -> Option<String> {
    let text = text.replace("\r\n ", " ").replace("\r\n\t", " ");
    text.lines().skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        names.contains(&name.trim().to_ascii_lowercase().as_str()).then(|| value.trim().to_owned())
    })
}

/// The trunk: sends from port 5060 and hears on all.
struct Sender {
    sockets: Vec<UdpSocket>,
    host: Ipv4Addr,
    gateway: SocketAddr,
    sent: u32,
}

impl Sender {
    /// A loopback address that no other test has at the same time: by its set, how its messages are written, and its process.
    fn address(set: &str, written: Written) -> Ipv4Addr {
        let index = SETS.iter().position(|known| *known == set).and_then(|index| u8::try_from(index).ok());
        let otherwise = if matches!(written, Written::AsDrawn) { 0 } else { 2 };
        let [_, _, high, low] = process::id().to_be_bytes();
        Ipv4Addr::new(127, 77 + otherwise + index.unwrap_or_default(), high, low.max(2))
    }

    fn new(host: Ipv4Addr, gateway: SocketAddr) -> Sender {
        let open = |port| {
            let socket =
                UdpSocket::bind((host, port)).unwrap_or_else(|error| panic!("{host}:{port}: {error}"));
            socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout can be set");
            socket
        };
        Sender { sockets: PORTS.into_iter().map(open).collect(), host, gateway, sent: 0 }
    }

    fn send(&self, octets: &[u8]) {
        self.sockets[0].send_to(octets, self.gateway).expect("a datagram can be sent");
    }

    /// What comes until `over`, as long as `wanted` has not come.
    fn receive(&self, limit: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let end = Instant::now() + limit;
        let mut buffer = vec![0; 65_536];
        while Instant::now() < end {
            for socket in &self.sockets {
                let Ok((length, _)) = socket.recv_from(&mut buffer) else { continue };
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if wanted(&text) {
                    return Some(text);
                }
            }
        }
        None
    }

    /// What comes back over a connection of its own.
    fn ask_over_tcp(&self, octets: &[u8], limit: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let mut stream = connect_from(self.host, self.gateway);
        stream.write_all(octets).expect("a message can be sent");
        let (mut text, mut buffer, end) = (String::new(), vec![0; 65_536], Instant::now() + limit);
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            stream.set_read_timeout(Some(left)).expect("a timeout can be set");
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(length) => text.push_str(&String::from_utf8_lossy(&buffer[..length])),
            }
            // Responses to it have no body.
            if let Some(answer) = text.split_inclusive("\r\n\r\n").find(|answer| wanted(answer)) {
                return Some(answer.to_owned());
            }
        }
        None
    }

    /// A clean request, and the final answer to it.
    fn clean(&mut self, kind: &Kind, limit: Duration) -> Option<String> {
        self.sent += 1;
        let (number, host) = (self.sent, self.host);
        let method = &kind.method;
        let to_tag = if kind.in_dialog { ";tag=unknown" } else { "" };
        let call_id = format!("clean-{number}@{host}");
        let text = format!(
            "{method} sip:carillon@{gateway} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {host}:5060;branch=z9hG4bKclean{number}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:carrier@{host}>;tag=clean{number}\r\n\
             To: <sip:carillon@{gateway}>{to_tag}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {number} {method}\r\n\
             Contact: <sip:carrier@{host}:5060>\r\n\
             Content-Length: 0\r\n\r\n",
            gateway = self.gateway,
        );
        self.send(text.as_bytes());
        self.receive(limit, |text| is_final(text) && text.contains(&call_id))
    }
}

/// A connection from an address of this machine's.
fn connect_from(host: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((host, 0)).into()).expect("an address of the loopback");
    socket.connect(&to.into()).expect("the gateway listens");
    socket.into()
}

fn status(response: &str) -> &str {
    response.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).unwrap_or_default()
}

fn is_final(text: &str) -> bool {
    matches!(status(text).parse::<u16>(), Ok(200..=699))
}

/// What matters for how a well-formed request is answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    method: String,
    /// A To tag claims a dialog, and there is none (RFC 3261 §12.2.2).
    in_dialog: bool,
}

impl Kind {
    fn of(text: &str) -> Kind {
        let method = text.split(' ').next().unwrap_or_default().to_owned();
        let to = header(text, &["to", "t"]).unwrap_or_default().replace(' ', "");
        Kind { method, in_dialog: to.contains(";tag=") }
    }

    fn options() -> Kind {
        Kind { method: "OPTIONS".into(), in_dialog: false }
    }
}

/// The status of a clean request of the same kind: the meaning of P.
fn usual(sender: &mut Sender, kind: &Kind) -> String {
    let answer = sender.clean(kind, ANSWER_WITHIN);
    status(&answer.unwrap_or_else(|| panic!("no answer to a clean {kind:?}"))).to_owned()
}

/// Starts a gateway whose trunk is the sender and which waits for an agent as long as the test needs it.
fn gateway(stage: &Stage, set: &str, written: Written) -> (Run, Sender) {
    let host = Sender::address(set, written);
    let carrier = SocketAddr::new(IpAddr::V4(host), PORTS[0]);
    let run = stage.run(&Campaign { carrier: Some(carrier), wait_for: "10m", ..Campaign::default() });
    let mut sender = Sender::new(host, stage.ports.listen());
    let end = Instant::now() + LONG;
    while sender.clean(&Kind::options(), SILENCE).is_none() {
        assert!(Instant::now() < end, "the gateway does not answer:\n{}", run.output());
    }
    (run, sender)
}

/// Sends one message; what is wrong with the answer, if anything.
fn replay(row: &Row, written: Written, sender: &mut Sender) -> Result<(), String> {
    let octets = row.octets();
    let text = String::from_utf8_lossy(&octets);
    let kind = Kind::of(&text);
    let usual = row.codes.iter().any(|code| code == "P").then(|| usual(sender, &kind));
    let call_id = header(&text, &["call-id", "i"]);
    let ours = |answer: &str| match &call_id {
        Some(call_id) => answer.contains(call_id.as_str()),
        None => !answer.contains("clean-"),
    };
    let again = match written {
        Written::AsDrawn => None,
        Written::Otherwise(index) => variant(&octets, VARIANTS[index % VARIANTS.len()]),
    };
    let over_tcp = row.over_tcp && matches!(written, Written::AsDrawn);
    let octets = again.as_deref().unwrap_or(&octets);
    let silent = row.codes.iter().all(|code| code == "D" || code == "R");
    let limit = if silent { SILENCE } else { ANSWER_WITHIN };
    let wanted = |answer: &str| ours(answer) && (silent || is_final(answer));
    let answer = if over_tcp {
        sender.ask_over_tcp(octets, limit, wanted)
    } else {
        sender.send(octets);
        sender.receive(limit, wanted)
    };
    let right = |code: &String, status: &str| match code.as_str() {
        "P" => usual.as_deref() == Some(status),
        number => status == number.trim_start_matches('P'),
    };
    match answer {
        Some(answer) if silent => Err(format!("answered, where silence is right:\n{answer}")),
        None if silent => Ok(()),
        None => Err(format!("no answer within {limit:?}")),
        Some(answer) => {
            let status = status(&answer);
            let fits = row.codes.iter().any(|code| right(code, status));
            if fits {
                extras(&row.name(), &answer)
            } else {
                Err(format!("{status} instead of {:?}:\n{answer}", row.codes))
            }
        }
    }
}

/// What MANIFEST.md wants of an answer beside its status.
fn extras(name: &str, answer: &str) -> Result<(), String> {
    let lists = |names: &[&str], wanted: &[&str]| {
        let value = header(answer, names).unwrap_or_default();
        let found: Vec<&str> = value.split(',').map(str::trim).collect();
        if found == wanted { Ok(()) } else { Err(format!("{} is `{value}`", names[0])) }
    };
    match name {
        "bext01.dat" => lists(&["unsupported"], &["nothingSupportsThis", "nothingSupportsThisEither"]),
        "invut.dat" => lists(&["accept"], &["application/sdp"]),
        "mpart01.dat" if header(answer, &["allow"]).is_none() => Err("405 without Allow".into()),
        _ => Ok(()),
    }
}

/// Memory that a process has taken for itself: pages of its own binary, which the kernel brings in as code runs for the
/// first time, are not among it.
fn memory_kib(pid: u32) -> u64 {
    let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

/// How a message is written.
#[derive(Clone, Copy, Debug)]
enum Written {
    /// As its RFC has it.
    AsDrawn,
    /// Another way; which one follows from the message's place in the set.
    Otherwise(usize),
}

/// The least that one message takes, sent to three gateways that have had others before: whoever is at work in another
/// thread at that moment takes some too. What a message takes, it takes
/// each time.
fn memory_taken(row: &Row, written: Written, set: &str) -> u64 {
    let taken = (0..3).map(|_| {
        let stage = Stage::new();
        let (run, mut sender) = gateway(&stage, set, written);
        for _ in 0..50 {
            sender.clean(&Kind::options(), ANSWER_WITHIN);
        }
        let before = memory_kib(run.pid());
        // What is wrong with its answer was said before.
        let _ = replay(row, written, &mut sender);
        memory_kib(run.pid()).saturating_sub(before)
    });
    taken.min().unwrap_or_default()
}

fn replay_set(set: &str, written: Written) {
    let (mut wrong, mut greedy) = (Vec::new(), Vec::new());
    for group in groups(rows(set)) {
        let stage = Stage::new();
        let (run, mut sender) = gateway(&stage, set, written);
        for (index, row) in group.into_iter().enumerate() {
            let before = memory_kib(run.pid());
            let written = match written {
                Written::AsDrawn => written,
                Written::Otherwise(shift) => Written::Otherwise(index + shift),
            };
            if let Err(problem) = replay(&row, written, &mut sender) {
                wrong.push(format!("{} {written:?}: {problem}", row.name()));
            }
            let good = sender.clean(&Kind::options(), ANSWER_WITHIN);
            if good.as_deref().map(status) != Some("200") {
                wrong.push(format!("{}: the next good OPTIONS got {good:?}", row.name()));
            }
            if memory_kib(run.pid()).saturating_sub(before) > MEMORY_KIB_MAX {
                greedy.push((row, written));
            }
        }
        assert!(!run.output().contains("panicked"), "{}", run.output());
    }
    for (row, written) in greedy {
        let more = memory_taken(&row, written, set);
        if more > MEMORY_KIB_MAX {
            wrong.push(format!("{} {written:?}: takes {more} KiB", row.name()));
        }
    }
    assert!(wrong.is_empty(), "{} of {set}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_message_of_rfc4475_is_handled_as_its_row_says() {
    replay_set(SETS[0], Written::AsDrawn);
}

#[test]
fn every_message_of_rfc5118_is_handled_as_its_row_says() {
    replay_set(SETS[1], Written::AsDrawn);
}

#[test]
fn every_message_written_otherwise_is_handled_the_same() {
    for (shift, set) in SETS.into_iter().enumerate() {
        replay_set(set, Written::Otherwise(shift));
    }
}

#[test]
fn every_file_of_the_corpus_has_a_row_or_is_a_twin_of_one() {
    for set in SETS {
        let known: BTreeSet<String> = rows(set).iter().map(Row::name).collect();
        for entry in fs::read_dir(repository().join("tests/corpus").join(set)).expect("the corpus") {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            let of_a_row = known.contains(&name) || known.contains(&name.replace(".fixed", ""));
            assert!(of_a_row || !name.ends_with(".dat"), "{set}/{name} has no row in expect.tsv");
        }
    }
}
