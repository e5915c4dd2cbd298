//! Names of the things that cross the border of this crate.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

id! {
    /// A campaign (专案).
    CampaignId
}
id! {
    /// A person to call (客户), unique in the store; the id in the uploaded list is `Contact::external_id`.
    ContactId
}
id! {
    /// One campaign's wish to reach one contact (任务).
    TaskId
}
id! {
    /// One try to reach one number (外呼), from reservation to end. Runs through record, INVITE, logs and reports.
    AttemptId
}
id! {
    /// One batch of writes handed to the store.
    Ticket
}
id! {
    /// One operator request that waits for its reply.
    RequestId
}
