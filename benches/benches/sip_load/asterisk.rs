//! The same calls by Asterisk: originated over its manager interface, dialed on to an agent's phone, between the same two SIPp.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::rig::{Rig, Sipp, free_ports, seconds_of};

/// Names the program where it isn't on the path.
const PROGRAM: &str = "SIP_LOAD_ASTERISK";
/// Calls a second, one run each; the rates after the first that it can't keep up are left out.
const RATES: [usize; 5] = [150, 200, 250, 300, 400];
/// Phones: at 400 calls a second of one second each is taken by a third of them at most.
const PHONES: usize = 1_400;
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);
/// Calls that do not end within this time of the last that did are lost.
const STALLED: Duration = Duration::from_secs(10);
/// Modules for a SIP call of two legs, and no others.
const MODULES: [&str; 18] = [
    "res_timing_timerfd",
    "res_sorcery_config",
    "res_sorcery_memory",
    "res_sorcery_astdb",
    "res_pjproject",
    "res_rtp_asterisk",
    "codec_ulaw",
    "res_pjsip",
    "res_pjsip_session",
    "res_pjsip_pubsub",
    "res_pjsip_sdp_rtp",
    "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_nat",
    "chan_pjsip",
    "bridge_simple",
    "bridge_native_rtp",
    "app_dial",
    "pbx_config",
];
/// Files that it looks for, and that need not say anything.
const EMPTY: [&str; 13] = [
    "acl",
    "ccss",
    "codecs",
    "dnsmgr",
    "features",
    "hep",
    "http",
    "indications",
    "pjproject",
    "res_parking",
    "sorcery",
    "statsd",
    "udptl",
];
/// What a leg is, carrier's or phone's: no more work than ours has.
const ENDPOINT: &str = "type=endpoint\ntransport=udp\ncontext=out\ndisallow=all\nallow=ulaw\ndirect_media=no\ntimers=no\n\
    allow_subscribe=no\nsend_connected_line=no\n";
/// Events that nobody listens to.
const EVENTS: &str = "Newchannel,Newstate,Newexten,NewCallerid,NewConnectedLine,NewAccountCode,DialBegin,DialState,DialEnd,\
    BridgeCreate,BridgeDestroy,BridgeEnter,BridgeLeave,Hangup,HangupRequest,SoftHangupRequest,VarSet,LocalBridge,\
    DeviceStateChange,OriginateResponse,RTCPSent,RTCPReceived";
/// Messages between its parts that nobody listens to.
const MESSAGES: [&str; 7] = [
    "ast_endpoint_snapshot_type",
    "ast_device_state_message_type",
    "ast_channel_varset_type",
    "ast_rtp_rtcp_sent_type",
    "ast_rtp_rtcp_received_type",
    "ast_security_event_type",
    "cel_generic_type",
];

/// How it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settings {
    /// Nothing but what calls need.
    Default,
    /// No ICE, no events, fewer messages: what a dialer that only originates may do without.
    Tuned,
}

/// CPU per originated and bridged call, by rate, with both settings.
pub fn asterisk(rig: &Rig, seconds: usize) {
    let program = std::env::var(PROGRAM).unwrap_or_else(|_| "asterisk".into());
    let version = Command::new(&program).arg("-V").output();
    let version = version.unwrap_or_else(|error| panic!("{program} (or set {PROGRAM}): {error}"));
    println!(
        "-- {}: CPU per bridged call, by calls a second",
        String::from_utf8_lossy(&version.stdout).trim()
    );
    for settings in [Settings::Default, Settings::Tuned] {
        println!("{settings:?} settings");
        for rate in RATES {
            let calls = rate * seconds;
            let run = Run::of(rig, &program, settings, rate, calls);
            let each = |cpu_s: f64| cpu_s * 1_000.0 / run.bridged.max(1) as f64;
            println!(
                "{rate:>6}                         {:.3} ms  ({:.2} times the {:.3} ms of both SIPp)  {} of {calls} bridged",
                each(run.cpu_s),
                run.cpu_s / run.sipp_cpu_s.max(0.001),
                each(run.sipp_cpu_s),
                run.bridged,
            );
            if run.bridged < calls {
                break;
            }
        }
    }
}

/// What came of one rate.
struct Run {
    bridged: usize,
    cpu_s: f64,
    sipp_cpu_s: f64,
}

impl Run {
    fn of(rig: &Rig, program: &str, settings: Settings, rate: usize, calls: usize) -> Self {
        let work = tempfile::tempdir().expect("temporary directory");
        let work = work.path();
        let ports = free_ports();
        let [_, carrier, phones, manager] = ports;
        configure(work, settings, ports);
        let stat = ["-trace_stat", "-fd", "1", "-stf"];
        let files = [work.join("carrier.csv"), work.join("phones.csv")];
        let start = |scenario: &str, port, file: &Path, more: &[&str]| {
            let file = file.to_string_lossy();
            let options = [&stat[..], &[&file], more].concat();
            Sipp::start(work, &rig.sipp.join(scenario), port, &options)
        };
        let sipp = [
            start("carrier_answer.xml", carrier, &files[0], &["-d", "1000"]),
            start("agent_answer.xml", phones, &files[1], &[]),
        ];
        let process = Process::start(program, work);
        let mut manager = Manager::connect(manager);
        // Its first seconds are its own.
        std::thread::sleep(Duration::from_secs(2));
        let used = || (process.cpu_s(), sipp.iter().map(Sipp::cpu_seconds).sum::<f64>());
        let before = used();
        manager.originate(rate, calls);
        let ended = || files.iter().map(|file| Ended::read(file)).min_by_key(|it| it.all).unwrap_or_default();
        let (mut last, mut changed) = (ended(), Instant::now());
        while last.all < calls && changed.elapsed() < STALLED {
            std::thread::sleep(Duration::from_millis(100));
            let now = ended();
            if now.all != last.all {
                changed = Instant::now();
            }
            last = now;
        }
        let after = used();
        assert_eq!(manager.refused.load(Ordering::Relaxed), 0, "it refused to originate");
        Self { bridged: last.well.min(calls), cpu_s: after.0 - before.0, sipp_cpu_s: after.1 - before.1 }
    }
}

/// Calls that a SIPp saw end.
#[derive(Clone, Copy, Debug, Default)]
struct Ended {
    all: usize,
    well: usize,
}

impl Ended {
    /// The newest line of its statistics.
    fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_default();
        let mut lines = text.lines();
        let (Some(heads), Some(newest)) = (lines.next(), lines.next_back()) else { return Self::default() };
        let cells: BTreeMap<&str, &str> = heads.split(';').zip(newest.split(';')).collect();
        let count = |head| cells.get(head).and_then(|cell| cell.parse().ok()).unwrap_or(0);
        let well = count("SuccessfulCall(C)");
        Self { all: well + count("FailedCall(C)"), well }
    }
}

/// Asterisk, killed when dropped.
struct Process(Child);

impl Process {
    fn start(program: &str, work: &Path) -> Self {
        // A socket for each stream and each channel's timer.
        let script =
            format!("ulimit -n 20000; exec '{program}' -f -C '{}'", work.join("asterisk.conf").display());
        let log = fs::File::create(work.join("asterisk.log")).expect("asterisk.log");
        let child = Command::new("bash")
            .args(["-c", &script])
            .current_dir(work)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("bash");
        Self(child)
    }

    fn cpu_s(&self) -> f64 {
        seconds_of(
            &fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("Asterisk runs to the end"),
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Its manager interface.
struct Manager {
    stream: TcpStream,
    refused: Arc<AtomicUsize>,
}

impl Manager {
    fn connect(port: u16) -> Self {
        let until = Instant::now() + PATIENCE;
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < until, "no manager interface: {error}"),
            }
            std::thread::sleep(Duration::from_millis(200));
        };
        stream.set_nodelay(true).expect("a socket");
        stream
            .write_all(b"Action: Login\r\nUsername: dialer\r\nSecret: dialer\r\nEvents: off\r\n\r\n")
            .expect("it reads");
        let refused = Arc::new(AtomicUsize::new(0));
        let (mut answers, counted) = (stream.try_clone().expect("a second handle"), Arc::clone(&refused));
        std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 18];
            while let Ok(length @ 1..) = answers.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]);
                counted.fetch_add(text.matches("Response: Error").count(), Ordering::Relaxed);
            }
        });
        Self { stream, refused }
    }

    /// Asks for so many calls, evenly.
    fn originate(&mut self, rate: usize, calls: usize) {
        let began = Instant::now();
        for call in 0..calls {
            let due = began + Duration::from_secs_f64(call as f64 / rate as f64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let (number, phone) = (2_000_000 + call, call % PHONES);
            let action = format!(
                "Action: Originate\r\nActionID: {call}\r\nChannel: PJSIP/+1212{number:07}@carrier\r\nContext: out\r\n\
                 Exten: 9{phone}\r\nPriority: 1\r\nCallerID: <+12125550100>\r\nCodecs: ulaw\r\nTimeout: 20000\r\nAsync: true\r\n\r\n"
            );
            self.stream.write_all(action.as_bytes()).expect("it reads");
        }
    }
}

/// Writes its files; `ports` are its own, the carrier's, the phones' and the manager interface's.
fn configure(work: &Path, settings: Settings, [listen, carrier, phones, manager]: [u16; 4]) {
    let tuned = settings == Settings::Tuned;
    let write = |name: &str, text: &str| fs::write(work.join(name), text).expect("its directory");
    let here = work.display();
    let directories = ["astetcdir", "astdbdir", "astspooldir", "astrundir", "astlogdir"];
    let directories: String = directories.iter().map(|name| format!("{name} => {here}\n")).collect();
    write("asterisk.conf", &format!("[directories]\n{directories}[options]\nmaxfiles = 20000\n"));
    let modules: String = MODULES.iter().map(|module| format!("load => {module}.so\n")).collect();
    write("modules.conf", &format!("[modules]\nautoload=no\n{modules}"));
    write("logger.conf", "[general]\nqueue_log = no\n[logfiles]\nerrors => error\n");
    let ice = if tuned { "icesupport=no\n" } else { "" };
    write("rtp.conf", &format!("[general]\nrtpstart=10000\nrtpend=49999\n{ice}"));
    write("cdr.conf", "[general]\nenable=no\n");
    write("cel.conf", "[general]\nenable=no\n");
    write("extensions.conf", "[general]\nstatic=yes\n[out]\nexten => _X.,1,Dial(PJSIP/agent${EXTEN:1},20)\n");
    let events = if tuned { format!("disabledevents = {EVENTS}\n") } else { String::new() };
    write(
        "manager.conf",
        &format!(
            "[general]\nenabled = yes\nport = {manager}\nbindaddr = 127.0.0.1\n{events}\
             [dialer]\nsecret = dialer\nread =\nwrite = originate,system,command\n"
        ),
    );
    let declined: String = MESSAGES.iter().map(|message| format!("decline={message}\n")).collect();
    write(
        "stasis.conf",
        &if tuned { format!("[declined_message_types]\n{declined}") } else { String::new() },
    );
    let mut file = format!(
        "[udp]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:{listen}\n\
         [carrier]\ntype=aor\ncontact=sip:127.0.0.1:{carrier}\n[carrier]\n{ENDPOINT}aors=carrier\n"
    );
    for phone in 0..PHONES {
        file.push_str(&format!(
            "[agent{phone}]\ntype=aor\ncontact=sip:agent{phone}@127.0.0.1:{phones}\n\
             [agent{phone}]\n{ENDPOINT}aors=agent{phone}\n"
        ));
    }
    write("pjsip.conf", &file);
    for empty in EMPTY {
        write(&format!("{empty}.conf"), "");
    }
}
