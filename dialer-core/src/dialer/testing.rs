//! Values for tests.

use crate::id::{ContactId, TaskId};
use crate::store::read::Due;
use crate::store::write::{CallDialog, CallRoute};

/// A task that may be called now.
pub fn due(task: u64) -> Due {
    Due {
        task: TaskId(task),
        contact: ContactId(task),
        name: format!("contact {task}"),
        number: format!("+1555{task:07}"),
        timezone: Some("UTC".into()),
        attempts: 0,
        first_attempt_at: None,
        owner: None,
    }
}

pub fn route(number: &str) -> CallRoute {
    CallRoute {
        trunk: "carrier".into(),
        caller_id: "+15550000000".into(),
        call_id: format!("call-{number}"),
        branch: "z9hG4bK1".into(),
        from_tag: "1".into(),
        cseq: 1,
        request_uri: format!("sip:{number}@carrier.example"),
        from_uri: "sip:us@example".into(),
        to_uri: format!("sip:{number}@carrier.example"),
        next_hop: "192.0.2.1:5060".into(),
        local: "192.0.2.2:5060".into(),
    }
}

pub fn dialog() -> CallDialog {
    CallDialog {
        call_id: "call".into(),
        local_tag: "1".into(),
        remote_tag: "2".into(),
        local_uri: "sip:us@example".into(),
        remote_uri: "sip:them@example".into(),
        remote_target: "sip:them@192.0.2.1".into(),
        route_set: Vec::new(),
        local_cseq: 1,
        next_hop: "192.0.2.1:5060".into(),
        local: "192.0.2.2:5060".into(),
    }
}
