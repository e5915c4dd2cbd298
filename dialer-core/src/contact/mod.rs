//! Contacts (客户): people to call, and the lists they come from.

pub mod import;
pub mod number;
pub mod rejected;
pub mod suppression;

use std::collections::BTreeMap;

/// A contact as a list names it, checked and ready to be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedContact {
    /// Line of the list it stood on, counted from 1.
    pub line: u64,
    /// Its id in the list; unique in a campaign.
    pub external_id: String,
    /// E.164 with `+`; unique in a campaign.
    pub number: String,
    /// Name on screens; may be empty.
    pub name: String,
    /// IANA zone; `None`: the campaign's.
    pub timezone: Option<String>,
    /// User of the agent who alone may take the contact's calls; `None`: any agent.
    pub owner: Option<String>,
    /// The list's other columns.
    pub fields: BTreeMap<String, String>,
}
