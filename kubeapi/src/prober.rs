//! The prober role: backends asked whether they are alive, and their status keys kept by it.
//!
//! The way of one backend: the [`board`] holds what the store says (status keys, bundles that ask
//! for probes, living probers, votes); [`duty`] says which probers look at it; [`rounds`] when;
//! [`ask`] does it; the [`fleet`] turns answers into a belief, and sees when the prober itself is
//! cut off; [`verdict`] says what is written of it; [`alert`] tells people. [`task`] is the loop
//! around all of it.
//!
//! Nobody schedules: every prober holds a key under a lease, and works out from the list of those
//! keys which backends are its own. Each write carries the prober's own key as a guard, so that one
//! that was stopped and goes on after its lease writes nothing.

pub mod alert;
pub mod ask;
pub mod board;
pub mod duty;
pub mod fleet;
pub mod metrics;
pub mod rounds;
pub mod settings;
pub mod task;
pub mod verdict;

pub use task::start;
