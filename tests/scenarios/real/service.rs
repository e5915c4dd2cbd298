//! `carillon serve`: a campaign run through the API, as the example in `docs/CONFIG.md` does it.

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::rig::process::{Process, Signal, eventually};
use super::rig::tone::Law;
use super::rig::{LONG, PASSWORD, Stage, carillon};

pub(super) const ADMIN_PASSWORD: &str = "a long enough password";

/// What a test has in the service's file beside what all have; keys as lines of the file.
pub(super) struct Keys<'a> {
    /// Of `[sip]`.
    pub(super) sip: &'a str,
    /// Of the trunk.
    pub(super) trunk: &'a str,
    /// `leg` of `[agents]`.
    pub(super) leg: &'a str,
    /// How many streams it has RTP ports for, where they are to run out.
    pub(super) streams: Option<u16>,
}

impl Default for Keys<'_> {
    fn default() -> Self {
        Keys { sip: "", trunk: "", leg: "persistent", streams: None }
    }
}

/// The service and a signed-in administrator.
pub(super) struct Service {
    pub(super) process: Process,
    client: ureq::Agent,
    pub(super) base: String,
    token: String,
}

impl Service {
    pub(super) fn start(stage: &Stage) -> Service {
        Self::start_with(stage, &Keys::default())
    }

    pub(super) fn start_with(stage: &Stage, keys: &Keys<'_>) -> Service {
        let Keys { sip, trunk, leg, streams } = keys;
        let (first, last) = stage.ports.rtp();
        // Each has a port for RTP and the next one for RTCP.
        let last = streams.map_or(last, |streams| first + 2 * streams - 1);
        let api = stage.ports.carrier();
        let file = format!(
            "[sip]\n{sip}ladders_kept = \"1d\"\nlisten = \"{}\"\nmedia_address = \"127.0.0.1\"\nrtp_ports = \"{first}-{last}\"\n\
             [[trunk]]\nname = \"carrier\"\nuri = \"sip:{api}\"\ncaller_ids = [\"+15550000001\"]\nmax_calls = 4\n\
             calls_per_second = 4.0\n{trunk}\
             [agents]\nleg = \"{leg}\"\n[[agents.agent]]\nuser = \"agent1\"\npassword = \"{PASSWORD}\"\n\
             [api]\nlisten = \"{api}\"\nadmin_password = \"{ADMIN_PASSWORD}\"\n",
            stage.ports.listen(),
        );
        let path = stage.directory().join("service.toml");
        fs::write(&path, file).expect("the test's directory can be written");
        let mut command = Command::new(carillon());
        command.current_dir(stage.directory()).arg("serve").arg("--config").arg(&path);
        let mut process = Process::start("service", &mut command, stage.directory());
        process.wait_for_output("carillon serves", Duration::from_secs(20));
        // Its log goes on where that of a service before it ended.
        eventually(LONG, || TcpStream::connect(api).ok()).expect("the API listens");
        let client = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut service =
            Service { process, client, base: format!("http://{api}/api/v1"), token: String::new() };
        let (status, session) = service.post(
            "/sessions",
            "application/json",
            &json!({"user": "admin", "password": ADMIN_PASSWORD}).to_string(),
        );
        assert_eq!(status, 201, "{session}");
        service.token = session["token"].as_str().expect("a token").to_owned();
        service
    }

    pub(super) fn post(&self, path: &str, kind: &str, body: &str) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.base)).header("Content-Type", kind);
        let request = request.header("Authorization", format!("Bearer {}", self.token));
        let mut answer = request.send(body).unwrap_or_else(|error| panic!("{path}: {error}"));
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap_or_default())
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> u16 {
        let request =
            self.client.put(format!("{}{path}", self.base)).header("Content-Type", "application/json");
        let request = request.header("Authorization", format!("Bearer {}", self.token));
        request.send(body.to_string()).expect("the service answers").status().as_u16()
    }

    pub(super) fn delete(&self, path: &str) -> u16 {
        let request = self.client.delete(format!("{}{path}", self.base));
        let request = request.header("Authorization", format!("Bearer {}", self.token));
        request.call().expect("the service answers").status().as_u16()
    }

    /// Waits until `agent1` is free.
    pub(super) fn wait_until_ready(&self) {
        let ready = || (self.get("/agents/agent1")["state"] == json!("ready")).then_some(());
        eventually(LONG, ready).expect("the agent is free");
    }

    pub(super) fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.base));
        let request = request.header("Authorization", format!("Bearer {}", self.token));
        let mut answer = request.call().expect("the service answers");
        answer.body_mut().read_json::<Value>().unwrap_or_default()
    }

    /// What is measured of the trunk under this name.
    fn of_trunk(&self, name: &str) -> Option<f64> {
        self.metric(&format!("dialer_trunk_{name}{{trunk=\"carrier\"}}"))
    }

    /// What is measured under this name with these labels.
    pub(super) fn metric(&self, name: &str) -> Option<f64> {
        let at = self.base.replace("/api/v1", "/metrics");
        let text = self.client.get(at).call().expect("the service answers").body_mut().read_to_string();
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        text.expect("text").lines().find_map(value)
    }

    /// Exit status, standard output and standard error of `carillon trace`.
    fn trace(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(carillon());
        command.arg("trace").args(arguments).env("CARILLON_TOKEN", &self.token);
        let output = command.output().expect("carillon runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    fn state(&self, campaign: u64) -> Value {
        self.get(&format!("/campaigns/{campaign}"))["state"].clone()
    }
}

#[test]
fn a_campaign_is_started_once_it_has_contacts() {
    let stage = Stage::new();
    let mut service = Service::start(&stage);
    let spec = json!({"name": "renewals", "mode": "progressive", "jurisdiction": "none", "timezone": "UTC"});
    let (status, made) = service.post("/campaigns", "application/json", &spec.to_string());
    assert_eq!((status, &made["state"]), (201, &json!("draft")), "{made}");

    let (status, problem) = service.post("/campaigns/1/start", "application/json", "");
    assert_eq!(status, 409, "{problem}");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("no contacts") && detail.contains("/api/v1/campaigns/1/contacts"), "{detail}");
    assert_eq!(service.state(1), json!("draft"), "nothing was started");

    let (status, report) = service.post("/campaigns/1/contacts", "text/csv", "id,number\nc1,+12025550100\n");
    assert_eq!((status, &report["imported"]), (200, &json!(1)), "{report}");
    let (status, started) = service.post("/campaigns/1/start", "application/json", "");
    assert_eq!((status, &started["state"]), (200, &json!("running")), "{started}");
    // No agent has signed on, so it waits with its contact and does not end.
    let ended = eventually(Duration::from_secs(2), || (service.state(1) != json!("running")).then_some(()));
    assert_eq!(ended, None, "it ended with a contact to call");

    service.process.signal(Signal::Terminate);
    assert_eq!(service.process.wait(LONG), 0, "{}", service.process.output());
}

/// Mode `preview` between SIPp as the carrier and baresip as the agent's phone: nothing leaves before the agent has seen the
/// contact and said so.
#[test]
fn an_agent_sees_a_contact_before_it_is_called() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer.xml").pause_ms(1_500).start();
    let mut service = Service::start(&stage);
    let phone = stage.phone(0, &[Law::Mu]);
    let spec = json!({"name": "visits", "mode": "preview", "jurisdiction": "none", "timezone": "UTC"});
    let (status, made) = service.post("/campaigns", "application/json", &spec.to_string());
    assert_eq!(status, 201, "{made}");
    let list = "id,number,plan,owner\nc1,+12025550100,gold,\nc2,+12025550101,silver,agent1\nc3,+12025550102,,nobody\n";
    let (_, report) = service.post("/campaigns/1/contacts", "text/csv", list);
    assert_eq!(
        (&report["imported"], &report["rejected_rows"][0]["line"]),
        (&json!(2), &json!(4)),
        "{report}"
    );
    service.post("/campaigns/1/start", "application/json", "");
    assert_eq!(service.put("/agents/agent1/state", &json!({"state": "signed_on"})), 204);

    let shown = |service: &Service, id: &str| {
        let preview = service.get("/agents/agent1/preview");
        (preview["id"] == json!(id)).then_some(preview)
    };
    let own = eventually(LONG, || shown(&service, "c2")).expect("the contact of their own comes first");
    assert_eq!((&own["fields"]["plan"], &own["owner"]), (&json!("silver"), &json!("agent1")), "{own}");
    assert_eq!(service.get("/agents/agent1")["state"], "ready");
    let choose = |choice: &str, task: &Value| {
        let body = json!({"task": task, "choice": choice}).to_string();
        service.post("/agents/agent1/preview", "application/json", &body).0
    };
    assert_eq!(choose("skip", &own["task"]), 204);
    let other = eventually(LONG, || shown(&service, "c1")).expect("the next contact");
    assert_eq!(choose("call", &own["task"]), 409, "shown no more");
    assert!(carrier.received("INVITE").is_empty(), "nothing has been called");
    assert_eq!(choose("call", &other["task"]), 204);
    carrier.finish(LONG);
    assert_eq!(carrier.received("INVITE").len(), 1);

    let called = eventually(LONG, || {
        let attempt = service.get("/attempts")["items"][0].clone();
        (!attempt["ended_at"].is_null()).then_some(attempt)
    });
    let called = called.expect("the call ends");
    assert_eq!((&called["agent"], &called["outcome"]), (&json!("agent1"), &json!("answered")), "{called}");
    assert_eq!(called["number"], "+12025550100");
    // One call, answered; the trunk is idle again.
    for (name, expected) in [
        ("invites_total", 1.0),
        ("answers_total", 1.0),
        ("effective_total", 1.0),
        ("calls", 0.0),
        ("up", 1.0),
    ] {
        let found = eventually(LONG, || service.of_trunk(name).filter(|found| *found == expected));
        assert_eq!(found, Some(expected), "{name}: {:?}", service.of_trunk(name));
    }
    phone.stop();
    service.process.signal(Signal::Terminate);
    assert_eq!(service.process.wait(LONG), 0, "{}", service.process.output());
}

/// What an operator and a carrier's engineer see of a call: each message, by number and by Call-ID, and nobody's number.
#[test]
fn a_call_is_traced_message_by_message() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer.xml").pause_ms(500).start();
    let mut service = Service::start(&stage);
    let phone = stage.phone(0, &[Law::Mu]);
    let spec = json!({"name": "renewals", "mode": "progressive", "jurisdiction": "none", "timezone": "UTC"});
    service.post("/campaigns", "application/json", &spec.to_string());
    service.post("/campaigns/1/contacts", "text/csv", "id,number\nc1,+12025550100\n");
    service.post("/campaigns/1/start", "application/json", "");
    assert_eq!(service.put("/agents/agent1/state", &json!({"state": "signed_on"})), 204);
    carrier.finish(LONG);
    let ended = || (service.get("/calls/1/ladder")["ended"] == json!(true)).then_some(());
    eventually(LONG, ended).expect("the call ends");

    let ladder = service.get("/calls/1/ladder");
    let messages = ladder["messages"].as_array().expect("messages");
    let of_carrier = messages.iter().filter(|message| message["party"] == json!(0));
    let steps: Vec<String> = of_carrier
        .map(|message| {
            let way = if message["way"] == json!("sent") { ">" } else { "<" };
            let what =
                message["status"].as_u64().map_or_else(|| message["method"].to_string(), |it| it.to_string());
            format!("{way}{}", what.trim_matches('"'))
        })
        .collect();
    assert_eq!(steps, [">INVITE", "<100", "<180", "<200", ">ACK", "<BYE", ">200"], "{ladder}");
    let times: Vec<u64> = messages.iter().filter_map(|message| message["at_ms"].as_u64()).collect();
    assert!(times.is_sorted() && times.last().is_some_and(|last| (500..30_000).contains(last)), "{times:?}");
    let party = &ladder["parties"][0];
    assert_eq!((&party["role"], &party["name"]), (&json!("trunk"), &json!("carrier")), "{ladder}");

    let url = service.base.replace("/api/v1", "");
    let (status, said, error) = service.trace(&["1", "--url", &url]);
    assert_eq!(status, 0, "{error}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("call 1  began 20") && lines[0].ends_with("ended"), "{said}");
    let messages: Vec<&str> = lines.iter().copied().filter(|line| line.contains(" A ")).collect();
    for (line, word) in
        messages.iter().skip(1).zip(["INVITE", "100 Trying", "180 Ringing", "200 OK", "ACK", "BYE"])
    {
        assert!(line.contains(word), "{word} in {line}\n{said}");
    }
    assert!(said.contains("sdp PCMU PCMA telephone-event"), "{said}");
    for text in [&said, &ladder.to_string()] {
        for hidden in ["2025550100", "5550000001", PASSWORD, "sip:"] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
    }
    let call_id = party["call_id"].as_str().expect("a Call-ID");
    let config = stage.directory().join("service.toml").display().to_string();
    let (status, by_call_id, error) = service.trace(&[call_id, "--config", &config]);
    // Its beginning is reckoned anew each time, from clocks that are read to the millisecond.
    let steps = |said: &str| said.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((status, steps(&by_call_id)), (0, steps(&said)), "{error}");

    for (arguments, code, word) in [
        (["99", "--url", &url], 1, "call 99: the service keeps no ladder of it"),
        (["no such call", "--url", &url], 2, "CALL must be"),
        (["1", "--url", "https://localhost"], 2, "must begin with http://"),
        (["1", "--url", "http://127.0.0.1:9"], 3, "127.0.0.1:9: "),
    ] {
        let (status, said, error) = service.trace(&arguments);
        assert!(status == code && said.is_empty() && error.contains(word), "{arguments:?}: {status} {error}");
    }
    phone.stop();
    service.process.signal(Signal::Terminate);
    assert_eq!(service.process.wait(LONG), 0, "{}", service.process.output());

    // The next process knows it from the disk, and so does whoever has the disk and no service.
    let mut service = Service::start(&stage);
    assert_eq!(service.get("/calls/1/ladder")["messages"], ladder["messages"]);
    service.process.signal(Signal::Terminate);
    assert_eq!(service.process.wait(LONG), 0, "{}", service.process.output());
    for place in [["--config", &config], ["--from", &stage.directory().display().to_string()]] {
        let (status, from_disk, error) = service.trace(&[&["1"][..], &place].concat());
        assert_eq!((status, steps(&from_disk)), (0, steps(&said)), "{place:?} {error}");
    }
    let (status, _, error) = service.trace(&["99", "--from", &stage.directory().display().to_string()]);
    assert!(status == 1 && error.contains("call 99: no ladder of it in "), "{status} {error}");
}
