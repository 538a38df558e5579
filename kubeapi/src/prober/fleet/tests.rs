//! What a prober believes after answers, told as rows.

use std::net::Ipv4Addr;

use expect_test::{Expect, expect};

use super::*;

const LIMITS: Limits = Limits {
    down_after: 3,
    up_after: 2,
};

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + number).into()
}

/// A fleet of backends 0, 1, 2, ... that are up.
fn fleet(count: u32) -> Fleet {
    let mut fleet = Fleet::new(LIMITS);
    (0..count).for_each(|number| fleet.gain(address(number), Status::Up));
    fleet
}

/// One round: backends whose number `is_alive` answer, the others do not. What changed.
fn round(fleet: &mut Fleet, count: u32, is_alive: impl Fn(u32) -> bool) -> String {
    let mut told = String::new();
    for number in 0..count {
        let Heard { believed, blind } = fleet.heard(address(number), is_alive(number));
        if let Some(blind) = blind {
            told += if blind { "blind " } else { "sees " };
        }
        if let Some(believed) = believed {
            told += &format!("{number} {believed:?} ");
        }
    }
    told.trim_end().to_owned()
}

fn check(rounds: impl IntoIterator<Item = String>, expect: Expect) {
    let rounds: Vec<String> = rounds.into_iter().collect();
    expect.assert_eq(&rounds.join("\n"));
}

#[test]
fn three_failures_take_a_backend_out_and_two_successes_bring_it_back() {
    let mut fleet = fleet(5);
    let rounds = [
        true, false, false, true, false, false, false, false, true, false, true, true,
    ];
    check(
        rounds.map(|alive| round(&mut fleet, 5, |number| alive || number != 2)),
        expect![[r#"






            2 Down




            2 Up"#]],
    );
}

#[test]
fn more_than_half_failing_at_once_is_the_probers_fault() {
    let mut fleet = fleet(10);
    let cut: Vec<String> = (0..6)
        .map(|at| round(&mut fleet, 10, |number| at == 0 || at == 5 || number < 4))
        .collect();
    check(
        cut,
        expect![[r#"

            blind



            sees"#]],
    );
    assert!((0..10).all(|number| fleet.believed(address(number)) == Some(Status::Up)));
}

#[test]
fn a_cut_that_begins_between_two_probes_takes_out_nobody() {
    for begins in 0..10 {
        let mut fleet = fleet(10);
        round(&mut fleet, 10, |_| true);
        round(&mut fleet, 10, |number| number < begins);
        for _ in 0..5 {
            let told = round(&mut fleet, 10, |_| false);
            assert!(!told.contains("Down"), "{begins}: {told}");
        }
        // It ends between two probes as well.
        let told = round(&mut fleet, 10, |number| number >= begins);
        assert!(!told.contains("Down"), "{begins}: {told}");
        let told = round(&mut fleet, 10, |_| true);
        assert!(!told.contains("Down"), "{begins}: {told}");
        assert!(!fleet.is_blind());
    }
}

#[test]
fn half_of_them_may_die() {
    let mut fleet = fleet(10);
    let rounds = (0..4).map(|at| round(&mut fleet, 10, |number| at == 0 || number < 5));
    check(
        rounds,
        expect![[r#"



            5 Down 6 Down 7 Down 8 Down 9 Down"#]],
    );
}

#[test]
fn few_may_all_die() {
    let mut fleet = fleet(2);
    let rounds = (0..4).map(|at| round(&mut fleet, 2, |_| at == 0));
    check(
        rounds,
        expect![[r#"



            0 Down 1 Down"#]],
    );
}

#[test]
fn those_that_were_down_before_say_nothing_about_sight() {
    let mut fleet = fleet(4);
    (4..20).for_each(|number| fleet.gain(address(number), Status::Down));
    let rounds =
        (0..4).map(|at| round(&mut fleet, 20, |number| number < 3 || at == 0 && number < 4));
    check(
        rounds,
        expect![[r#"



            3 Down"#]],
    );
}

#[test]
fn after_sight_returns_failures_are_counted_anew() {
    let mut fleet = fleet(4);
    let rounds =
        [4, 0, 0, 0, 0, 3, 3, 3].map(|alive| round(&mut fleet, 4, |number| number < alive));
    check(
        rounds,
        expect![[r#"

            blind



            sees
            3 Down
        "#]],
    );
}

#[test]
fn who_is_let_go_is_not_counted() {
    let mut fleet = fleet(6);
    round(&mut fleet, 6, |number| number < 2);
    assert!(fleet.is_blind());
    (2..6).for_each(|number| fleet.lose(address(number)));
    assert_eq!((fleet.up, fleet.failing, fleet.len()), (2, 0, 2));
    assert_eq!(fleet.heard(address(5), true), Heard::default());
}
