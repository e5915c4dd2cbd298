//! The wallboard in Chromium, in both languages: what it shows of calls in and out, of their messages and of a trunk's caps.

use serde_json::json;

use super::identity::seconds;
use super::rig::certificates::Certificates;
use super::rig::customer::Customer;
use super::rig::phone::Phone;
use super::rig::process::eventually;
use super::rig::tone::Law;
use super::rig::wallboard::Wallboard;
use super::rig::{CUSTOMER_HZ, LONG, Stage};
use super::service::{ADMIN_PASSWORD, Keys, Service};
use super::verification::{URL, identity};

/// The number that is called from outside.
const NUMBER: &str = "+12025550177";
/// Nobody in the list.
const CALLER: &str = "+12025550999";

/// A minute costs 0.95 of a pound that may be spent, and is the only one that may be talked.
const CAPS: &str =
    "rates = [\"+1 0.95 60/60\"]\ncurrency = \"GBP\"\nspend_daily_max = \"1.00\"\nminutes_daily_max = 200\n";

/// A service whose agent has talked with somebody who was called, and then with a caller.
fn after_two_calls(stage: &Stage) -> Service {
    let service = Service::start_with(stage, &Keys { trunk: CAPS, ..Keys::default() });
    let phone = stage.phone(0, &[Law::Mu]);
    let spec = json!({
        "name": "renewals", "mode": "progressive", "jurisdiction": "none", "timezone": "UTC",
        "inbound": {"numbers": [NUMBER]}, "wrap_up": {"script": {"after": "0s", "disposition": "success"}},
    });
    let mut carrier = stage.carrier("carrier_answer.xml").pause_ms(500).start();
    let (status, made) = service.post("/campaigns", "application/json", &spec.to_string());
    assert_eq!(status, 201, "{made}");
    let list = "id,number\nc1,+12025550100\n";
    service.post("/campaigns/1/contacts", "text/csv", list);
    service.post("/campaigns/1/start", "application/json", "");
    assert_eq!(service.put("/agents/agent1/state", &json!({"state": "signed_on"})), 204);
    carrier.finish(LONG);
    service.wait_until_ready();
    let mut caller = stage.caller("caller.xml", NUMBER, CALLER).pause_ms(500).start();
    caller.finish(LONG);
    let told = || (service.get("/inbound")["items"][0]["outcome"] == json!("talked")).then_some(());
    eventually(LONG, told).expect("the call from outside is in the books");
    phone.stop();
    service
}

/// A service that nobody is on the list of, with one agent who is free for callers.
fn with_an_agent_for_callers(stage: &Stage) -> (Service, Phone) {
    let keys = Keys {
        trunk: "identity_roots = \"sti-ca.pem\"\nidentity_certificates = [\"https://cert.example/shaken.pem sti-certificate.pem\"]\n",
        ..Keys::default()
    };
    let service = Service::start_with(stage, &keys);
    let phone = stage.phone(0, &[Law::Mu]);
    let spec = json!({
        "name": "callbacks", "mode": "manual", "jurisdiction": "none", "timezone": "UTC",
        "inbound": {"numbers": [NUMBER]}, "wrap_up": {"script": {"after": "0s", "disposition": "success"}},
    });
    let (status, made) = service.post("/campaigns", "application/json", &spec.to_string());
    assert_eq!(status, 201, "{made}");
    for _ in 0..2 {
        let (status, started) = service.post("/campaigns/1/start", "application/json", "");
        assert_eq!(status, 200, "{started}");
    }
    assert_eq!(service.put("/agents/agent1/state", &json!({"state": "signed_on"})), 204);
    service.wait_until_ready();
    (service, phone)
}

/// Opens the page and signs in with mouse and keyboard.
fn signed_in(stage: &Stage, service: &Service) -> Wallboard {
    let mut page = stage.wallboard(&service.base.replace("/api/v1", ""));
    page.wait_for("#sign-in", "User");
    page.press("#sign-in [name=user]");
    page.types("admin");
    page.key("Tab");
    page.types(ADMIN_PASSWORD);
    page.key("Enter");
    page
}

/// The messages that the dialog shows, without their times.
fn shown(page: &mut Wallboard) -> Vec<String> {
    page.texts("#ladder[open] td.way")
}

#[test]
fn calls_in_and_out_open_their_messages_and_caps_are_told_in_both_languages() {
    let stage = Stage::new();
    let service = after_two_calls(&stage);
    let mut page = signed_in(&stage, &service);
    page.wait_for("#recent", "Answered");

    let rows: Vec<String> = page.texts("#recent .ending").iter().map(|row| row.replace('\n', " ")).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows[0].contains("In Talked agent1") && rows[1].contains("Out Answered agent1"), "{rows:?}");
    // Its one task is done.
    page.wait_for("#reason", "Nothing left to call");
    page.wait_for("#state", "Answering callers");
    page.wait_for("#done", "1 of 1 tasks closed");
    for text in [
        "carrier",
        "0 of 4 lines",
        "Spent today",
        "0.95 of 1.00 GBP",
        "95% used: near its cap",
        "Minutes today",
        "0 of 200",
    ] {
        page.wait_for("#trunks", text);
    }
    assert_eq!(page.texts(".cap.near").len(), 1);

    // With the mouse the call from outside, with the keyboard the other one.
    page.press("#recent li:nth-child(1) .ending");
    page.wait_for("#ladderTitle", "Messages of inbound call 2");
    page.wait_for("#ladderTable", "BYE");
    let inbound = shown(&mut page);
    assert_eq!(inbound.first().map(String::as_str), Some("carrier → Carillon: INVITE"), "{inbound:?}");
    for text in
        ["Carillon → carrier: 180 (INVITE)", "Carillon → carrier: 200 (INVITE)", "carrier → Carillon: BYE"]
    {
        assert!(inbound.iter().any(|message| message == text), "{text} in {inbound:?}");
    }
    assert!(page.texts("#ladderParties")[0].contains("trunk carrier · udp 127.0.0.1:"));
    let whole = page.texts("#ladder").concat();
    assert!(["2025550", "sip:"].iter().all(|hidden| !whole.contains(hidden)), "{whole}");
    page.press("#ladderClose");
    assert_eq!(page.value("document.getElementById('ladder').open"), json!(false));
    page.value("document.querySelector('#recent li:nth-child(2) .ending').focus()");
    page.key("Enter");
    page.wait_for("#ladderTitle", "Messages of call 1");
    page.wait_for("#ladderTable", "BYE");
    assert_eq!(shown(&mut page).first().map(String::as_str), Some("Carillon → carrier: INVITE"));
    page.key("Escape");
    assert_eq!(page.value("document.getElementById('ladder').open"), json!(false));

    page.press("#language");
    page.wait_for("#recent li:nth-child(1)", "呼入");
    assert_eq!(page.value("document.documentElement.lang"), json!("zh-CN"));
    page.wait_for("#reason", "名单已呼完");
    page.wait_for("#state", "接听来电中");
    let decision = json!({"bound": "risk", "agents_free": 2, "lines_out": 1, "lines_wanted": 3, "forecast": {"horizon_s": 12, "answers": 1.25, "agents": 2}});
    let parts = json!({"cause": "decision", "decision": decision, "agent_hours_left": 4.5, "owners": decision,
        "awaited": {"tasks": 2, "owners": ["7"], "more": 1}, "agents_deciding": 1});
    let reason = page.value(&format!("standing({parts})")).to_string();
    assert!(reason.contains("再多一路，接通后很可能没有坐席 · 空闲 2 人，在呼 1 路，需要 3 路"), "{reason}");
    assert!(!reason.contains(|letter: char| letter.is_ascii_alphabetic()), "all of it is Chinese: {reason}");
    for text in ["线路 0 / 4", "今日花费", "0.95 / 1.00 GBP", "已用 95%，接近上限", "今日分钟数", "0 / 200"]
    {
        page.wait_for("#trunks", text);
    }
    page.press("#recent li:nth-child(1) .ending");
    page.wait_for("#ladderTitle", "呼入 2 的信令流程");
    page.wait_for("#ladderTable", "BYE");
    assert_eq!(shown(&mut page), inbound, "the words of SIP are the same in all languages");
    assert_eq!(page.texts("#ladderTable th"), ["时间", "消息", "备注"]);
    page.wait_for("#ladderParties", "中继 carrier");
}

#[test]
fn who_signed_for_a_caller_is_told_while_they_talk_and_afterwards() {
    let stage = Stage::new();
    let sti = Certificates::new(stage.directory(), "sti");
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let (service, phone) = with_an_agent_for_callers(&stage);
    let mut page = signed_in(&stage, &service);
    page.wait_for("#state", "Answering callers");
    page.wait_for("#done", "No list");
    let now = seconds();
    let signed = |orig| identity(URL, &sti.key, orig, now);
    let calls = [
        (signed("12025550999"), "signed: A, verified", "签名：A 级，已验证", false),
        (signed("12025550998"), "signed: for other numbers", "签名：号码不符", true),
    ];
    for (header, english, chinese, failed) in &calls {
        let caller = stage.caller("caller_signed.xml", NUMBER, CALLER).word("IDENTITY", header);
        let mut caller = caller.customer(&customer).start();
        page.wait_for(".agent .calls", english);
        page.press("#language");
        page.wait_for(".agent .calls", chinese);
        page.press("#language");
        assert_eq!(service.delete("/agents/agent1/call"), 204);
        caller.finish(LONG);
        page.wait_for("#recent li:nth-child(1) .identity", english);
        assert_eq!(page.texts("#recent li:nth-child(1) .identity.failed").len(), usize::from(*failed));
        service.wait_until_ready();
        assert!(
            page.texts(".agent .calls").iter().all(|shown| !shown.contains("signed")),
            "the call is over"
        );
    }
    phone.stop();
}
