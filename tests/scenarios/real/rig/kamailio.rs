//! Kamailio as the proxy between us and the carrier: stays in the path of every call it lets through (RFC 3261 §16.6). And as a
//! capture server.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::certificates::Certificates;
use super::ports::Ports;
use super::process::Process;
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

    /// Starts it at [`Ports::other_carrier`], over UDP and TCP, before our registrar: phones speak to it, and it puts itself into the
    /// Path of their REGISTERs (RFC 3327).
    pub fn edge(stage: &Stage, edge: &Edge<'_>) -> Kamailio {
        Self::run(stage, &edge.configuration(&stage.ports))
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
        command.process_group(0);
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
    /// Kills its children with it: they outlive it otherwise. Asked to end it may wait for one of them for a minute.
    fn drop(&mut self) {
        self.process.kill_group();
    }
}

/// What an edge speaks to us over.
#[derive(Clone, Copy)]
pub enum Towards<'a> {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS, at [`Ports::carrier_tls`] with a certificate of its own, believing the authority in this file.
    Tls(&'a Certificates, &'a Path),
}

/// How an edge finds the phone again that a Path leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Finds {
    /// By the phone's own Contact.
    Contact,
    /// By the address that its REGISTER came from, which the Path names.
    Source,
    /// By its flow, of which the Path has a token (RFC 5626 §5.1).
    Flow,
}

/// What an edge is like.
#[derive(Clone, Copy)]
pub struct Edge<'a> {
    /// What it speaks to us over.
    pub towards: Towards<'a>,
    /// How it finds phones.
    pub finds: Finds,
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
    proxy(at, "loadmodule \"rr.so\"", &begins)
}

impl Edge<'_> {
    fn configuration(&self, ports: &Ports) -> String {
        let (registrar, tls) = match self.towards {
            Towards::Udp => (format!("{};transport=udp", ports.listen()), String::new()),
            Towards::Tcp => (format!("{};transport=tcp", ports.listen()), String::new()),
            Towards::Tls(own, ca) => {
                (format!("{};transport=tls", ports.listen_tls()), speaks_tls(ports.carrier_tls(), own, ca))
            }
        };
        let (add, received) = match self.finds {
            Finds::Contact | Finds::Flow => ("add_path", 0),
            Finds::Source => ("add_path_received", 1),
        };
        let outbound = if self.finds == Finds::Flow { "loadmodule \"outbound.so\"" } else { "" };
        // Where the transport changes it is in the Path twice.
        let modules = format!(
            r#"{tls}
{outbound}
loadmodule "rr.so"
loadmodule "path.so"
modparam("path", "use_received", {received})
modparam("path", "enable_r2", 1)"#
        );
        let begins = format!(
            r#"    if (is_method("REGISTER")) {{
        {add}();
        $du = "sip:{registrar}";
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
        proxy(ports.other_carrier(), &modules, &begins)
    }
}

/// A server's certificate is checked; phones need none.
fn speaks_tls(at: SocketAddr, own: &Certificates, ca: &Path) -> String {
    let Certificates { certificate, key, .. } = own;
    let (certificate, key, ca) = (certificate.display(), key.display(), ca.display());
    format!(
        r#"enable_tls=yes
listen=tls:{at}
loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "{certificate}")
modparam("tls", "private_key", "{key}")
modparam("tls", "ca_list", "{ca}")
modparam("tls", "verify_certificate", 1)"#
    )
}
