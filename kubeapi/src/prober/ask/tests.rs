//! Probes of real listeners of this process: `check(port, probe, outcome)`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use containerdns_schema::probe::Probe;
use expect_test::{Expect, expect};
use tokio::task::JoinSet;

use super::{AskSettings, Asker, Unhealthy};

mod backends;

const TIMEOUT: Duration = Duration::from_millis(600);

fn asker(host: Option<&str>) -> Asker {
    Asker::new(AskSettings {
        timeout: TIMEOUT,
        host: host.map(String::from),
        ..AskSettings::default()
    })
}

async fn outcome(asker: &Asker, address: &str, probe: &str, ports: &[u16]) -> String {
    let address = address.parse().expect("an address");
    let probe = probe.parse().expect("a probe");
    let start = Instant::now();
    let answer = asker.ask(address, &probe, ports).await;
    assert!(start.elapsed() < TIMEOUT * 5, "{:?}", start.elapsed());
    match answer {
        Ok(()) => "alive".into(),
        Err(why) => why.to_string(),
    }
}

async fn check(ports: &[u16], probe: &str, wanted: Expect) {
    wanted.assert_eq(&outcome(&asker(None), "127.0.0.1", probe, ports).await);
}

/// Beginnings of answers, each on a port of its own.
async fn check_said(said: &'static str, wanted: Expect) {
    let port = backends::saying(said).await;
    check(&[port], "http/healthz", wanted).await;
}

#[tokio::test]
async fn tcp() {
    let open = backends::closing().await;
    check(&[open], "tcp", expect!["alive"]).await;
    check(&[backends::unused().await], "tcp", expect!["refused"]).await;
    let (full, _waiting) = backends::full().await;
    check(&[full], "tcp", expect!["timed out"]).await;
    let own = format!("tcp:{open}");
    check(&[full], &own, expect!["alive"]).await;
}

#[tokio::test]
async fn one_port_is_enough() {
    let (open, unused) = (backends::closing().await, backends::unused().await);
    let (full, _waiting) = backends::full().await;
    let not_found = backends::saying("HTTP/1.1 404 N\r\n\r\n").await;
    check(&[unused, open], "tcp", expect!["alive"]).await;
    check(&[full, open], "tcp", expect!["alive"]).await;
    check(&[unused, full], "tcp", expect!["refused"]).await;
    check(&[full, unused], "tcp", expect!["timed out"]).await;
    check(&[not_found, unused], "http", expect!["status 404"]).await;
    check(&[0, open], "tcp", expect!["alive"]).await;
    check(&[], "tcp", expect!["local: no port to ask"]).await;
    let ninth = [
        unused, unused, unused, unused, unused, unused, unused, unused, open,
    ];
    check(&ninth, "tcp", expect!["refused"]).await;
}

#[tokio::test]
async fn http() {
    check_said(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        expect!["alive"],
    )
    .await;
    check_said("HTTP/1.0 204 No Content\r\n\r\n", expect!["alive"]).await;
    check_said(
        "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n",
        expect!["alive"],
    )
    .await;
    check_said("HTTP/1.1 404 Not Found\r\n\r\n", expect!["status 404"]).await;
    check_said("HTTP/1.1 503 x\r\n\r\n", expect!["status 503"]).await;
    check_said(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        expect!["alive"],
    )
    .await;
    // The rest of the body never comes.
    check_said(
        "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nx",
        expect!["alive"],
    )
    .await;
    check_said(
        "SSH-2.0-OpenSSH_9.2\r\n",
        expect!["broken: http: invalid HTTP version parsed"],
    )
    .await;
    check_said("HTTP/1.1 200 OK\r\nContent-", expect!["timed out"]).await;
    check_said("", expect!["timed out"]).await;
    let closing = backends::closing().await;
    check(
        &[closing],
        "http",
        expect!["broken: closed before an answer"],
    )
    .await;
    let dripping = backends::dripping().await;
    check(&[dripping], "http", expect!["timed out"]).await;
    let endless = backends::endless().await;
    check(
        &[endless],
        "http",
        expect!["broken: http: message head is too large"],
    )
    .await;
}

#[tokio::test]
async fn what_is_asked() {
    let (port, mut asked) = backends::listening_to("127.0.0.1:0").await;
    check(&[port], "http/a/b?c=d", expect!["alive"]).await;
    let head = asked.recv().await.expect("a request");
    let head = head.replace(&port.to_string(), "PORT");
    expect![[r#"
        GET /a/b?c=d HTTP/1.1
        host: 127.0.0.1:PORT
        connection: close
        user-agent: containerdns-prober

    "#]]
    .assert_eq(&head.replace("\r\n", "\n"));

    let named = outcome(
        &asker(Some("shop.example:81")),
        "127.0.0.1",
        "http",
        &[port],
    )
    .await;
    assert_eq!(named, "alive");
    let head = asked.recv().await.expect("a request");
    assert!(head.contains("\r\nhost: shop.example:81\r\n"), "{head}");

    let wrong = outcome(&asker(Some("a b")), "127.0.0.1", "http", &[port]).await;
    expect!["local: `a b` is no host; write a name or an address"].assert_eq(&wrong);

    let (port, mut asked) = backends::listening_to("[::1]:0").await;
    assert_eq!(outcome(&asker(None), "::1", "http", &[port]).await, "alive");
    let head = asked.recv().await.expect("a request");
    assert!(
        head.contains(&format!("\r\nhost: [::1]:{port}\r\n")),
        "{head}"
    );
}

#[tokio::test]
async fn https() {
    let port = backends::encrypted("HTTP/1.1 200 OK\r\n\r\n").await;
    check(&[port], "https", expect!["alive"]).await;
    let named = outcome(&asker(Some("shop.example")), "127.0.0.1", "https", &[port]).await;
    assert_eq!(named, "alive");
    check(
        &[port],
        "http",
        expect!["broken: http: invalid HTTP version parsed"],
    )
    .await;
    let port = backends::encrypted("HTTP/1.1 500 x\r\n\r\n").await;
    check(&[port], "https", expect!["status 500"]).await;
    let plain = backends::saying("HTTP/1.1 200 OK\r\n\r\n").await;
    check(
        &[plain],
        "https",
        expect!["broken: tls: received corrupt message of type InvalidContentType"],
    )
    .await;
    let silent = backends::saying("").await;
    check(&[silent], "https", expect!["timed out"]).await;
    let closing = backends::closing().await;
    check(
        &[closing],
        "https",
        expect!["broken: closed before an answer"],
    )
    .await;
}

#[tokio::test]
async fn grpc() {
    let port = backends::grpc().await;
    check(&[port], "grpc", expect!["alive"]).await;
    check(&[port], "grpc/shop.Cart", expect!["alive"]).await;
    check(&[port], "grpc/shop.Stock", expect!["not serving"]).await;
    check(&[port], "grpc/shop.None", expect!["grpc: unknown service"]).await;
    let other = backends::grpc_without_health().await;
    check(&[other], "grpc", expect!["grpc: no health service"]).await;
    let http1 = backends::saying("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    check(
        &[http1],
        "grpc",
        expect!["broken: http2: connection error detected: frame with invalid size"],
    )
    .await;
    let silent = backends::saying("").await;
    check(&[silent], "grpc", expect!["timed out"]).await;
    let closing = backends::closing().await;
    check(
        &[closing],
        "grpc",
        expect!["broken: closed before an answer"],
    )
    .await;
}

/// Alive where ICMP is allowed; else it is said whose fault that is.
#[tokio::test]
async fn icmp() {
    let asker = Arc::new(asker(None));
    let mut probes = JoinSet::new();
    for address in ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"].repeat(128) {
        let asker = Arc::clone(&asker);
        let probe = "icmp".parse().expect("a probe");
        let address = address.parse().expect("an address");
        probes.spawn(async move { asker.ask(address, &probe, &[]).await });
    }
    while let Some(answer) = probes.join_next().await {
        match answer.expect("no panic") {
            Ok(()) => {}
            Err(Unhealthy::Local(why)) => assert!(why.starts_with("icmp is not allowed"), "{why}"),
            Err(why) => panic!("{why}"),
        }
    }
    // Documentation addresses (RFC 5737): nobody answers, or a router says so.
    let nobody = outcome(&asker, "198.51.100.77", "icmp", &[]).await;
    assert_ne!(nobody, "alive");
}

#[tokio::test]
async fn failures_of_this_host_are_told_from_the_backends() {
    // A link-local address without its link.
    let answer = outcome(&asker(None), "fe80::1", "tcp", &[80]).await;
    assert!(answer.starts_with("local: "), "{answer}");
}

/// Neither probes that end nor those that are given up leave anything behind.
#[tokio::test]
async fn probes_leave_no_connection() {
    let asker = Arc::new(asker(None));
    let (closing, silent) = (backends::closing().await, backends::saying("").await);
    let probes = ["tcp", "http", "https", "grpc"];
    let probes = probes.map(|probe| probe.parse::<Probe>().expect("a probe"));
    for _ in 0..20 {
        let mut given_up = JoinSet::new();
        for probe in &probes {
            let (asker, probe) = (Arc::clone(&asker), probe.clone());
            let address = "127.0.0.1".parse().expect("an address");
            let _ = asker.ask(address, &probe, &[closing]).await;
            given_up.spawn(async move { asker.ask(address, &probe, &[silent]).await });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        given_up.shutdown().await;
    }
    let mut left = backends::sockets_towards(&[closing, silent]);
    for _ in 0..100 {
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        left = backends::sockets_towards(&[closing, silent]);
    }
    panic!("{left:?}");
}
