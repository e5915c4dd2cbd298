//! `carillon serve`: a campaign run through the API, as the example in `docs/CONFIG.md` does it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::rig::process::{Process, Signal, eventually};
use super::rig::{LONG, PASSWORD, Stage, carillon};

const ADMIN_PASSWORD: &str = "a long enough password";

/// The service and a signed-in administrator.
struct Service {
    process: Process,
    client: ureq::Agent,
    base: String,
    token: String,
}

impl Service {
    fn start(stage: &Stage) -> Service {
        let (first, last) = stage.ports.rtp();
        let api = stage.ports.carrier();
        let file = format!(
            "[sip]\nlisten = \"{}\"\nmedia_address = \"127.0.0.1\"\nrtp_ports = \"{first}-{last}\"\n\
             [[trunk]]\nname = \"carrier\"\nuri = \"sip:{api}\"\ncaller_ids = [\"+15550000001\"]\nmax_calls = 4\n\
             calls_per_second = 4.0\n\
             [[agents.agent]]\nuser = \"agent1\"\npassword = \"{PASSWORD}\"\n\
             [api]\nlisten = \"{api}\"\nadmin_password = \"{ADMIN_PASSWORD}\"\n",
            stage.ports.listen(),
        );
        let path = stage.directory().join("service.toml");
        fs::write(&path, file).expect("the test's directory can be written");
        let mut command = Command::new(carillon());
        command.current_dir(stage.directory()).arg("serve").arg("--config").arg(&path);
        let mut process = Process::start("service", &mut command, stage.directory());
        process.wait_for_output("carillon serves", Duration::from_secs(20));
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

    fn post(&self, path: &str, kind: &str, body: &str) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.base)).header("Content-Type", kind);
        let request = request.header("Authorization", format!("Bearer {}", self.token));
        let mut answer = request.send(body).unwrap_or_else(|error| panic!("{path}: {error}"));
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap_or_default())
    }

    fn state(&self, campaign: u64) -> Value {
        let request = self.client.get(format!("{}/campaigns/{campaign}", self.base));
        let request = request.header("Authorization", format!("Bearer {}", self.token));
        let mut answer = request.call().expect("the service answers");
        answer.body_mut().read_json::<Value>().expect("a campaign")["state"].clone()
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
