//! Session timers (RFC 4028): a call whose peer has died without a word ends by itself.
//!
//! Either side refreshes the session at half of its interval; the one that sees no refresh ends the call a little before the
//! interval is over (§10). A peer that knows no session timers is asked with OPTIONS instead: whoever answers that is there.

use std::time::Duration;

use super::capability::lists;
use crate::message::{HeaderName, Headers};

/// The option tag.
pub const TIMER: &str = "timer";

/// No interval is agreed below this (§5).
pub const INTERVAL_MIN: Duration = Duration::from_secs(90);

/// An answer with a smaller interval than we allow is broken; it is followed down to here, so that nobody makes us refresh
/// without end.
const ANSWERED_MIN: Duration = Duration::from_secs(4);

/// Longest interval kept in mind: a week.
const INTERVAL_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// The call ends this long before its interval is over, or a third of it if that is shorter (§10).
const BEFORE_THE_END: Duration = Duration::from_secs(32);

/// A refresh that failed isn't tried again sooner than this.
const RETRY_MIN: Duration = Duration::from_secs(2);

/// What we ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// Session-Expires of our INVITEs, in whole seconds, not below `min`.
    pub expires: Duration,
    /// Min-SE: smaller intervals of peers are refused with 422. Not below [`INTERVAL_MIN`].
    pub min: Duration,
}

impl Default for SessionOptions {
    /// Half an hour, as §4 recommends, and the least that §5 allows.
    fn default() -> Self {
        Self { expires: Duration::from_secs(1800), min: INTERVAL_MIN }
    }
}

impl SessionOptions {
    /// Takes the larger interval that a 422 asks for (§7.3). False when it asks for nothing more than we gave.
    pub fn raise(&mut self, headers: &Headers) -> bool {
        let Some(min) = min_se(headers) else { return false };
        let more = min > self.expires;
        self.min = self.min.max(min);
        self.expires = self.expires.max(min);
        more
    }
}

/// Who refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// We.
    Us,
    /// The peer.
    Peer,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// A refresh, or the question whether the peer is there.
    Refresh,
    /// The session has expired: BYE.
    Expired,
}

/// The timer of one answered call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    interval: Duration,
    refresher: Refresher,
    /// The peer agreed on it; else we ask on our own account.
    agreed: bool,
    /// When it was refreshed last.
    since: Duration,
    /// When the next refresh is to be sent; `None` while one is out, or when it is the peer's to send.
    next: Option<Duration>,
}

/// What a request of the peer gets (§9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// The peer knows no timers and asked for none: the answer names none.
    None,
    /// The 2xx names this interval and refresher.
    Agreed(Duration, Refresher),
    /// Its interval is too small: 422 with this Min-SE.
    TooSmall(Duration),
}

impl SessionTimer {
    /// What a 2xx to a request of ours says (§7.2). Without Session-Expires the peer is asked with OPTIONS.
    pub fn of_response(headers: &Headers, options: SessionOptions, now: Duration) -> Self {
        match session_expires(headers) {
            Some((interval, refresher)) => {
                // We are the UAC here. A 2xx must name the refresher; one that doesn't leaves it to us.
                let refresher = if refresher == Some(Side::Uas) { Refresher::Peer } else { Refresher::Us };
                Self::new(interval.max(ANSWERED_MIN), refresher, true, now)
            }
            None => Self::new(options.expires, Refresher::Us, false, now),
        }
    }

    /// What we agreed to in our 2xx.
    pub fn of_terms(terms: Terms, options: SessionOptions, now: Duration) -> Self {
        match terms {
            Terms::Agreed(interval, refresher) => Self::new(interval, refresher, true, now),
            Terms::None | Terms::TooSmall(_) => Self::new(options.expires, Refresher::Us, false, now),
        }
    }

    fn new(interval: Duration, refresher: Refresher, agreed: bool, now: Duration) -> Self {
        let mut timer =
            Self { interval: interval.min(INTERVAL_MAX), refresher, agreed, since: now, next: None };
        timer.refreshed(now);
        timer
    }

    /// Whether the peer agreed on it: then refreshes are UPDATE or re-INVITE.
    pub fn is_agreed(&self) -> bool {
        self.agreed
    }

    /// The interval.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Who refreshes.
    pub fn refresher(&self) -> Refresher {
        self.refresher
    }

    /// The session was refreshed, or the peer has shown that it is there.
    pub fn refreshed(&mut self, now: Duration) {
        self.since = now;
        self.next = match self.refresher {
            // §10: at half of the interval.
            Refresher::Us => Some(now.saturating_add(self.interval / 2)),
            Refresher::Peer => None,
        };
    }

    /// A refresh has left.
    pub fn asked(&mut self) {
        self.next = None;
    }

    /// A refresh was refused, and not for good: it is tried again half-way to the end, or after `wait` if that is known.
    pub fn failed(&mut self, wait: Option<Duration>, now: Duration) {
        let half = self.expiry().saturating_sub(now) / 2;
        self.next = Some(now.saturating_add(wait.unwrap_or(half).max(RETRY_MIN)));
    }

    /// When [`SessionTimer::due`] must be asked at the latest.
    pub fn deadline(&self) -> Duration {
        self.next.map_or(self.expiry(), |next| next.min(self.expiry()))
    }

    /// What is due at `now`.
    pub fn due(&self, now: Duration) -> Due {
        if now >= self.expiry() {
            Due::Expired
        } else if self.next.is_some_and(|next| now >= next) {
            Due::Refresh
        } else {
            Due::Nothing
        }
    }

    fn expiry(&self) -> Duration {
        let before = BEFORE_THE_END.min(self.interval / 3);
        self.since.saturating_add(self.interval.saturating_sub(before))
    }
}

/// Decides about a re-INVITE or UPDATE of the peer (§9 and its table 2). `current` is the timer that runs.
pub fn terms(headers: &Headers, current: &SessionTimer, options: SessionOptions) -> Terms {
    let supported =
        lists(headers, HeaderName::Supported, TIMER) || lists(headers, HeaderName::Require, TIMER);
    let asked = session_expires(headers);
    let kept = if current.agreed { current.refresher } else { Refresher::Us };
    match asked {
        // §9: a peer that doesn't know the header can't mend it; a proxy wrote it, and it holds.
        Some((interval, _)) if interval < options.min && supported => Terms::TooSmall(options.min),
        Some((interval, refresher)) => {
            let refresher = match refresher {
                // §9, table 2: only who knows timers can be the refresher.
                Some(_) | None if !supported => Refresher::Us,
                Some(Side::Uac) => Refresher::Peer,
                Some(Side::Uas) => Refresher::Us,
                None => kept,
            };
            Terms::Agreed(interval.max(INTERVAL_MIN), refresher)
        }
        None if supported => {
            let least = min_se(headers).unwrap_or(INTERVAL_MIN);
            Terms::Agreed(options.expires.max(least), kept)
        }
        None => Terms::None,
    }
}

/// Value of Session-Expires in a request of ours. `refresher`: whether we name ourselves (§7.1, §7.4).
pub fn request_value(interval: Duration, refresher: Option<Refresher>) -> String {
    let seconds = interval.as_secs();
    match refresher {
        None => seconds.to_string(),
        Some(Refresher::Us) => format!("{seconds};refresher=uac"),
        Some(Refresher::Peer) => format!("{seconds};refresher=uas"),
    }
}

/// Value of Session-Expires in a 2xx of ours (§9).
pub fn response_value(interval: Duration, refresher: Refresher) -> String {
    let seconds = interval.as_secs();
    match refresher {
        Refresher::Us => format!("{seconds};refresher=uas"),
        Refresher::Peer => format!("{seconds};refresher=uac"),
    }
}

/// A side of one transaction, as the refresher parameter names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Uac,
    Uas,
}

fn session_expires(headers: &Headers) -> Option<(Duration, Option<Side>)> {
    let (interval, params) = delta_seconds(headers.text(HeaderName::SessionExpires)?)?;
    let side = params.split(';').find_map(|param| {
        let (name, value) = param.split_once('=')?;
        let value = value.trim();
        match name.trim().eq_ignore_ascii_case("refresher") {
            true if value.eq_ignore_ascii_case("uac") => Some(Side::Uac),
            true if value.eq_ignore_ascii_case("uas") => Some(Side::Uas),
            true | false => None,
        }
    });
    Some((interval, side))
}

fn min_se(headers: &Headers) -> Option<Duration> {
    delta_seconds(headers.text(HeaderName::MinSe)?).map(|(interval, _)| interval)
}

/// Seconds, and what follows them. More than fit count as the most we keep.
fn delta_seconds(value: &str) -> Option<(Duration, &str)> {
    let (seconds, params) = value.split_once(';').unwrap_or((value, ""));
    let seconds = seconds.trim();
    if seconds.is_empty() || !seconds.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let interval = seconds.parse().map_or(INTERVAL_MAX, Duration::from_secs);
    Some((interval.min(INTERVAL_MAX), params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &'static str)]) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in lines {
            headers.append(HeaderName::from(*name), *value);
        }
        headers
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn agreed(value: &'static str) -> SessionTimer {
        SessionTimer::of_response(&headers(&[("Session-Expires", value)]), SessionOptions::default(), s(100))
    }

    // §10: the refresher sends at half of the interval, and both end the call min(32 s, a third) before it is over.
    #[test]
    fn the_refresher_refreshes_at_half_and_both_end_it_before_the_end() {
        let ours = agreed("1800;refresher=uac");
        assert_eq!((ours.refresher(), ours.deadline()), (Refresher::Us, s(1000)));
        assert_eq!(
            [ours.due(s(999)), ours.due(s(1000)), ours.due(s(1868))],
            [Due::Nothing, Due::Refresh, Due::Expired]
        );
        let theirs = agreed("90;refresher=uas");
        assert_eq!((theirs.refresher(), theirs.deadline()), (Refresher::Peer, s(160)));
        assert_eq!([theirs.due(s(159)), theirs.due(s(160))], [Due::Nothing, Due::Expired]);
    }

    #[test]
    fn a_refresh_begins_the_interval_anew_and_a_failed_one_is_tried_half_way_to_the_end() {
        let mut timer = agreed("90;refresher=uac");
        timer.asked();
        assert_eq!(timer.deadline(), s(160), "while it is out only the end counts");
        timer.failed(None, s(150));
        assert_eq!(timer.deadline(), s(155));
        timer.failed(None, s(159));
        assert_eq!(timer.deadline(), s(160), "never beyond the end");
        timer.refreshed(s(159));
        assert_eq!(timer.deadline(), s(204));
    }

    // §7.2: without the header no session expires; the peer is asked all the same.
    #[test]
    fn a_peer_without_timers_is_asked_by_us() {
        let timer = SessionTimer::of_response(&headers(&[]), SessionOptions::default(), s(0));
        assert!(!timer.is_agreed());
        assert_eq!((timer.deadline(), timer.due(s(900))), (s(900), Due::Refresh));
    }

    #[test]
    fn an_answer_is_followed_but_not_to_refreshing_without_end() {
        assert_eq!(agreed("0;refresher=uac").deadline(), s(102));
        assert_eq!(agreed("99999999999999999999999").interval(), INTERVAL_MAX);
        assert!(!agreed("soon").is_agreed());
        assert_eq!(agreed("600").refresher(), Refresher::Us, "unsaid");
        assert_eq!(agreed("600 ; x=y; REFRESHER = UAS").refresher(), Refresher::Peer);
    }

    // §9, table 2.
    #[test]
    fn what_a_request_of_the_peer_gets() {
        let ours = agreed("1800;refresher=uac");
        let theirs = agreed("1800;refresher=uas");
        let none = SessionTimer::of_response(&headers(&[]), SessionOptions::default(), s(0));
        let knows = ("Supported", "replaces, Timer");
        for (lines, current, expected) in [
            (
                vec![knows, ("Session-Expires", "600;refresher=uac")],
                ours,
                Terms::Agreed(s(600), Refresher::Peer),
            ),
            (
                vec![knows, ("Session-Expires", "600;refresher=uas")],
                theirs,
                Terms::Agreed(s(600), Refresher::Us),
            ),
            (vec![knows, ("x", "600")], theirs, Terms::Agreed(s(600), Refresher::Peer)),
            (vec![knows, ("x", "600")], ours, Terms::Agreed(s(600), Refresher::Us)),
            (vec![knows, ("x", "89")], ours, Terms::TooSmall(s(90))),
            (vec![("x", "89;refresher=uac")], theirs, Terms::Agreed(s(90), Refresher::Us)),
            (vec![knows], none, Terms::Agreed(s(1800), Refresher::Us)),
            (vec![knows, ("Min-SE", "2000")], theirs, Terms::Agreed(s(2000), Refresher::Peer)),
            (vec![("Supported", "timers")], none, Terms::None),
        ] {
            assert_eq!(terms(&headers(&lines), &current, SessionOptions::default()), expected, "{lines:?}");
        }
    }

    // §7.3.
    #[test]
    fn a_422_raises_what_we_ask_for() {
        let mut options = SessionOptions::default();
        assert!(!options.raise(&headers(&[])));
        assert!(!options.raise(&headers(&[("Min-SE", "1800")])), "it got that already");
        assert!(options.raise(&headers(&[("Min-SE", "3600;x")])));
        assert_eq!(options, SessionOptions { expires: s(3600), min: s(3600) });
    }

    // §7.1, §9: the parameter names a side of the transaction, not one of the call.
    #[test]
    fn the_refresher_is_named_by_its_side_of_the_transaction() {
        assert_eq!(request_value(s(1800), None), "1800");
        assert_eq!(request_value(s(90), Some(Refresher::Us)), "90;refresher=uac");
        assert_eq!(request_value(s(90), Some(Refresher::Peer)), "90;refresher=uas");
        assert_eq!(response_value(s(90), Refresher::Us), "90;refresher=uas");
        assert_eq!(response_value(s(90), Refresher::Peer), "90;refresher=uac");
    }
}
