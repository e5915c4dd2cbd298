//! Kamailio as the proxy between us and the carrier: stays in the path of every call it lets through (RFC 3261 §16.6). And as a
//! capture server.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::ports::Ports;
use super::process::{Process, Signal};
use super::{LONG, Stage};

/// Kamailio at work; ends with the test.
pub struct Kamailio {
    process: Process,
}

impl Kamailio {
    /// Starts it at `at`, over UDP and TCP, before a carrier that speaks UDP.
    pub fn start(stage: &Stage, at: SocketAddr, carrier: SocketAddr) -> Kamailio {
        Self::run(stage, &before_a_carrier(at, carrier))
    }

    /// Starts it at `at`, over UDP and TCP, before our registrar: phones speak to it, and it puts itself into the Path of their
    /// REGISTERs (RFC 3327), with the address that they came from.
    pub fn edge(stage: &Stage, at: SocketAddr) -> Kamailio {
        Self::run(stage, &edge(at, stage.ports.listen()))
    }

    /// Starts it at `at` as a capture server that tells each message that it takes out of HEP and reads: method, or status and
    /// method, where it is from, Call-ID and credentials.
    pub fn capture(stage: &Stage, at: SocketAddr) -> Kamailio {
        let told = r#"
request_route {
    xlog("L_WARN", "captured $rm from $si:$sp call $ci credentials $hdr(Authorization)\n");
    drop;
}
onreply_route {
    xlog("L_WARN", "captured $rs $rm from $si:$sp call $ci\n");
    drop;
}"#;
        Self::run(stage, &capturing(stage, at, 0, told))
    }

    /// Starts it at `at` as a capture server that tells the wrapping of each message, without reading what is in it.
    pub fn unwrap(stage: &Stage, at: SocketAddr) -> Kamailio {
        let told = r#"
event_route[sipcapture:request] {
    xlog("L_WARN", "wrapped version $hep(version) $hep(0x003):$hep(0x007) to $hep(0x004):$hep(0x008) type $hep(0x00b) agent $hep(0x00c) password $hep(0x00e) call $hep(0x011) at $hep(0x009)\n");
    drop;
}
request_route { drop; }"#;
        Self::run(stage, &capturing(stage, at, 1, told))
    }

    fn run(stage: &Stage, configuration: &str) -> Kamailio {
        let file = stage.directory().join("kamailio.cfg");
        fs::write(&file, configuration).expect("the test's directory can be written");
        let run = stage.directory().join("kamailio");
        fs::create_dir_all(&run).expect("the test's directory can be written");
        let mut command = Command::new("kamailio");
        // -DD: not a daemon, and all of its children are; -E: log to the terminal.
        command.args(["-DD", "-E", "-m", "32", "-M", "4", "-f"]).arg(&file);
        command.arg("-Y").arg(&run).arg("-P").arg(run.join("pid"));
        let mut process = Process::start("kamailio", &mut command, stage.directory());
        process.wait_for_output("ready to work", LONG);
        Kamailio { process }
    }

    /// Everything it wrote: a line for each request it passed on.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// How many requests of a method it passed on.
    pub fn passed(&self, method: &str) -> usize {
        self.output().lines().filter(|line| line.contains(&format!("passing on {method} "))).count()
    }
}

impl Drop for Kamailio {
    /// Its children end only when it tells them to.
    fn drop(&mut self) {
        if self.process.runs() {
            self.process.signal(Signal::Terminate);
            self.process.wait(Duration::from_secs(10));
        }
    }
}

/// Its module for HEP wants a database, which stays empty.
fn capturing(stage: &Stage, at: SocketAddr, raw: u8, told: &str) -> String {
    let database = stage.directory().join("captured");
    fs::create_dir_all(&database).expect("the test's directory can be written");
    let database = database.display();
    // A name of this machine may lead to either family.
    let ipv6 = Ports::on_ipv6(at);
    format!(
        r#"#!KAMAILIO
debug=1
log_stderror=yes
children=1
listen=udp:{at}
listen=udp:{ipv6}
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "textops.so"
loadmodule "db_text.so"
loadmodule "sipcapture.so"
modparam("sipcapture", "hep_capture_on", 1)
modparam("sipcapture", "nonsip_hook", {raw})
modparam("sipcapture", "insert_retries", 1)
modparam("sipcapture", "db_url", "text://{database}")

event_route[core:worker-one-init] {{
    xlog("L_WARN", "ready to work\n");
}}
{told}
"#
    )
}

/// What both proxies load, and what they do with requests within dialogs and CANCELs.
fn proxy(at: SocketAddr, modules: &str, begins: &str) -> String {
    format!(
        r#"#!KAMAILIO
debug=2
log_stderror=yes
children=1
tcp_children=1
listen=udp:{at}
listen=tcp:{at}
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
{modules}

event_route[core:worker-one-init] {{
    xlog("L_WARN", "ready to work\n");
}}

request_route {{
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) {{
            xlog("L_WARN", "passing on $rm $ci\n");
            t_relay();
        }}
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) {{
            xlog("L_WARN", "passing on $rm $ci\n");
            t_relay();
        }} else if (is_method("ACK") && t_check_trans()) {{
            t_relay();
        }} else if (!is_method("ACK")) {{
            sl_send_reply("404", "No Route");
        }}
        exit;
    }}
{begins}
    xlog("L_WARN", "passing on $rm $ci\n");
    t_relay();
}}
"#
    )
}

fn before_a_carrier(at: SocketAddr, carrier: SocketAddr) -> String {
    let begins = format!(
        r#"    if (!is_method("INVITE")) {{
        sl_send_reply("200", "OK");
        exit;
    }}
    record_route();
    $du = "sip:{carrier};transport=udp";"#
    );
    proxy(at, "", &begins)
}

fn edge(at: SocketAddr, registrar: SocketAddr) -> String {
    // Where the transport changes it is in the Path twice.
    let modules = r#"loadmodule "path.so"
modparam("path", "use_received", 1)
modparam("path", "enable_r2", 1)"#;
    let begins = format!(
        r#"    if (is_method("REGISTER")) {{
        add_path_received();
        $du = "sip:{registrar};transport=udp";
    }} else {{
        if (!is_present_hf("Route")) {{
            sl_send_reply("404", "No Route");
            exit;
        }}
        xlog("L_WARN", "called along $hdr(Route)\n");
        # Not true where nobody comes after us, but followed all the same.
        loose_route();
        record_route();
    }}"#
    );
    proxy(at, modules, &begins)
}
