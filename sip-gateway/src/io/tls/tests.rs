//! Real TLS connections on the loopback; every certificate is made here.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use mio::Token;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::*;
use crate::io::streams::{OPENING_MAX, Received, SipStreams, StreamOptions};
use crate::io::udp::Drained;
use crate::transport::{Local, Transport};

const MESSAGE: &str = "OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n";
const NAME: &str = "carrier.example";

/// An authority that signs certificates into a directory.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate for a name, with its key; over since 2020 when `old`.
    fn identity(&self, name: &str, old: bool) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if old {
            (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let identity = Identity {
            certificate: self.file(&format!("{name}.pem")),
            key: self.file(&format!("{name}.key")),
        };
        fs::write(&identity.certificate, certificate.pem()).unwrap();
        fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }
}

/// One end: a listener whose connections are secured.
struct End {
    poll: mio::Poll,
    streams: SipStreams,
    heard: Vec<Received>,
}

fn named((address, tls): (SocketAddr, &TrunkTls)) -> TlsTrunk<'_> {
    TlsTrunk { name: "carrier", address: Some(address), tls }
}

impl End {
    fn new(options: &TlsOptions, trunk: Option<(SocketAddr, &TrunkTls)>) -> Self {
        let poll = mio::Poll::new().unwrap();
        let local = Local { transport: Transport::Tls, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let security = Some(Security::new(options, trunk.map(named).into_iter()).unwrap());
        let options = StreamOptions { local, security, origins: None, keep_alive: None };
        let streams = SipStreams::bind(options, poll.registry(), Token(10)).unwrap();
        Self { poll, streams, heard: Vec::new() }
    }

    fn turn(&mut self) {
        let mut events = mio::Events::with_capacity(16);
        self.poll.poll(&mut events, Some(Duration::from_millis(5))).unwrap();
        events.iter().for_each(|event| self.streams.wake(event.token()));
        let heard = &mut self.heard;
        while self.streams.receive(1, Duration::ZERO, |it| heard.push(it)) == Drained::MayHoldMore {}
    }

    fn address(&self) -> SocketAddr {
        self.streams.local().address
    }
}

/// Runs both ends until `done`, for ten seconds at most.
fn until(ends: &mut [&mut End], done: impl Fn(&[&mut End]) -> bool) {
    let began = Instant::now();
    while !done(ends) {
        let heard = || ends.iter().map(|end| format!("{:?}", end.heard)).collect::<Vec<_>>();
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", heard());
        ends.iter_mut().for_each(|end| end.turn());
    }
}

fn options(identity: &Identity) -> TlsOptions {
    TlsOptions { identity: Some(identity.clone()), ..TlsOptions::default() }
}

fn trunk(authority: &Authority, name: &str) -> TrunkTls {
    TrunkTls { name: name.into(), ca: Some(authority.file("ca.pem")), ..TrunkTls::default() }
}

/// The carrier's end with this identity, and ours, which believes `authority` and looks for `name`.
fn ends(carrier: &TlsOptions, trunk: &TrunkTls) -> (End, End) {
    let carrier = End::new(carrier, None);
    let own = Authority::new();
    let us = End::new(&options(&own.identity("us.example", false)), Some((carrier.address(), trunk)));
    (carrier, us)
}

#[test]
fn messages_go_both_ways_and_one_connection_is_used_again() {
    let authority = Authority::new();
    let carrier = options(&authority.identity(NAME, false));
    let (mut carrier, mut us) = ends(&carrier, &trunk(&authority, NAME));
    let to = carrier.address();
    us.streams.send(MESSAGE.as_bytes(), to, Duration::ZERO);
    us.streams.send(MESSAGE.as_bytes(), to, Duration::ZERO);
    until(&mut [&mut carrier, &mut us], |ends| ends[0].heard.len() == 2);
    let Received::Message { bytes, from } = carrier.heard[0].clone() else { panic!("{:?}", carrier.heard) };
    assert_eq!(bytes, MESSAGE);
    // More than one TLS record and more than the library buffers.
    let large = format!("{}{}", MESSAGE.replace("Length: 0", "Length: 60000"), "x".repeat(60_000));
    for _ in 0..4 {
        carrier.streams.send(large.as_bytes(), from, Duration::ZERO);
    }
    let messages = |end: &End| end.heard.iter().filter(|it| matches!(it, Received::Message { .. })).count();
    until(&mut [&mut carrier, &mut us], |ends| messages(ends[1]) == 4);
    assert!(us.heard.contains(&Received::Message { bytes: large.into(), from: to }));
    assert_eq!((carrier.streams.len(), us.streams.len()), (1, 1));
}

#[test]
fn a_carrier_that_is_not_who_it_should_be_gets_no_message() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (good, old) = (authority.identity(NAME, false), authority.identity("old.example", true));
    for (identity, trunk, why) in [
        (&good, trunk(&authority, "other.example"), "a certificate for another name"),
        (&good, trunk(&stranger, NAME), "a certificate of nobody we believe"),
        (&old, trunk(&authority, "old.example"), "a certificate that is over"),
    ] {
        let (mut carrier, mut us) = ends(&options(identity), &trunk);
        let to = carrier.address();
        us.streams.send(MESSAGE.as_bytes(), to, Duration::ZERO);
        until(&mut [&mut carrier, &mut us], |ends| ends[1].heard == [Received::Failed { to }]);
        assert!(!carrier.heard.iter().any(|it| matches!(it, Received::Message { .. })), "{why}");
        assert!(us.streams.is_empty(), "{why}");
    }
}

#[test]
fn a_trunk_proves_itself_by_its_certificate_and_a_wrong_one_is_turned_away() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let own = authority.identity("us.example", false);
    let asked = TlsOptions { client_ca: Some(authority.file("ca.pem")), ..options(&own) };
    let known = TrunkTls { name: NAME.into(), ca: Some(authority.file("ca.pem")), ..TrunkTls::default() };
    let nowhere = SocketAddr::from(([192, 0, 2, 1], 5061));
    for (identity, proves, comes) in [
        (Some(authority.identity(NAME, false)), true, true),
        (Some(authority.identity("somebody.example", false)), false, true),
        (None, false, true),
        (Some(stranger.identity(NAME, false)), false, false),
    ] {
        let mut us = End::new(&asked, Some((nowhere, &known)));
        let peer = TrunkTls { identity, ..trunk(&authority, "us.example") };
        let mut carrier = End::new(&options(&own), Some((us.address(), &peer)));
        let to = us.address();
        carrier.streams.send(MESSAGE.as_bytes(), to, Duration::ZERO);
        until(&mut [&mut us, &mut carrier], |ends| !ends[0].heard.is_empty() || !ends[1].heard.is_empty());
        let proven = us.heard.iter().any(|it| matches!(it, Received::Proven { name, .. } if name == NAME));
        let came = us.heard.iter().any(|it| matches!(it, Received::Message { .. }));
        assert_eq!((proven, came), (proves, comes), "{:?} {:?}", us.heard, carrier.heard);
        if proves {
            assert!(matches!(us.heard[0], Received::Proven { .. }), "known before the first message");
        }
    }
}

#[test]
fn who_does_not_speak_tls_or_not_in_time_is_cut_off_alone() {
    let authority = Authority::new();
    let mut us = End::new(&options(&authority.identity(NAME, false)), None);
    let connect = |end: &End| TcpStream::connect(end.address()).unwrap();
    let (mut plain, slow) = (connect(&us), connect(&us));
    plain.write_all(MESSAGE.as_bytes()).unwrap();
    until(&mut [&mut us], |ends| ends[0].streams.len() == 1);
    let mut alert = Vec::new();
    plain.read_to_end(&mut alert).unwrap_or_default();
    assert_eq!(alert.first(), Some(&0x15), "an alert of TLS and nothing of SIP: {alert:?}");
    us.streams.sweep(OPENING_MAX - Duration::from_millis(1));
    assert_eq!(us.streams.len(), 1);
    us.streams.sweep(OPENING_MAX);
    assert!(us.streams.is_empty());
    drop(slow);
}

#[test]
fn nobody_there_and_nobody_known_are_told() {
    let authority = Authority::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let peer = trunk(&authority, NAME);
    let mut us = End::new(&options(&authority.identity(NAME, false)), Some((closed, &peer)));
    let unknown = SocketAddr::from(([127, 0, 0, 1], 9));
    us.streams.send(b"one", closed, Duration::ZERO);
    us.streams.send(b"one", unknown, Duration::ZERO);
    until(&mut [&mut us], |ends| ends[0].heard.len() == 2);
    assert!(us.heard.contains(&Received::Failed { to: closed }));
    assert!(
        us.heard.contains(&Received::Failed { to: unknown }),
        "whose certificate would be expected there?"
    );
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let authority = Authority::new();
    let identity = authority.identity(NAME, false);
    let mut security = Security::new(&options(&identity), std::iter::empty()).unwrap();
    let first = Arc::clone(&security.config);
    security.look_again(LOOK_INTERVAL);
    assert!(Arc::ptr_eq(&first, &security.config), "nothing changed");
    fs::write(&identity.key, "nonsense").unwrap();
    security.look_again(LOOK_INTERVAL * 2);
    assert!(Arc::ptr_eq(&first, &security.config), "the old one stays");
    authority.identity(NAME, false);
    security.look_again(LOOK_INTERVAL * 2 + Duration::from_secs(1));
    assert!(Arc::ptr_eq(&first, &security.config), "not looked at so often");
    security.look_again(LOOK_INTERVAL * 3);
    assert!(!Arc::ptr_eq(&first, &security.config));
}

#[test]
fn what_is_wrong_with_a_file_names_the_file() {
    let authority = Authority::new();
    let (good, other) = (authority.identity(NAME, false), authority.identity("other.example", false));
    let broken = authority.file("broken.pem");
    fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let empty = authority.file("empty.pem");
    fs::write(&empty, "").unwrap();
    let missing = authority.file("missing.pem");
    let with = |certificate: &Path, key: &Path| {
        options(&Identity { certificate: certificate.to_owned(), key: key.to_owned() })
    };
    for (options, role, file, text) in [
        (with(&missing, &good.key), Role::Certificate, &missing, "can't be read"),
        (with(&empty, &good.key), Role::Certificate, &empty, "no certificate in PEM"),
        (with(&broken, &good.key), Role::Certificate, &broken, "certificate"),
        (with(&good.certificate, &missing), Role::Key, &missing, "can't be read"),
        (with(&good.certificate, &good.certificate), Role::Key, &good.certificate, "no private key"),
        (with(&good.certificate, &other.key), Role::Key, &other.key, "is not the key of"),
        (
            TlsOptions { client_ca: Some(empty.clone()), ..options(&good) },
            Role::ClientCa,
            &empty,
            "no certificate",
        ),
        (TlsOptions { ca: Some(missing.clone()), ..options(&good) }, Role::Ca, &missing, "can't be read"),
    ] {
        let error = check(&options).unwrap_err();
        assert_eq!((error.role, &error.file), (role, file), "{error}");
        let told = error.to_string();
        assert!(told.contains(text) && told.contains(&file.display().to_string()), "{told}");
    }
    let trunk = TrunkTls { identity: Some(Identity { key: other.key, ..good }), ..trunk(&authority, NAME) };
    assert_eq!(check_trunk(&TlsOptions::default(), &trunk).unwrap_err().role, Role::Key);
}
