//! What is known after news of the store.

use containerdns_schema::Name;
use containerdns_schema::format::Format;
use expect_test::{Expect, expect};

use super::*;
use crate::follow::Seen;
use crate::prober::write;

const HEALTH: &str = "/containerdns/monitor/status/";

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn seen(key: &str, value: Option<Said>, revision: Revision) -> Seen<Said> {
    let key = key.as_bytes().to_vec();
    Seen {
        key,
        value,
        revision,
    }
}

fn status(address: &str, value: &str, revision: Revision) -> Seen<Said> {
    let value = Said::Status(value.as_bytes().into());
    seen(&format!("{HEALTH}{address}"), Some(value), revision)
}

fn bundle(key: &str, value: &str, revision: Revision) -> Seen<Said> {
    let records = Records {
        prefix: "/k/".into(),
        format: Format::Bundle,
        all_below: Some("/k/api/records/".into()),
    };
    let zones = [Name::parse("z.test.").expect("a name")];
    let said = read_records(&records, &zones, key.as_bytes(), value.as_bytes());
    seen(key, Some(said), revision)
}

fn rrset(name: &str, address: &str) -> String {
    format!(r#""rrsets":[{{"name":"{name}","type":"A","rdata":["{address}"]}}]"#)
}

fn changed(seen: Seen<Said>) -> News<Said> {
    News::Changed {
        revision: seen.revision,
        seen: vec![seen],
    }
}

fn listed(revision: Revision, seen: Vec<Seen<Said>>) -> News<Said> {
    News::Listed { revision, seen }
}

fn check(board: &Board, of: &str, shown: Expect) {
    let target = board.target(address(of));
    let target = target.map(|target| {
        let by = target.prober.unwrap_or_else(|| "nobody".into());
        let probe = target
            .probe
            .map_or("default".into(), |probe| probe.to_string());
        let Target {
            ports,
            names,
            status,
            wished,
            ..
        } = target;
        format!("{status:?} by {by}, {probe} {ports:?}, {names:?}, wished {wished}")
    });
    shown.assert_eq(&target.unwrap_or_else(|| "none".into()));
}

#[test]
fn a_status_key_is_a_target() {
    let mut board = Board::new(HEALTH);
    let value = r#"{"status":"UP","ports":["22"],"domains":["a.z.test."],"probe":"http/x"}"#;
    let concerned = board.take(
        HEALTH.as_bytes(),
        listed(5, vec![status("10.0.0.1", value, 3)]),
    );
    assert_eq!(concerned.addresses, HashSet::from([address("10.0.0.1")]));
    check(
        &board,
        "10.0.0.1",
        expect![[r#"Up by nobody, http/x [22], ["a.z.test."], wished false"#]],
    );
    check(&board, "10.0.0.2", expect!["none"]);
    let down = r#"{"status":"DOWN","prober":"p-1"}"#;
    board.take(HEALTH.as_bytes(), changed(status("10.0.0.1", down, 6)));
    check(
        &board,
        "10.0.0.1",
        expect!["Down by p-1, default [], [], wished false"],
    );
    board.take(HEALTH.as_bytes(), changed(status("10.0.0.1", "DOWN", 7)));
    check(&board, "10.0.0.1", expect!["none"]);
    let gone = seen(&format!("{HEALTH}10.0.0.1"), None, 8);
    board.take(HEALTH.as_bytes(), changed(gone));
    check(&board, "10.0.0.1", expect!["none"]);
}

#[test]
fn bundles_ask_and_records_of_users_when_all_are_probed() {
    let mut board = Board::new(HEALTH);
    let key = "/k/c/services/prod/web";
    let value = format!(
        r#"{{"v":1,"probe":"tcp:80",{}}}"#,
        rrset("web.z.test.", "10.0.0.1")
    );
    board.take(b"/k/", changed(bundle(key, &value, 2)));
    check(
        &board,
        "10.0.0.1",
        expect![[r#"Up by nobody, tcp:80 [], ["web.z.test."], wished true"#]],
    );
    let own = r#"{"status":"DOWN","ports":[9],"probe":"icmp"}"#;
    board.take(HEALTH.as_bytes(), changed(status("10.0.0.1", own, 3)));
    check(
        &board,
        "10.0.0.1",
        expect![[r#"Down by nobody, icmp [9], ["web.z.test."], wished true"#]],
    );
    let quiet = format!(r#"{{"v":1,{}}}"#, rrset("web.z.test.", "10.0.0.1"));
    board.take(b"/k/", changed(bundle(key, &quiet, 4)));
    check(
        &board,
        "10.0.0.1",
        expect!["Down by nobody, icmp [9], [], wished false"],
    );
    let user = format!(r#"{{"v":1,{}}}"#, rrset("a.z.test.", "10.0.0.9"));
    board.take(b"/k/", changed(bundle("/k/api/records/z.test/a", &user, 5)));
    check(
        &board,
        "10.0.0.9",
        expect![[r#"Up by nobody, default [], ["a.z.test."], wished true"#]],
    );
}

#[test]
fn a_key_made_for_a_bundle_is_left_over_when_that_is_gone() {
    let mut board = Board::new(HEALTH);
    let (key, of) = ("/k/c/services/prod/web", address("10.0.0.1"));
    let value = format!(
        r#"{{"v":1,"probe":"default",{}}}"#,
        rrset("web.z.test.", "10.0.0.1")
    );
    board.take(b"/k/", changed(bundle(key, &value, 2)));
    let names = board.target(of).expect("a target").names;
    let (_, made) = write::made(HEALTH, of, names, Status::Down, "p-1").expect("small");
    board.committed(of, Some(&made), 3);
    assert!(!board.is_leftover(of));
    check(
        &board,
        "10.0.0.1",
        expect![[r#"Down by p-1, default [], ["web.z.test."], wished true"#]],
    );
    board.take(b"/k/", changed(seen(key, None, 4)));
    assert!(board.is_leftover(of));
    check(&board, "10.0.0.1", expect!["none"]);
}

#[test]
fn a_list_takes_away_what_it_lacks_but_not_what_is_newer() {
    let mut board = Board::new(HEALTH);
    let up = r#"{"status":"UP"}"#;
    let both = vec![status("10.0.0.1", up, 2), status("10.0.0.2", up, 3)];
    board.take(HEALTH.as_bytes(), listed(5, both));
    board.committed(address("10.0.0.3"), Some(up.as_bytes()), 9);
    board.take(
        HEALTH.as_bytes(),
        listed(7, vec![status("10.0.0.2", up, 3)]),
    );
    let left = |board: &Board| {
        let mut left: Vec<IpAddr> = board.addresses().into_iter().collect();
        left.sort();
        left.iter()
            .map(|one| one.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(left(&board), "10.0.0.2 10.0.0.3");
    // A store restored from a backup: its word counts, whatever its revisions.
    let old = vec![status("10.0.0.2", r#"{"status":"DOWN"}"#, 1)];
    board.take(HEALTH.as_bytes(), listed(4, old));
    assert_eq!(left(&board), "10.0.0.2");
    check(
        &board,
        "10.0.0.2",
        expect!["Down by nobody, default [], [], wished false"],
    );
}

#[test]
fn probers_come_and_go_and_vote() {
    let mut board = Board::new(HEALTH);
    let told = |key: &[u8], lives: bool| {
        let key = String::from_utf8(key.to_vec()).expect("text");
        let said = lives.then(|| read_prober_key(key.as_bytes()));
        changed(seen(&key, said, 1))
    };
    let prefix = PROBER_PREFIX.as_bytes();
    assert!(board.take(prefix, told(&member_key("p-1"), true)).members);
    assert!(!board.take(prefix, told(&member_key("p-1"), true)).members);
    let of = address("10.0.0.1");
    let concerned = board.take(prefix, told(&vote_key(of, "p-1"), true));
    assert_eq!((concerned.members, concerned.addresses.len()), (false, 1));
    assert!(concerned.statuses.is_empty(), "a vote is no status");
    assert!(board.has_vote(of, "p-1") && !board.has_vote(of, "p-2"));
    let concerned = board.take(prefix, listed(9, Vec::new()));
    assert_eq!((concerned.members, concerned.addresses.len()), (true, 1));
    assert!(!board.is_member("p-1") && !board.has_vote(of, "p-1"));
}
