//! Compliance: the only place that mints a [`permit::Permit`], the only value with which a call can be placed.

pub mod permit;
