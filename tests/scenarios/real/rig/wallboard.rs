//! The wallboard in Chromium, which is told through its debugging pipe what to press, and asked what it shows.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::process::{Process, eventually};

/// How long Chromium may take to come up, and a page to show what it should.
const PATIENCE: Duration = Duration::from_secs(30);

/// A page in a browser. Dropping it closes the browser.
pub struct Wallboard {
    process: Process,
    commands: File,
    answers: BufReader<File>,
    asked: u64,
    session: Option<String>,
}

impl Wallboard {
    /// Opens the wallboard of the service at `base`, in English.
    pub(super) fn open(stage: &Stage, base: &str) -> Wallboard {
        let [input, output] = ["wallboard-in", "wallboard-out"].map(|name| stage.directory().join(name));
        let made = Command::new("mkfifo").args([&input, &output]).status().expect("mkfifo is there");
        assert!(made.success(), "{} can't be made", input.display());
        // Open at both ends, so that nobody waits for the other.
        let commands = OpenOptions::new().read(true).write(true).open(&input).expect("the pipe is there");
        let mut command = Command::new("sh");
        command.args(["-c", "exec chromium \"$@\" 3<\"$INPUT\" 4>\"$OUTPUT\"", "chromium"]);
        command.env("INPUT", &input).env("OUTPUT", &output);
        command.args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-extensions",
        ]);
        command.args(["--remote-debugging-pipe", "--lang=en-US", "--window-size=1280,1000"]);
        command.arg(format!("--user-data-dir={}", stage.directory().join("wallboard").display()));
        command.arg("about:blank");
        let process = Process::start("wallboard", &mut command, stage.directory());
        // Open at one end, so that it ends with the browser.
        let answers = BufReader::new(File::open(&output).expect("the pipe is there"));
        let mut page = Wallboard { process, commands, answers, asked: 0, session: None };
        let targets = page.ask("Target.getTargets", &json!({}));
        let targets = targets["targetInfos"].as_array().cloned().unwrap_or_default();
        let tab = targets.iter().find(|target| target["type"] == "page").expect("a tab");
        let attach = json!({"targetId": tab["targetId"], "flatten": true});
        let attached = page.ask("Target.attachToTarget", &attach);
        page.session = attached["sessionId"].as_str().map(str::to_owned);
        page.ask("Page.navigate", &json!({"url": base}));
        page
    }

    /// What an expression is worth in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", &asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// The text of each element that a selector picks and that can be seen.
    pub fn texts(&mut self, selector: &str) -> Vec<String> {
        let each = format!(
            "[...document.querySelectorAll({selector:?})].filter(it => it.checkVisibility()).map(it => it.innerText)"
        );
        let texts = self.value(&each).as_array().cloned().unwrap_or_default();
        texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    }

    /// Waits until the page shows this where the selector picks; fails with what it shows then.
    pub fn wait_for(&mut self, selector: &str, text: &str) {
        let shown = eventually(PATIENCE, || {
            self.texts(selector).iter().any(|shown| shown.contains(text)).then_some(())
        });
        assert!(shown.is_some(), "no `{text}` in {selector}, but {:?}", self.texts("body"));
    }

    /// Presses a mouse button in the middle of what the selector picks first, whatever lies there.
    pub fn press(&mut self, selector: &str) {
        let place = format!(
            "(() => {{ const at = document.querySelector({selector:?}); at.scrollIntoView({{block: 'center'}}); \
             const box = at.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        );
        let place = self.value(&place);
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.ask("Input.dispatchMouseEvent", &event);
        }
    }

    /// Types into whatever has the focus.
    pub fn types(&mut self, text: &str) {
        self.ask("Input.insertText", &json!({"text": text}));
    }

    /// Presses and releases a key, like `Enter`.
    pub fn key(&mut self, key: &str) {
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "code": key, "text": text, "windowsVirtualKeyCode": code(key)});
            self.ask("Input.dispatchKeyEvent", &event);
        }
    }

    /// Sends a command of the DevTools protocol and waits for what comes back.
    fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.asked += 1;
        let mut command = json!({"id": self.asked, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        write!(self.commands, "{command}\0").expect("the browser reads its commands");
        loop {
            let mut text = Vec::new();
            self.answers.read_until(0, &mut text).expect("the browser answers");
            text.pop();
            let answer: Value = serde_json::from_slice(&text)
                .unwrap_or_else(|error| panic!("{error}; the browser wrote:\n{}", self.process.output()));
            if answer["id"] == json!(self.asked) {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }
}

/// The code that browsers have known a key by since before it had a name.
fn code(key: &str) -> u32 {
    match key {
        "Enter" => 13,
        "Escape" => 27,
        "Tab" => 9,
        other => panic!("no code of {other}"),
    }
}
