//! Processes of a test: started with their output in files, ended when the test ends, whatever happens.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a waiting test looks again.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running program. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// A signal that a test sends.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// What Ctrl-C sends.
    Interrupt,
    /// What a service manager sends.
    Terminate,
    /// What can't be caught.
    Kill,
}

impl Process {
    /// Starts `command` with no input and its output in `directory/NAME.log`.
    pub fn start(name: &str, command: &mut Command, directory: &Path) -> Process {
        let log = directory.join(format!("{name}.log"));
        let out = OpenOptions::new().create(true).append(true).open(&log);
        let out = out.expect("the test's directory can be written");
        let errors = out.try_clone().expect("a file handle can be doubled");
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).stdout(out).stderr(errors).spawn().unwrap_or_else(|error| {
            panic!("`{program}` can't be started ({error}); `cargo xtask test` installs what is missing")
        });
        Process { name: name.to_owned(), child, log }
    }

    /// Everything it wrote so far.
    pub fn output(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits until it ends by itself; its exit status. A signal counts as -1.
    pub fn wait(&mut self, limit: Duration) -> i32 {
        let status = eventually(limit, || self.child.try_wait().expect("a child can be waited for"));
        match status {
            Some(status) => status.code().unwrap_or(-1),
            None => panic!("{} still runs after {limit:?}; it wrote:\n{}", self.name, self.output()),
        }
    }

    /// Waits until its output contains `text`.
    pub fn wait_for_output(&mut self, text: &str, limit: Duration) {
        let found = eventually(limit, || {
            let ended = self.child.try_wait().expect("a child can be waited for").is_some();
            (self.output().contains(text) || ended).then_some(())
        });
        let output = self.output();
        assert!(
            found.is_some() && output.contains(text),
            "{} did not write `{text}` within {limit:?}, but:\n{output}",
            self.name
        );
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Interrupt => "INT",
            Signal::Terminate => "TERM",
            Signal::Kill => "KILL",
        };
        let line = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &line]).status().expect("a shell is there");
        assert!(status.success(), "`{line}` failed");
    }

    /// Kills it and its children, which must be in a process group of its own.
    pub fn kill_group(&self) {
        let line = format!("kill -KILL -{}", self.child.id());
        // Fails only when all of them have ended already.
        let _ = Command::new("sh").args(["-c", &line]).status();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again until `look` gives something or the time is over.
pub fn eventually<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(LOOK_EVERY);
    }
}
