//! Why so many calls and no more are being placed right now: in parts, for whoever shows them, and in one sentence.

use carillon_pacing::Outlook;
use serde::{Deserialize, Serialize};

use super::decisions::{Reason, explained, owners_sentence};

/// Most owners of waiting tasks that are named.
const NAMED_MAX: usize = 3;

/// What so many calls and no more rest on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The campaign was never started by this process.
    #[default]
    NotStarted,
    /// Nothing is decided yet.
    Starting,
    /// Somebody paused it.
    Paused,
    /// Somebody stopped it.
    Stopped,
    /// Its time limit is reached.
    TimeLimit,
    /// Nothing is left to call.
    NothingLeft,
    /// What is placed could not be stored.
    StoreUnavailable,
    /// A decision of the pacer.
    Decision,
}

/// Tasks that are due and wait for their owners, who take no calls now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// How many; never zero.
    pub tasks: u64,
    /// Users of owners, at most three.
    pub owners: Vec<String>,
    /// Owners that are not named.
    pub more: u64,
}

impl Awaited {
    /// Of so many tasks of these owners; `None` where none wait.
    pub fn of(tasks: u64, mut owners: Vec<String>) -> Option<Self> {
        let more = u64::try_from(owners.len().saturating_sub(NAMED_MAX)).unwrap_or(u64::MAX);
        owners.truncate(NAMED_MAX);
        (tasks > 0).then_some(Self { tasks, owners, more })
    }

    fn sentence(&self) -> String {
        let Self { tasks, owners, more } = self;
        let verb = if *tasks == 1 { "task waits" } else { "tasks wait" };
        let more = if *more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{tasks} {verb} for an owner who takes no calls now: {}{more}", owners.join(", "))
    }
}

/// Why so many calls and no more are being placed right now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// What it rests on.
    pub cause: Cause,
    /// The figures of a decision; none of another cause.
    pub decision: Option<Reason>,
    /// Agent hours ahead that the decision counted on; `None` where it counted on none.
    pub agent_hours_left: Option<f64>,
    /// Why no more lines are out for owners; `None` where nobody has contacts of their own or the policy calls nobody ahead.
    pub owners: Option<Reason>,
    /// Tasks that wait for their owners.
    pub awaited: Option<Awaited>,
    /// Agents who look at a contact before it is called.
    pub agents_deciding: u64,
}

impl Standing {
    /// Rests on a decision that counted on these hours.
    pub fn decided(reason: Reason, outlook: Option<Outlook>) -> Self {
        let agent_hours_left = outlook.map(|outlook| outlook.agent_hours_left);
        Self { cause: Cause::Decision, decision: Some(reason), agent_hours_left, ..Self::default() }
    }

    /// In one sentence.
    pub fn sentence(&self) -> String {
        let outlook = self.agent_hours_left.map(|agent_hours_left| Outlook { agent_hours_left });
        let why = match self.cause {
            Cause::NotStarted => "not started".to_owned(),
            Cause::Starting => "starting".to_owned(),
            Cause::Paused => "paused".to_owned(),
            Cause::Stopped => "stopped".to_owned(),
            Cause::TimeLimit => "time limit reached".to_owned(),
            Cause::NothingLeft => "nothing left to call".to_owned(),
            Cause::StoreUnavailable => "the store is not available".to_owned(),
            Cause::Decision => self.decision.map_or_else(String::new, |it| explained(&it, outlook)),
        };
        let deciding = match self.agents_deciding {
            0 => None,
            1 => Some("1 agent looks at a contact before it is called".to_owned()),
            agents => Some(format!("{agents} agents look at a contact before it is called")),
        };
        let owners = self.owners.as_ref().map(owners_sentence);
        let awaited = self.awaited.as_ref().map(Awaited::sentence);
        let parts = [deciding, Some(why), owners, awaited];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

impl From<Cause> for Standing {
    fn from(cause: Cause) -> Self {
        Self { cause, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::decisions::Bound;

    #[test]
    fn its_parts_make_one_sentence() {
        let reason =
            Reason { bound: Bound::Supply, agents_free: 2, lines_out: 1, lines_wanted: 3, forecast: None };
        let mut standing = Standing::decided(reason, Some(Outlook { agent_hours_left: 1.5 }));
        let decided =
            "no task is due (2 agents free, 1 lines out, 3 wanted); 1.5 agent hours ahead are counted on";
        assert_eq!(standing.sentence(), decided);
        standing.agents_deciding = 1;
        standing.owners = Some(reason);
        let users = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        standing.awaited = Awaited::of(7, users);
        assert_eq!(
            standing.sentence(),
            format!(
                "1 agent looks at a contact before it is called; {decided}; owners: no more contacts in hand \
                 (2 owners free, 3 lines out); 7 tasks wait for an owner who takes no calls now: a, b, c and 2 more"
            )
        );
        assert_eq!(Awaited::of(0, Vec::new()), None);
        assert_eq!(Standing::from(Cause::Paused).sentence(), "paused");
    }
}
