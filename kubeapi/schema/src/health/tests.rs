//! Health keys of existing trees and bad ones.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::wrapped::wrapped;

const PREFIX: &str = "/containerdns/monitor/status/";

fn check(key: &str, value: &str, shown: Expect) {
    let text = match decode(PREFIX, key.as_bytes(), value.as_bytes()) {
        Ok((address, health)) => {
            let Health {
                status,
                ports,
                names,
                cluster,
                probe,
                prober,
            } = health;
            let probe = probe.map(|probe| format!(" {probe}")).unwrap_or_default();
            let prober = prober
                .map(|prober| format!(" by {prober}"))
                .unwrap_or_default();
            format!("{address} {status:?} {ports:?} {names:?} {cluster:?}{probe}{prober}")
        }
        Err(error) => format!("error: {error}"),
    };
    shown.assert_eq(&wrapped(&text));
}

#[test]
fn values_of_existing_trees() {
    let key = "/containerdns/monitor/status/192.168.10.3";
    check(
        key,
        r#"{"status":"UP","ports":["22","8080"],"domains":["cctv2.c.local."],"cluster":"k1"}"#,
        expect![[r#"192.168.10.3 Up [22, 8080] ["cctv2.c.local."] Some("k1")"#]],
    );
    check(
        key,
        r#"{"status":"down","ports":[22,"80"]}"#,
        expect!["192.168.10.3 Down [22, 80] [] None"],
    );
    check(
        key,
        r#"{"status":"DOWN","ports":80,"domains":"a","more":{}}"#,
        expect![[r#"192.168.10.3 Down [80] ["a"] None"#]],
    );
    check(
        key,
        r#"{"status":"DOWN","probe":"http:8080/healthz","prober":"node1-77"}"#,
        expect!["192.168.10.3 Down [] [] None http:8080/healthz by node1-77"],
    );
    check(
        "/containerdns/monitor/status/fd00::1/",
        r#"{"status":"UP"}"#,
        expect!["fd00::1 Up [] [] None"],
    );
}

#[test]
fn bad_values_concern_one_key() {
    let key = "/containerdns/monitor/status/192.168.10.3";
    check(
        key,
        r#"{"status":"UP","probe":"udp:53"}"#,
        expect!["error: probe: `udp` is no probe; write tcp, icmp, http, https or grpc"],
    );
    check(
        key,
        "",
        expect![[r#"error: value: not a JSON object: write {"field":...}"#]],
    );
    check(
        key,
        "{}",
        expect!["error: status: missing, write UP or DOWN"],
    );
    check(
        key,
        r#"{"status":"SICK"}"#,
        expect![[r#"error: status: "SICK" is neither UP nor DOWN"#]],
    );
    check(
        key,
        r#"{"status":1}"#,
        expect!["error: status: 1 is not a string"],
    );
    check(
        key,
        r#"{"status":"UP","ports":["ssh"]}"#,
        expect![[r#"error: ports[0]: "ssh" is not a whole number from 0 to 65535"#]],
    );
    check(
        key,
        r#"{"status":"UP","ports":[70000]}"#,
        expect!["error: ports[0]: 70000 is not a whole number from 0 to 65535"],
    );
    check(
        key,
        r#"{"status":"UP","domains":[[]]}"#,
        expect!["error: domains[0]: an array is not a string"],
    );
    check(
        "/containerdns/monitor/status/web1",
        r#"{"status":"UP"}"#,
        expect![[r#"error: key: "web1" behind the prefix is no IP address"#]],
    );
    check(
        "/containerdns/monitor/heart/10.0.0.1",
        r#"{"status":"UP"}"#,
        expect!["error: key: does not start with /containerdns/monitor/status/"],
    );
    let long = format!(
        r#"{{"status":"UP","cluster":"{}"}}"#,
        "x".repeat(VALUE_LEN_MAX)
    );
    check(
        key,
        &long,
        expect![[r#"
        error: value: 65564 octets, at most 65536 are read: split it over several
        keys"#]],
    );
}

proptest! {
    #[test]
    fn health_survives(
        address in any::<IpAddr>(),
        up in any::<bool>(),
        ports in proptest::collection::vec(any::<u16>(), 0..4),
        names in proptest::collection::vec(any::<String>(), 0..4),
        cluster in proptest::option::of("\\PC{1,10}"),
    ) {
        let status = if up { Status::Up } else { Status::Down };
        let health = Health { status, ports, names, cluster, probe: None, prober: None };
        let (key, value) = encode(PREFIX, address, &health).unwrap();
        prop_assert_eq!(decode(PREFIX, &key, &value), Ok((address, health)));
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = decode(PREFIX, b"/containerdns/monitor/status/10.0.0.1", &octets);
        let _ = decode(PREFIX, &octets, br#"{"status":"UP"}"#);
    }
}
