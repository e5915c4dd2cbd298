//! The gateway seen from outside: commands and datagrams in, events, datagrams and media commands out.

mod agent_persistent;
mod trunk_call;
