//! Ladders as operators see them: the gateway's own, put into words.

use carillon_core::id::AttemptId;
use carillon_core::ladder::{Ladder, Party, Role, Rung, Way};
use carillon_core::time::Utc;
use carillon_sip::ladder::{self as sip, Body, Cause, Direction, Sketch};
use carillon_sip::verification::Verdict;

use crate::clock::RealNow;

/// A ladder in words, with its real time of day.
pub fn shown(ladder: &sip::Ladder, now: RealNow) -> Ladder {
    let ago = now.monotonic.saturating_sub(ladder.began).as_millis();
    let began_at = Utc(now.utc.0.saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX)));
    let mut messages: Vec<Rung> = ladder.rungs().map(rung).collect();
    if let Some(invite) = messages.first_mut().filter(|_| ladder.identity != Verdict::None) {
        let comma = if invite.note.is_empty() { "" } else { ", " };
        invite.note = format!("{}{comma}identity {}", invite.note, ladder.identity);
    }
    Ladder {
        call: ladder.call.map(|call| AttemptId(call.0)),
        began_at,
        ended: ladder.ended,
        parties: ladder.parties.iter().map(party).collect(),
        messages,
        left_out: ladder.left_out,
        left_out_after: u32::try_from(ladder.gap_after()).unwrap_or(u32::MAX),
    }
}

fn party(party: &sip::Party) -> Party {
    let role = match party.role {
        sip::Role::Trunk => Role::Trunk,
        sip::Role::Phone => Role::Phone,
    };
    Party {
        role,
        name: party.name.clone(),
        address: party.address.to_string(),
        transport: party.transport.name().to_owned(),
        call_id: party.call_id.clone(),
    }
}

fn rung(rung: &sip::Rung) -> Rung {
    let way = match rung.way {
        sip::Way::Sent => Way::Sent,
        sip::Way::Received => Way::Received,
    };
    let sketch = &rung.sketch;
    Rung {
        at_ms: rung.at_ms,
        way,
        party: rung.party,
        method: sketch.verb.name().to_owned(),
        status: sketch.status,
        cseq: sketch.cseq,
        again: rung.again,
        note: note(sketch),
    }
}

fn note(sketch: &Sketch) -> String {
    let mut words = Vec::new();
    match sketch.body {
        Body::None => {}
        Body::Other => words.push("body".to_owned()),
        Body::Session(session) => {
            let mut said: Vec<&str> = vec!["sdp"];
            said.extend(session.codecs());
            match session.direction {
                Direction::Both => {}
                Direction::SendOnly => said.push("sendonly"),
                Direction::ReceiveOnly => said.push("recvonly"),
                Direction::Inactive => said.push("inactive"),
            }
            if session.refused {
                said.push("no audio");
            }
            words.push(said.join(" "));
        }
    }
    match sketch.cause {
        None => {}
        Some(Cause::Sip(cause)) => words.push(format!("reason SIP {cause}")),
        Some(Cause::Q850(cause)) => words.push(format!("reason Q.850 {cause}")),
    }
    words.join(", ")
}
