//! What the scenarios have for a cluster, its objects and the programs around it.

#[path = "../../tests/scenarios/kubernetes/cluster.rs"]
pub(crate) mod cluster;
#[path = "../../tests/scenarios/kubernetes/objects.rs"]
pub(crate) mod objects;
#[path = "../../tests/scenarios/kubernetes/programs.rs"]
pub(crate) mod programs;
#[path = "../../tests/scenarios/kubernetes/real.rs"]
mod real;
#[path = "../../kubeapi/tests/stand_in/mod.rs"]
pub(crate) mod stand_in;
#[path = "../../tests/scenarios/kubernetes/unchanged.rs"]
pub(crate) mod unchanged;
