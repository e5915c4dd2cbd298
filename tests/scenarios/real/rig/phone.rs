//! baresip as an agent's softphone: registers, answers by itself, speaks a tone and keeps what it hears.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::process::{Process, Signal};
use super::tone::{self, Law};
use super::{AGENT_HZ, LONG, PASSWORD, Stage};

/// How long the phone's tone is: longer than any test.
const TONE_S: u32 = 60;

/// What a phone speaks SIP over.
#[derive(Clone, Copy, Debug)]
pub enum Over<'a> {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS, believing the authority in this file.
    Tls(&'a Path),
}

/// How a phone is set up, beside the ports of its index.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// Whose phone it is: `agentN`, N = `agent` + 1.
    pub agent: u16,
    /// Its codecs.
    pub laws: &'a [Law],
    /// What it registers with.
    pub password: &'a str,
    /// What it speaks SIP over.
    pub over: Over<'a>,
    /// The proxy that it speaks to in place of the registrar.
    pub proxy: Option<SocketAddr>,
    /// Whether it names its flow (RFC 5626 §4.2).
    pub flow: bool,
    /// Whether it answers by itself; else it rings.
    pub answers: bool,
}

impl Setup<'static> {
    /// A phone of this agent that registers over UDP and answers.
    pub fn of(agent: u16) -> Self {
        Setup {
            agent,
            laws: &[Law::Mu],
            password: PASSWORD,
            over: Over::Udp,
            proxy: None,
            flow: false,
            answers: true,
        }
    }
}

/// A softphone on the loopback, without audio hardware.
pub struct Phone {
    process: Process,
    console: SocketAddr,
    heard: PathBuf,
}

impl Phone {
    /// Starts the phone at the ports of `index`. Started again there, it is the same phone (RFC 5626 §4.1).
    pub(super) fn start(stage: &Stage, index: u16, setup: &Setup<'_>) -> Phone {
        let Setup { agent, laws, password, over, proxy, flow, answers } = *setup;
        let user = Stage::user(agent);
        let name = format!("phone-{}", index + 1);
        let directory = stage.directory().join(&name);
        let heard = directory.join("heard");
        fs::create_dir_all(&heard).expect("the test's directory can be written");
        tone::write_wav(&directory.join("tone.wav"), AGENT_HZ, TONE_S);
        let (rtp_first, rtp_last) = stage.ports.phone_rtp(index);
        let (registrar, transport, trusts) = match over {
            Over::Udp => (stage.ports.listen(), "", String::new()),
            Over::Tcp => (stage.ports.listen(), ";transport=tcp", String::new()),
            Over::Tls(ca) => {
                (stage.ports.listen_tls(), ";transport=tls", format!("sip_cafile {}", ca.display()))
            }
        };
        let config = [
            trusts,
            "sip_verify_server yes".into(),
            "poll_method epoll".to_owned(),
            format!("sip_listen {}", stage.ports.phone(index)),
            format!("audio_source aufile,{}", directory.join("tone.wav").display()),
            "audio_player aubridge,nil".into(),
            "audio_alert aubridge,nil".into(),
            format!("ausrc_srate {}", tone::RATE),
            format!("auplay_srate {}", tone::RATE),
            "ausrc_channels 1".into(),
            "auplay_channels 1".into(),
            format!("rtp_ports {rtp_first}-{rtp_last}"),
            format!("snd_path {}", heard.display()),
            format!("module_path {}", modules().display()),
            "module g711.so".into(),
            "module aufile.so".into(),
            "module aubridge.so".into(),
            "module sndfile.so".into(),
            "module cons.so".into(),
            format!("cons_listen {}", stage.ports.phone_console(index)),
            "module_tmp uuid.so".into(),
            "module_tmp account.so".into(),
            "module_app menu.so".into(),
        ];
        let codecs: Vec<String> = laws.iter().map(|law| format!("{}/8000/1", law.name())).collect();
        let proxy = proxy.map_or_else(String::new, |at| format!(";outbound=\"sip:{at}{transport};lr\""));
        let answer = if answers { "auto" } else { "manual" };
        let flow = if flow { ";sipnat=outbound" } else { "" };
        let account = format!(
            "<sip:{user}@{registrar}{transport}>;auth_pass={password};answermode={answer};regint=60;audio_codecs={}{proxy}{flow}\n",
            codecs.join(",")
        );
        for (file, text) in
            [("config", config.join("\n") + "\n"), ("accounts", account), ("contacts", "\n".into())]
        {
            fs::write(directory.join(file), text).expect("the test's directory can be written");
        }
        let mut command = Command::new("baresip");
        command.arg("-f").arg(&directory).arg("-s");
        let mut process = Process::start(&name, &mut command, stage.directory());
        process.wait_for_output("baresip is ready", LONG);
        Phone { process, console: stage.ports.phone_console(index), heard }
    }

    /// Types a line on its console, like `/transfer sip:somebody@192.0.2.1`.
    pub fn types(&self, line: &str) {
        let socket = UdpSocket::bind((self.console.ip(), 0)).expect("a free port");
        socket
            .send_to(format!("{line}\n").as_bytes(), self.console)
            .expect("the phone listens to its console");
    }

    /// Hangs up for good and gives the sound that it heard in its calls, one after the other.
    pub fn stop(mut self) -> Vec<i16> {
        // The first signal hangs up and closes the files, then waits for a registrar that may be gone; the second ends it.
        self.process.signal(Signal::Terminate);
        thread::sleep(Duration::from_millis(300));
        self.process.signal(Signal::Terminate);
        self.process.wait(Duration::from_secs(5));
        let mut files: Vec<PathBuf> = fs::read_dir(&self.heard)
            .expect("the phone's directory is there")
            .map(|entry| entry.expect("an entry can be read").path())
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        files.sort();
        files.iter().flat_map(|path| read_mono(path)).collect()
    }

    /// The dialog of the last call that it answered, as another phone would name it in a Replaces (RFC 3891 §6.1).
    pub fn dialog(&self) -> Option<String> {
        let log = self.output();
        let answer = log.rmatch_indices("SIP/2.0 200 ").map(|(at, _)| &log[at..]).find(|answer| {
            let cseq = answer.lines().find(|line| line.starts_with("CSeq:"));
            cseq.is_some_and(|cseq| cseq.trim_end().ends_with("INVITE"))
        })?;
        let header = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let tag = |name: &str| header(name)?.split(";tag=").nth(1)?.split(';').next();
        Some(format!("{};to-tag={};from-tag={}", header("Call-ID:")?, tag("From:")?, tag("To:")?))
    }

    /// Its log with every SIP message.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

fn read_mono(path: &Path) -> Vec<i16> {
    let mut reader =
        hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(reader.spec().channels, 1, "{}", path.display());
    reader.samples().map(|sample| sample.expect("a whole file")).collect()
}

/// Where Debian keeps baresip's modules: with or without the machine's triplet.
fn modules() -> PathBuf {
    let mut places = vec![PathBuf::from("/usr/lib/baresip/modules")];
    places.extend(
        ["x86_64", "aarch64"].map(|cpu| PathBuf::from(format!("/usr/lib/{cpu}-linux-gnu/baresip/modules"))),
    );
    places
        .into_iter()
        .find(|place| place.is_dir())
        .expect("baresip's modules; `cargo xtask test` installs what is missing")
}
