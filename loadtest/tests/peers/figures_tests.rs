//! Medians, ratios within one round, shares of ticks.

use crate::figures::*;

fn rounds(values: &[f64]) -> ByRound {
    (1..).zip(values.iter().copied()).collect()
}

#[test]
fn medians() {
    assert_eq!(median([]), None);
    assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
    assert_eq!(range([3.0, 1.0, 2.0]), Some((1.0, 3.0)));
}

#[test]
fn ratios_are_those_of_one_round() {
    let (ours, theirs) = (rounds(&[100.0, 300.0, 50.0]), rounds(&[50.0, 100.0, 50.0]));
    assert_eq!(ratio(&ours, &theirs), Some(2.0));
    let only_second = ByRound::from([(2, 100.0)]);
    assert_eq!(ratio(&ours, &only_second), Some(3.0));
    assert_eq!(ratio(&ours, &ByRound::new()), None);
    assert_eq!(ratio(&ours, &rounds(&[0.0])), None);
}

#[test]
fn the_best_peer_of_each_round() {
    let best = least(&[rounds(&[3.0, 1.0]), rounds(&[2.0, 4.0, 9.0])]);
    assert_eq!(best, rounds(&[2.0, 1.0, 9.0]));
}

#[test]
fn shares_say_how_exact_they_are() {
    assert_eq!(share(0, 0), None);
    let (share, error) = share(100, 1000).expect("ticks");
    assert!((share - 0.1).abs() < 1e-9);
    assert!((0.018..0.020).contains(&error), "{error}");
    let (share, error) = crate::figures::share(0, 1000).expect("ticks");
    assert!(share == 0.0 && error > 0.0);
}

#[test]
fn warnings_of_a_kind_are_counted_together() {
    let kinds = [
        "generator too slow: 33.3% sent over 1 ms late",
        "a hypervisor took 10 ms of the CPUs of this machine",
        "generator's CPU is the limit (work in 99.5% of the time)",
    ];
    let kinds = kinds.map(kind_of_warning);
    let expected = [
        "generator too slow",
        "a hypervisor took some ms of the CPUs of this machine",
        "generator's CPU is the limit",
    ];
    assert_eq!(kinds, expected);
}
