//! Who may do what. Every route names one [`Right`]; this is the only place where roles and rights meet.

use serde::{Deserialize, Serialize};

/// Kinds of people that sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the installation; sees numbers in full.
    Admin,
    /// Runs campaigns.
    Operator,
    /// Takes calls; acts only as itself.
    Agent,
}

/// All roles, for tests and documentation.
pub const ROLES: [Role; 3] = [Role::Admin, Role::Operator, Role::Agent];

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// See campaigns, attempts and the live view.
    Watch,
    /// Create, fill, start, pause and stop campaigns.
    RunCampaigns,
    /// Act as any agent; an agent may act as itself without it.
    ActForAgents,
    /// See numbers in full.
    SeeNumbers,
    /// Read metrics.
    ReadMetrics,
}

impl Role {
    /// Whether people of this role have the right.
    pub fn may(self, right: Right) -> bool {
        match (self, right) {
            (Self::Admin, _) => true,
            (Self::Operator, Right::Watch | Right::RunCampaigns | Right::ActForAgents) => true,
            (Self::Operator, Right::SeeNumbers | Right::ReadMetrics) => false,
            (Self::Agent, _) => false,
        }
    }
}
