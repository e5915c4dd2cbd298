//! linphonec as an agent's softphone: registers, answers by itself, speaks a tone from a file and keeps what it hears in one.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::process::Process;
use super::tone;
use super::{AGENT_HZ, PASSWORD, Stage};

/// How long the phone's tone is: longer than any test.
const TONE_S: u32 = 60;

/// Where the samples of its files begin: one channel, 16 bits, 8,000 a second.
const WAV_HEADER: usize = 44;

/// How long it may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(15);

/// A softphone on the loopback, without audio hardware.
pub struct Linphone {
    process: Process,
    console: File,
    heard: PathBuf,
    log: PathBuf,
}

impl Linphone {
    /// Starts the phone of `agentN`, N = `agent` + 1, at the ports of `index`.
    pub(super) fn start(stage: &Stage, agent: u16, index: u16) -> Linphone {
        let user = Stage::user(agent);
        let directory = stage.directory().join(format!("linphone-{user}"));
        // It keeps a database of its own there.
        fs::create_dir_all(directory.join(".local/share/linphone"))
            .expect("the test's directory can be written");
        let (tone_file, heard) = (directory.join("tone.wav"), directory.join("heard.wav"));
        tone::write_wav(&tone_file, AGENT_HZ, TONE_S);
        let config = [
            "[sip]".to_owned(),
            format!("sip_port={}", stage.ports.phone(index).port()),
            "sip_tcp_port=-1".into(),
            "sip_tls_port=-1".into(),
            "guess_hostname=0".into(),
            // There may be no network but the loopback.
            "register_only_when_network_is_up=0".into(),
            "auto_net_state_mon=0".into(),
            "[rtp]".into(),
            format!("audio_rtp_port={}", stage.ports.phone_rtp(index).0),
        ];
        fs::write(directory.join("config"), config.join("\n") + "\n")
            .expect("the test's directory can be written");
        let input = directory.join("input");
        let made = Command::new("mkfifo").arg(&input).status().expect("mkfifo is there");
        assert!(made.success(), "{} can't be made", input.display());
        // Open at both ends, so that nobody waits for the other.
        let console = OpenOptions::new().read(true).write(true).open(&input).expect("the pipe is there");
        let log = directory.join("messages.txt");
        let mut command = Command::new("sh");
        command.env("HOME", &directory);
        command.args(["-c", "exec linphonec -d 6 -l \"$1\" -c \"$2\" < \"$3\"", "linphonec"]);
        command.args([&log, &directory.join("config"), &input]);
        let process = Process::start(&format!("linphone-{user}"), &mut command, stage.directory());
        let mut phone = Linphone { process, console, heard, log };
        phone.types("soundcard use files");
        phone.process.wait_for_output("Using wav files", PATIENCE);
        phone.types(&format!("play {}", tone_file.display()));
        phone.types(&format!("record {}", phone.heard.display()));
        phone.types("autoanswer enable");
        phone.process.wait_for_output("Auto answer enabled", PATIENCE);
        let registrar = stage.ports.listen();
        phone.types(&format!("register sip:{user}@{registrar} sip:{registrar} {PASSWORD}"));
        phone
    }

    /// Types a line on its console, like `pause`.
    pub fn types(&mut self, line: &str) {
        writeln!(self.console, "{line}").expect("the phone reads its console");
    }

    /// Waits until its console says something.
    pub fn wait_for(&mut self, text: &str) {
        self.process.wait_for_output(text, PATIENCE);
    }

    /// Every SIP message that it sent or got.
    pub fn messages(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Hangs up for good and gives the sound that it heard in its last call.
    pub fn stop(mut self) -> Vec<i16> {
        self.types("quit");
        self.process.wait(PATIENCE);
        // Its header tells a length that is not that of the file.
        let file = fs::read(&self.heard).expect("the phone keeps what it hears");
        file.get(WAV_HEADER..)
            .unwrap_or_default()
            .chunks_exact(2)
            .map(|two| i16::from_le_bytes([two[0], two[1]]))
            .collect()
    }
}
