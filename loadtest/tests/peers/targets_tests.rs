//! When a target is met.

use crate::results::Results;
use crate::targets::*;

#[test]
fn the_bound_itself_is_met() {
    let met = |bound, measured| Target::new("", bound, "", measured).met;
    assert_eq!(met(Bound::AtLeast(1.0), Some(1.0)), Some(true));
    assert_eq!(met(Bound::AtLeast(1.0), Some(0.9)), Some(false));
    assert_eq!(met(Bound::AtMost(1.0), Some(1.0)), Some(true));
    assert_eq!(met(Bound::AtMost(1.0), Some(1.1)), Some(false));
    assert_eq!(met(Bound::AtMost(1.0), None), None);
}

#[test]
fn nothing_measured_is_nothing_met() {
    let targets = targets(&Results::default());
    assert_eq!(targets.len(), 14);
    assert!(
        targets.iter().all(|target| target.met.is_none()),
        "{targets:#?}"
    );
}
