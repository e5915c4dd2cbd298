//! dnsmasq as the nameserver: a zone of a few records, and nobody above it.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::Stage;
use super::process::Process;

/// The domain that it knows everything about.
pub const DOMAIN: &str = "carrier.example";

impl Stage {
    /// dnsmasq with records written as its options, like `srv-host=_sip._udp.carrier.example,a.carrier.example,5060,1,0`. What
    /// it doesn't know of the domain does not exist.
    pub fn nameserver(&self, records: &[String]) -> Process {
        let at: SocketAddr = self.ports.nameserver();
        let mut command = Command::new("dnsmasq");
        command.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
        ]);
        command.args(["--user=root", "--pid-file=", "--log-queries", "--log-facility=-", "--local-ttl=5"]);
        command.arg(format!("--port={}", at.port())).arg(format!("--listen-address={}", at.ip()));
        command.arg(format!("--local=/{DOMAIN}/"));
        command.args(records.iter().map(|record| format!("--{record}")));
        let mut process = Process::start("dnsmasq", &mut command, self.directory());
        process.wait_for_output("started", Duration::from_secs(5));
        process
    }
}

/// `host` of the domain is at the loopback address.
pub fn host(host: &str) -> String {
    format!("host-record={host}.{DOMAIN},127.0.0.1")
}

/// A server of a service.
pub fn srv(service: &str, host: &str, at: SocketAddr, priority: u16, weight: u16) -> String {
    format!("srv-host={service}.{DOMAIN},{host}.{DOMAIN},{},{priority},{weight}", at.port())
}

/// A service of the domain.
pub fn naptr(order: u16, service: &str, replacement: &str) -> String {
    format!("naptr-record={DOMAIN},{order},50,s,{service},,{replacement}.{DOMAIN}")
}
