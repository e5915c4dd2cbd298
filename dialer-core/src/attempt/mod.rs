//! Attempts (外呼): one try to reach one number.

pub mod outcome;
