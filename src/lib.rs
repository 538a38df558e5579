//! ContainerDNS: the DNS server. `ARCHITECTURE.md` is the map; a packet and a change are followed
//! there file by file. This crate is a library so that tests and benches reach the same code as
//! the `containerdns` program in `main.rs`.

#![deny(unsafe_code)]

pub mod admin;
pub mod answer;
pub mod choice;
pub mod client;
pub mod config;
pub mod cookie;
pub mod counters;
pub mod delta;
pub mod fan_out;
pub mod index;
pub mod kernel;
pub mod listen;
pub mod model;
pub mod plan;
pub mod prefixes;
pub mod query;
pub mod responder;
pub mod response;
pub mod serve;
pub mod shard;
pub mod standalone;
pub mod subnet;
pub mod sync;
pub mod table;
pub mod tcp;
pub mod topology;
pub mod udp;
pub mod views;
pub mod wire;
pub mod world;
