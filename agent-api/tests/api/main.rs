//! The API as its users meet it: requests in, answers out, a dialer in memory behind it.

mod agents;
mod attempts;
mod calls;
mod campaigns;
mod client;
mod contacts;
mod dialer;
mod health;
mod hostile;
mod idempotency;
mod live;
mod openapi;
mod page;
mod phones;
mod preview;
mod rights;
mod serve;
mod sessions;
