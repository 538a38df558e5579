//! The prober finds out which backends are alive: how one is asked ([`ask`]) and who is told of a
//! change ([`alert`]).

pub mod alert;
pub mod ask;
