//! What is written of a backend, told as rows.

use expect_test::{Expect, expect};

use super::*;
use crate::follow::{News, Seen};
use crate::prober::board::Said;

const PREFIX: &str = "/s/";

/// A board on which the status of 10.0.0.1 is `value` and `voters` find it down.
fn board(value: Option<&str>, voters: &[&str]) -> Board {
    let mut board = Board::new(PREFIX);
    if let Some(value) = value {
        let seen = vec![Seen {
            key: b"/s/10.0.0.1".to_vec(),
            value: Some(Said::Status(value.as_bytes().into())),
            revision: 1,
        }];
        board.take(PREFIX.as_bytes(), News::Listed { revision: 1, seen });
    }
    let address = "10.0.0.1".parse().expect("an address");
    voters
        .iter()
        .for_each(|voter| board.voted(address, voter, true));
    board
}

struct Case {
    value: Option<&'static str>,
    voters: &'static [&'static str],
    observers: &'static [&'static str],
    believed: Option<Status>,
    failed: bool,
    settling: bool,
}

/// Seen by `me` alone, which believes the same as stands there.
const QUIET: Case = Case {
    value: Some(r#"{"status":"UP"}"#),
    voters: &[],
    observers: &["me"],
    believed: Some(Status::Up),
    failed: true,
    settling: false,
};
const DOWN_BY_OTHER: Option<&str> = Some(r#"{"status":"DOWN","prober":"other"}"#);

fn check(quorum: usize, case: Case, shown: Expect) {
    let board = board(case.value, case.voters);
    let seen = Observed {
        address: "10.0.0.1".parse().expect("an address"),
        observers: case.observers,
        believed: case.believed,
        failed: case.failed,
        settling: case.settling,
    };
    let write = decide(&board, &seen, "me", quorum);
    shown.assert_eq(&match write {
        None => "nothing".to_owned(),
        Some(Write::Verdict(target, status)) => {
            format!("{:?} -> {status:?}", target.status)
        }
        Some(other) => format!("{other:?}"),
    });
}

#[test]
fn one_prober_writes_what_it_believes() {
    check(1, QUIET, expect!["nothing"]);
    let down = Some(Status::Down);
    check(
        1,
        Case {
            believed: down,
            ..QUIET
        },
        expect!["Up -> Down"],
    );
    // It looks at it, but another one writes.
    let observers = &["other", "me"];
    check(
        1,
        Case {
            believed: down,
            observers,
            ..QUIET
        },
        expect!["nothing"],
    );
    check(
        1,
        Case {
            believed: None,
            observers: &["other"],
            ..QUIET
        },
        expect!["nothing"],
    );
    let value = Some(r#"{"status":"DOWN"}"#);
    check(1, Case { value, ..QUIET }, expect!["Down -> Up"]);
}

#[test]
fn who_takes_over_puts_its_name_to_what_is_down() {
    let value = DOWN_BY_OTHER;
    let believed = Some(Status::Down);
    check(
        1,
        Case {
            value,
            believed,
            ..QUIET
        },
        expect!["Down -> Down"],
    );
    // Not before it has seen that itself.
    let failed = false;
    check(
        1,
        Case {
            value,
            believed,
            failed,
            ..QUIET
        },
        expect!["nothing"],
    );
    let value = Some(r#"{"status":"DOWN","prober":"me"}"#);
    check(
        1,
        Case {
            value,
            believed,
            ..QUIET
        },
        expect!["nothing"],
    );
    // What another scanner wrote stays its own.
    let value = Some(r#"{"status":"DOWN"}"#);
    check(
        1,
        Case {
            value,
            believed,
            ..QUIET
        },
        expect!["nothing"],
    );
    // UP needs nobody to vouch for it.
    let value = Some(r#"{"status":"UP","prober":"other"}"#);
    check(1, Case { value, ..QUIET }, expect!["nothing"]);
}

#[test]
fn a_quorum_decides() {
    let observers = &["me", "b", "c"];
    let down = Some(Status::Down);
    let case = |believed, voters| Case {
        believed,
        voters,
        observers,
        ..QUIET
    };
    check(2, case(down, &[]), expect!["Vote(true)"]);
    check(2, case(down, &["me"]), expect!["nothing"]);
    check(2, case(down, &["me", "b"]), expect!["Up -> Down"]);
    check(
        2,
        case(Some(Status::Up), &["b", "c"]),
        expect!["Up -> Down"],
    );
    check(
        2,
        case(Some(Status::Up), &["me", "b"]),
        expect!["Vote(false)"],
    );
    // Votes of those that do not look at it do not count.
    check(2, case(down, &["me", "x", "y"]), expect!["nothing"]);
}

#[test]
fn a_quorum_that_is_not_there_calls_nobody_down() {
    let case = Case {
        believed: Some(Status::Down),
        voters: &["me"],
        ..QUIET
    };
    check(2, case, expect!["nothing"]);
}

#[test]
fn nobody_is_called_up_for_votes_that_are_not_there_yet() {
    let case = |settling, voters| Case {
        value: DOWN_BY_OTHER,
        observers: &["me", "b", "c"],
        believed: Some(Status::Down),
        voters,
        failed: true,
        settling,
    };
    check(2, case(true, &["me"]), expect!["Down -> Down"]);
    check(2, case(false, &["me"]), expect!["Down -> Up"]);
    check(2, case(false, &["me", "c"]), expect!["Down -> Down"]);
}

#[test]
fn a_left_over_key_goes() {
    let address = "10.0.0.1".parse().expect("an address");
    let board = board(Some(r#"{"status":"DOWN","made_for":["a."]}"#), &[]);
    let seen = Observed {
        address,
        observers: &["me"],
        believed: None,
        failed: false,
        settling: false,
    };
    assert_eq!(decide(&board, &seen, "me", 1), Some(Write::Remove));
    let others = Observed {
        observers: &["x", "me"],
        ..seen
    };
    assert_eq!(decide(&board, &others, "me", 1), None);
}
