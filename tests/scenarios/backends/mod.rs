//! Backends that remove themselves: probers, the store and the DNS server together, from a
//! backend's death to its absence from answers.

mod asked;
mod dead;
mod programs;
mod several;
mod told;
