//! The live line in the terminal: one that is rewritten where there is a terminal, else a new one every five seconds.

use std::time::Duration;

use carillon_core::agent::AgentState;
use carillon_core::live::{CampaignView, LiveView};

/// Time between two lines where no terminal rewrites them.
pub const LINE_EVERY: Duration = Duration::from_secs(5);
/// Shortest time between two rewrites.
const REWRITE_EVERY: Duration = Duration::from_millis(200);
const ERASE_LINE: &str = "\r\x1b[2K";

/// Decides when a line is written and how.
#[derive(Clone, Debug)]
pub struct Progress {
    terminal: bool,
    columns: usize,
    next: Duration,
    written: bool,
}

impl Progress {
    /// `terminal`: whether lines can be rewritten; `columns`: its width (a longer line would wrap and not be erased).
    pub fn new(terminal: bool, columns: usize) -> Self {
        Self { terminal, columns, next: Duration::ZERO, written: false }
    }

    /// What to write now, if anything. `now` is real time.
    pub fn update(&mut self, view: &LiveView, now: Duration) -> Option<String> {
        let campaign = view.campaigns.first()?;
        // Nothing is listed before the contacts are read.
        if now < self.next || campaign.tasks_total == 0 {
            return None;
        }
        self.written = true;
        let line = line(campaign, view);
        if self.terminal {
            self.next = now + REWRITE_EVERY;
            let cut: String = line.chars().take(self.columns.saturating_sub(1)).collect();
            Some(format!("{ERASE_LINE}{cut}"))
        } else {
            self.next = now + LINE_EVERY;
            Some(format!("{line}\n"))
        }
    }

    /// What to write before anything else is printed.
    pub fn finish(&self) -> &'static str {
        if self.terminal && self.written { "\n" } else { "" }
    }
}

fn line(campaign: &CampaignView, view: &LiveView) -> String {
    let agents = |state: AgentState| view.agents.iter().filter(|agent| agent.state == state).count();
    let closed = campaign.tasks_total.saturating_sub(campaign.tasks_open);
    // The one figure in real time: it tells how long to watch.
    let eta =
        campaign.eta_ms.map_or_else(|| "-".to_owned(), |eta_ms| clock(eta_ms / u64::from(view.speed.max(1))));
    format!(
        "{closed}/{total} closed | idle {idle} | ringing {ringing} | talking {talking} | wrap-up {wrap_up} | abandoned {rate:.2}% of \
         {answered} | {per_hour:.0} calls/h | ETA {eta}",
        total = campaign.tasks_total,
        idle = agents(AgentState::Ready),
        ringing = campaign.ringing,
        talking = campaign.talking,
        wrap_up = agents(AgentState::WrapUp),
        rate = campaign.abandon_rate * 100.0,
        answered = campaign.answered,
        per_hour = campaign.calls_per_hour,
    )
}

/// `m:ss`, or `h:mm:ss` from an hour on.
fn clock(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use carillon_core::agent::AgentState;
    use carillon_core::campaign::CampaignState;
    use carillon_core::campaign::standing::Standing;
    use carillon_core::id::CampaignId;
    use carillon_core::live::AgentView;
    use carillon_core::time::Utc;

    use super::*;

    fn view() -> LiveView {
        let agent = |state| AgentView {
            user: "a".to_owned(),
            state,
            reason: String::new(),
            since: Utc(0),
            calls: 0,
            attempt: None,
            inbound: None,
            preview: None,
        };
        LiveView {
            campaigns: vec![CampaignView {
                id: CampaignId(1),
                name: "demo".to_owned(),
                state: CampaignState::Running,
                pacing_reason: String::new(),
                pacing: Standing::default(),
                tasks_open: 600,
                tasks_total: 1_000,
                tasks_waiting_for_owner: 0,
                placed: 500,
                answered: 120,
                bridged: 117,
                abandoned: 3,
                abandon_rate: 0.025,
                abandon_limit: 0.03,
                ringing: 7,
                waiting: 0,
                talking: 5,
                answers_callers: false,
                callers_waiting: 0,
                calls_per_hour: 1_234.4,
                eta_ms: Some(3_723_000),
                answer_to_agent_p99_ms: Some(20),
            }],
            speed: 2,
            agents: vec![agent(AgentState::Ready), agent(AgentState::Ready), agent(AgentState::WrapUp)],
            ..LiveView::default()
        }
    }

    #[test]
    fn the_line_says_how_it_goes() {
        let text = Progress::new(false, 80).update(&view(), Duration::ZERO).expect("a line");
        assert_eq!(
            text,
            "400/1000 closed | idle 2 | ringing 7 | talking 5 | wrap-up 1 | abandoned 2.50% of 120 | 1234 calls/h | ETA 31:01\n"
        );
    }

    #[test]
    fn without_a_terminal_there_is_a_line_every_five_seconds() {
        let mut progress = Progress::new(false, 80);
        let written: Vec<u64> = (0..12)
            .filter(|second| progress.update(&view(), Duration::from_secs(*second)).is_some())
            .collect();
        assert_eq!(written, [0, 5, 10]);
        assert_eq!(progress.finish(), "");
    }

    #[test]
    fn a_terminal_line_is_rewritten_and_never_wraps() {
        let mut progress = Progress::new(true, 40);
        assert_eq!(progress.finish(), "");
        let text = progress.update(&view(), Duration::ZERO).expect("a line");
        assert!(text.starts_with(ERASE_LINE));
        assert_eq!(text.len(), ERASE_LINE.len() + 39);
        assert_eq!(progress.update(&view(), Duration::from_millis(100)), None);
        assert_eq!(progress.finish(), "\n");
        assert_eq!(progress.update(&LiveView::default(), Duration::from_secs(1)), None);
    }
}
