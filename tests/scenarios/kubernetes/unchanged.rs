//! A cluster with many names that never change, for what goes on beside them.

use serde_json::Value;

use super::cluster::Cluster;
use super::objects::{annotated, namespace, service};
use super::programs::Programs;
use super::stand_in::StandIn;
use crate::harness::fixture::{numbered_address, numbered_name};

/// Names that never change.
pub(crate) const NAMES: u32 = 1000;

/// Where the prober's names are.
pub(crate) const OPEN_ZONE: &str = "hostname_zones = [\"t.test\"]";
/// Services with the names that the prober asks for.
fn unchanged() -> impl Iterator<Item = Value> {
    (0..NAMES).map(|number| {
        let address = numbered_address(number);
        let service = service(&format!("prod/n{number}"), &[&address], &["http/TCP/80"]);
        annotated(service, "containerdns.io/hostname", &numbered_name(number))
    })
}

/// A stand-in with all unchanged names, watched and answered.
pub(crate) fn start(lines: &str) -> (Cluster, Programs) {
    let cluster = Cluster::StandIn(StandIn::start());
    cluster.apply(&namespace("prod"));
    unchanged().for_each(|object| cluster.apply(&object));
    let lines = format!("{OPEN_ZONE}\n{lines}");
    let programs = Programs::start(&cluster, &lines);
    programs.settle(&cluster, 1);
    (cluster, programs)
}
