//! What the commands need beside Rust: Debian packages and cargo tools, installed when missing.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program, or a file below `/usr/lib`, and the Debian package that brings it.
#[derive(Clone, Copy)]
pub struct Part {
    program: &'static str,
    package: &'static str,
}

impl Part {
    fn is_there(self) -> bool {
        on_path(self.program) || (self.program.contains('/') && in_a_library(self.program))
    }
}

/// SIPp: the carrier of the interoperability tests.
pub const SIPP: Part = Part { program: "sipp", package: "sip-tester" };
/// baresip: the softphone of the interoperability tests.
pub const BARESIP: Part = Part { program: "baresip", package: "baresip" };
/// linphonec: another softphone of the interoperability tests.
pub const LINPHONE: Part = Part { program: "linphonec", package: "linphone-cli" };
/// socat: ends TLS before SIPp, whose Debian build has none.
pub const SOCAT: Part = Part { program: "socat", package: "socat" };
/// OpenSSL's program: a TLS client that others wrote.
pub const OPENSSL: Part = Part { program: "openssl", package: "openssl" };
/// Kamailio: the proxy before a carrier.
pub const KAMAILIO: Part = Part { program: "kamailio", package: "kamailio" };
/// Its module for TLS.
pub const KAMAILIO_TLS: Part = Part { program: "kamailio/modules/tls.so", package: "kamailio-tls-modules" };
/// Its module for flows (RFC 5626).
pub const KAMAILIO_OUTBOUND: Part =
    Part { program: "kamailio/modules/outbound.so", package: "kamailio-outbound-modules" };
/// sipvicious: whoever looks for a way in.
pub const SIPVICIOUS: Part = Part { program: "svcrack", package: "sipvicious" };
/// dnsmasq: the nameserver of the tests of names.
pub const DNSMASQ: Part = Part { program: "dnsmasq", package: "dnsmasq-base" };
/// Chromium: the browser of the WebSocket tests.
pub const CHROMIUM: Part = Part { program: "chromium", package: "chromium" };
/// npm, which brings the phone that runs in it.
pub const NPM: Part = Part { program: "npm", package: "nodejs npm" };
/// A C compiler, for the bundled SQLite.
pub const CC: Part = Part { program: "cc", package: "gcc libc6-dev" };
/// A C++ compiler, for libFuzzer.
pub const CXX: Part = Part { program: "c++", package: "g++" };

/// Makes sure that every part is there; asks before apt unless CI=true.
pub fn need(parts: &[Part]) -> Result<(), String> {
    let missing: Vec<Part> = parts.iter().copied().filter(|part| !part.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().flat_map(|part| part.package.split(' ')).collect();
    let install = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !is_root() {
        return Err(format!("these programs are missing; run\n\n    sudo {install}\n\nand try again"));
    }
    if !agreed(&format!("Missing: {}. Run `{install}`?", packages.join(", ")))? {
        return Err(format!("not installed; run `{install}` and try again"));
    }
    run(Command::new("apt-get").arg("update").arg("-qq"))?;
    run(Command::new("sh").arg("-c").arg(&install).env("DEBIAN_FRONTEND", "noninteractive"))?;
    match missing.iter().find(|part| !part.is_there()) {
        Some(part) => Err(format!("`{}` is still missing after installing {}", part.program, part.package)),
        None => Ok(()),
    }
}

/// Path of a cargo tool, installed into `target/tools` when it is not on the path.
pub fn cargo_tool(program: &str, version: &str) -> Result<PathBuf, String> {
    if on_path(program) {
        return Ok(program.into());
    }
    let root = repository().join("target/tools");
    let path = root.join("bin").join(program);
    if !path.exists() {
        run(Command::new("cargo")
            .args(["install", "--locked", "--version", version, program, "--root"])
            .arg(&root)
            .env("CARGO_TARGET_DIR", root.join("build")))?;
    }
    Ok(path)
}

/// Runs a command, shown first, and fails when it fails. It isn't told of this package: libraries whose build looks at what
/// cargo tells would be built once for us and once for whoever calls cargo without us.
pub fn run(command: &mut Command) -> Result<(), String> {
    let shown = shown(command);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    eprintln!("\n\u{25b8} {shown}");
    let status = command.status().map_err(|error| format!("`{shown}` could not be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed ({status})")) }
}

/// The root of the repository that this was started in. Cargo says where that is; what was true when this was compiled may
/// be another clone with the same target directory.
pub fn repository() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    package.as_deref().and_then(Path::parent).unwrap_or(Path::new(".")).to_owned()
}

fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

fn on_path(program: &str) -> bool {
    let Some(path) = env::var_os("PATH") else { return false };
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Whether a file is in `/usr/lib`, or in the folder in it for one kind of machine.
fn in_a_library(file: &str) -> bool {
    let library = Path::new("/usr/lib");
    let folders = std::fs::read_dir(library).into_iter().flatten().flatten().map(|entry| entry.path());
    folders.chain([library.to_owned()]).any(|folder| folder.join(file).is_file())
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn agreed(question: &str) -> Result<bool, String> {
    if env::var("CI").is_ok_and(|ci| ci == "true") {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        eprintln!("{question} (not a terminal; set CI=true to agree)");
        return Ok(false);
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush().map_err(|error| error.to_string())?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| error.to_string())?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
