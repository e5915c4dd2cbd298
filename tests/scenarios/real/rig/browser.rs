//! JsSIP in Chromium as an agent's phone: a web page of ours around a SIP stack and a WebSocket that others wrote.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::process::Process;
use super::{PASSWORD, Stage, repository};

/// How long Chromium may take to come up and speak.
const PATIENCE: Duration = Duration::from_secs(30);

/// A web page with a phone in it. Dropping it closes the browser.
pub struct Browser {
    process: Process,
}

impl Browser {
    /// Opens the page of `agentN`, N = `index` + 1, which connects to `socket` (`ws://` or `wss://`).
    pub(super) fn open(stage: &Stage, index: u16, socket: &str) -> Browser {
        Self::with(stage, index, &format!("socket={socket}"), &[])
    }

    /// The same, which registers with tokens of the API at `api` and tries to be another user with them.
    pub(super) fn with_tokens(stage: &Stage, index: u16, socket: &str, api: &str) -> Browser {
        let other = Stage::user(index + 1);
        // A page of the service's own host needs no such leave; this one is a file.
        let leave = ["--disable-web-security"];
        Self::with(stage, index, &format!("socket={socket}&api={api}&other={other}"), &leave)
    }

    fn with(stage: &Stage, index: u16, query: &str, more: &[&str]) -> Browser {
        let source = repository().join("tests/browser");
        let page = stage.directory().join("page");
        fs::create_dir_all(&page).expect("the test's directory can be written");
        fs::copy(source.join("phone.html"), page.join("phone.html")).expect("the page is there");
        let bundled = Command::new(source.join("node_modules/.bin/esbuild"))
            .current_dir(&source)
            .args(["phone.js", "--bundle", "--log-level=error"])
            .arg(format!("--outfile={}", page.join("phone.bundle.js").display()))
            .status()
            .expect("esbuild; `cargo xtask test` installs what is missing");
        assert!(bundled.success(), "the page can't be bundled");
        let mut command = Command::new("chromium");
        command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]);
        command.args(["--no-first-run", "--disable-extensions", "--remote-debugging-port=0"]);
        // A microphone and the consent to use it; the certificate of a test is nobody's business.
        command.args(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]);
        command.arg("--ignore-certificate-errors").args(more);
        command.arg(format!("--user-data-dir={}", stage.directory().join("browser").display()));
        let (page, user) = (page.join("phone.html"), Stage::user(index));
        command.arg(format!("file://{}?{query}&user={user}&password={PASSWORD}", page.display()));
        Browser { process: Process::start("browser", &mut command, stage.directory()) }
    }

    /// Waits until the page has said something.
    pub fn wait_for(&mut self, text: &str) {
        self.process.wait_for_output(text, PATIENCE);
    }

    /// All that the page and its browser have said.
    pub fn output(&self) -> String {
        self.process.output()
    }
}
