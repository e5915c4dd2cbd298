//! Selection: who is called next, and which agent takes an answered call.

pub(crate) mod idle;
pub(crate) mod offers;
pub(crate) mod supply;
pub(crate) mod waiting;
