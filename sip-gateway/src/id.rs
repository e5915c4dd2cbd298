//! Names of the things that cross the border of this crate.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

id! {
    /// A call towards a trunk or from one. Chosen by whoever commands the gateway; the binary uses the attempt's number.
    CallId
}
id! {
    /// A media stream: one RTP socket pair and what is sent and received there. Chosen by the gateway.
    StreamId
}
id! {
    /// A call from outside that waits for the word whether it is taken. Chosen by the gateway.
    OfferId
}
