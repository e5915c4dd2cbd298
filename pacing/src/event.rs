//! What the pacer is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One call, named by the caller of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallKey(pub u64);

/// One agent, named by the caller of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AgentKey(pub u64);

/// What is known beforehand about how a call will fare: calls of one segment are answered about equally often.
/// Zero in all fields is "nothing known".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Segment {
    /// The trunk, or the group of numbers, named by the caller of this crate.
    pub trunk: u16,
    /// Hour of the day at the callee, 0 to 23.
    pub hour: u8,
    /// Which attempt at this contact, from 1.
    pub attempt: u8,
}

/// One thing that happened, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Since the process started; never before the previous event.
    pub at: Duration,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A call was decided on and will leave.
    CallPlaced {
        /// The call.
        call: CallKey,
        /// What is known beforehand about how it will fare.
        segment: Segment,
    },
    /// A call to somebody whom one agent alone may take was decided on and will leave.
    CallPlacedFor {
        /// The call.
        call: CallKey,
        /// What is known beforehand about how it will fare.
        segment: Segment,
        /// The owner: nobody else takes its answer.
        agent: AgentKey,
    },
    /// It rings.
    CallRinging {
        /// The call.
        call: CallKey,
    },
    /// A person or unknown picked up.
    CallAnswered {
        /// The call.
        call: CallKey,
    },
    /// A machine was recognised.
    CallMachine {
        /// The call.
        call: CallKey,
    },
    /// It was joined with an agent.
    CallBridged {
        /// The call.
        call: CallKey,
        /// The agent.
        agent: AgentKey,
    },
    /// A person picked up and no agent came in time. The call may go on (message) until `CallEnded`.
    CallAbandoned {
        /// The call.
        call: CallKey,
        /// Whether the agent meant for it was lost after launch.
        agent_lost: bool,
    },
    /// It is over.
    CallEnded {
        /// The call.
        call: CallKey,
        /// How.
        ending: Ending,
    },
    /// The agent waits for a call.
    AgentReady {
        /// The agent.
        agent: AgentKey,
    },
    /// The agent is chosen for a call or talks.
    AgentTalking {
        /// The agent.
        agent: AgentKey,
    },
    /// The agent is in wrap-up.
    AgentWrapUp {
        /// The agent.
        agent: AgentKey,
    },
    /// The agent opened the disposition form: the talk nears its end.
    AgentFormOpened {
        /// The agent.
        agent: AgentKey,
    },
    /// The agent says that wrap-up or talk is about to end.
    AgentFinishing {
        /// The agent.
        agent: AgentKey,
    },
    /// The agent is signed on and takes no calls (break, phone lost).
    AgentAway {
        /// The agent.
        agent: AgentKey,
    },
    /// The agent takes no further call once the present one is done (end of shift, break asked for).
    AgentLeaving {
        /// The agent.
        agent: AgentKey,
    },
    /// The agent signed off.
    AgentLeft {
        /// The agent.
        agent: AgentKey,
    },
    /// The agent works off contacts of their own from now on, apart from the pool: no pooled call counts on them.
    AgentApart {
        /// The agent.
        agent: AgentKey,
    },
    /// The agent is back in the pool.
    AgentPooled {
        /// The agent.
        agent: AgentKey,
    },
    /// A new period of the abandonment limit begins. Calls launched before it are charged to the period before.
    PeriodBegan,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// After an answer, whatever became of it.
    Answered,
    /// The callee's doing: busy, no answer, refused, wrong number.
    Callee,
    /// The carrier's or network's doing; says nothing about the answer rate.
    Network,
    /// Ours: cancelled or never sent.
    Us,
}
