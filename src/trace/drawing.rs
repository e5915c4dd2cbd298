//! A ladder as lines of text.

use carillon_core::ladder::{Ladder, Party, Role, Rung, Way};
use carillon_sip::message::reason_phrase;

/// The lines: who took part, then one for each message.
pub fn lines(ladder: &Ladder) -> Vec<String> {
    let mut lines = vec![head(ladder)];
    lines.extend(ladder.parties.iter().enumerate().map(|(index, party)| part(index, party)));
    lines.push(String::new());
    lines.push(format!("{:>9}  {:<15}  {:<28}  note", "ms", "who", "message"));
    let gap = usize::try_from(ladder.left_out_after).unwrap_or(usize::MAX).min(ladder.messages.len());
    for (index, rung) in ladder.messages.iter().enumerate() {
        if index == gap && ladder.left_out > 0 {
            lines.push(left_out(ladder));
        }
        lines.push(message(rung));
    }
    if gap == ladder.messages.len() && ladder.left_out > 0 {
        lines.push(left_out(ladder));
    }
    lines
}

fn head(ladder: &Ladder) -> String {
    let call =
        ladder.call.map_or_else(|| "a call that was refused".to_owned(), |call| format!("call {call}"));
    let began = jiff::Timestamp::from_millisecond(ladder.began_at.0).unwrap_or(jiff::Timestamp::MAX);
    let state = if ladder.ended { "ended" } else { "up" };
    format!("{call}  began {began:.3}  {state}")
}

fn part(index: usize, party: &Party) -> String {
    let role = match party.role {
        Role::Trunk => "trunk",
        Role::Phone => "phone",
    };
    let Party { name, address, transport, call_id, .. } = party;
    plain(&format!("  {}  {role} {name}  {address} {transport}  Call-ID {call_id}", letter(index)))
}

fn message(rung: &Rung) -> String {
    let party = letter(usize::from(rung.party));
    let who = match rung.way {
        Way::Sent => format!("carillon -> {party}"),
        Way::Received => format!("carillon <- {party}"),
    };
    let message = match rung.status {
        None => format!("{} {}", rung.cseq, rung.method),
        Some(status) => format!("{} {}: {status} {}", rung.cseq, rung.method, reason_phrase(status)),
    };
    let again = if rung.again { "again" } else { "" };
    let note: Vec<&str> = [again, &rung.note].into_iter().filter(|note| !note.is_empty()).collect();
    plain(format!("{:>9}  {who:<15}  {message:<28}  {}", rung.at_ms, note.join(", ")).trim_end())
}

fn left_out(ladder: &Ladder) -> String {
    format!("{:>9}  {} more, not kept", "...", ladder.left_out)
}

/// `A`, `B` and so on.
fn letter(index: usize) -> String {
    match u8::try_from(index) {
        Ok(small @ 0..26) => char::from(b'A' + small).to_string(),
        Ok(_) | Err(_) => format!("#{index}"),
    }
}

/// Nothing that a terminal acts upon: a Call-ID is the peer's.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use carillon_core::id::AttemptId;
    use carillon_core::time::Utc;

    use super::*;

    #[test]
    fn a_ladder_reads_from_top_to_bottom() {
        let party = Party {
            role: Role::Trunk,
            name: "carrier".into(),
            address: "192.0.2.10:5060".into(),
            transport: "udp".into(),
            call_id: "x\u{1b}[2J".into(),
        };
        let rung = |at_ms, way, status, again, note: &str| {
            let (method, note) = ("INVITE".to_owned(), note.to_owned());
            Rung { at_ms, way, party: 0, method, status, cseq: 70, again, note }
        };
        let mut ladder = Ladder {
            call: Some(AttemptId(17)),
            began_at: Utc(1_760_000_000_123),
            ended: true,
            parties: vec![party],
            messages: vec![
                rung(0, Way::Sent, None, false, "sdp PCMU"),
                rung(500, Way::Sent, None, true, "sdp PCMU"),
                rung(512, Way::Received, Some(180), false, ""),
            ],
            left_out: 0,
            left_out_after: 2,
        };
        assert_eq!(
            lines(&ladder),
            [
                "call 17  began 2025-10-09T08:53:20.123Z  ended",
                "  A  trunk carrier  192.0.2.10:5060 udp  Call-ID x?[2J",
                "",
                "       ms  who              message                       note",
                "        0  carillon -> A    70 INVITE                     sdp PCMU",
                "      500  carillon -> A    70 INVITE                     again, sdp PCMU",
                "      512  carillon <- A    70 INVITE: 180 Ringing",
            ]
        );
        ladder.left_out = 3;
        assert_eq!(lines(&ladder).get(6).unwrap(), "      ...  3 more, not kept");
        ladder.left_out_after = 48;
        assert_eq!(lines(&ladder).last().unwrap(), "      ...  3 more, not kept");
    }
}
