//! Agents (坐席): who takes calls, and in which state they are.

pub(crate) mod machine;

use serde::{Deserialize, Serialize};

use crate::id::{AttemptId, TaskId};

/// What an agent can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentCommand {
    /// Sign on; the phone is attached and the agent is ready once it is reachable.
    SignOn {
        /// The agent's user.
        agent: String,
    },
    /// Sign off; refused while talking.
    SignOff {
        /// The agent's user.
        agent: String,
    },
    /// Take a break; while talking or in wrap-up it begins afterwards.
    Break {
        /// The agent's user.
        agent: String,
        /// Shown to supervisors.
        reason: String,
    },
    /// Come back from a break, or end wrap-up early where a disposition has been recorded.
    Ready {
        /// The agent's user.
        agent: String,
    },
    /// Record a disposition for the call the agent has or just had.
    Dispose {
        /// The agent's user.
        agent: String,
        /// Which attempt; repeated sends of the same are done once.
        attempt: AttemptId,
        /// What was recorded.
        disposition: String,
        /// Free text.
        note: String,
    },
    /// End the call the agent has.
    HangUp {
        /// The agent's user.
        agent: String,
    },
    /// Decide on the contact that the agent is shown.
    Preview {
        /// The agent's user.
        agent: String,
        /// Whose contact; another one may be shown meanwhile.
        task: TaskId,
        /// What is to be done.
        choice: PreviewChoice,
    },
    /// Tell how far the call or its wrap-up is, so that the next one is ready in time.
    Signal {
        /// The agent's user.
        agent: String,
        /// What is told.
        signal: AgentSignal,
    },
}

/// What an agent wants done with a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreviewChoice {
    /// Call it now.
    Call,
    /// Not now: it is shown again later, to whoever is free then.
    Skip,
}

/// How far an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentSignal {
    /// The disposition form was opened: the talk nears its end.
    FormOpened,
    /// Talk or wrap-up is about to end.
    Finishing,
}

/// The states people see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Not signed on.
    Offline,
    /// Signed on, phone not reachable.
    Unreachable,
    /// Signed on, phone taken by a colleague: asked for advice, or about to be handed a customer.
    Engaged,
    /// On break.
    Break,
    /// Waiting for a call.
    Ready,
    /// Chosen for a call that is being connected.
    Reserved,
    /// In a call.
    Talking,
    /// After a call.
    WrapUp,
}
