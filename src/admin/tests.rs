//! The admin server over real sockets: one request a connection, the whole response compared.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{AdminState, CONNECTION_TIME_MAX, Metric, Sample, metrics, serve_within};
use crate::counters::ShardCounters;

fn state(shards: usize) -> AdminState {
    AdminState {
        shards: (0..shards)
            .map(|_| Arc::new(ShardCounters::default()))
            .collect(),
        started: Instant::now(),
        sync: Arc::new(|| vec![Metric::gauge("containerdns_test_keys", "Keys.", 7.0)]),
    }
}

/// Serves `state` with `connections_max` and a deadline, and runs `client` against it.
fn serving<F: Future>(
    state: AdminState,
    connections_max: usize,
    deadline: Duration,
    client: impl FnOnce(SocketAddr) -> F,
) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(serve_within(listener, state, connections_max, deadline));
        client(address).await
    })
}

/// Sends `request` and reads until the server closes.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(request).await.expect("sent");
    let mut response = Vec::new();
    // A server that refuses a request may reset: what came before counts.
    let _ = stream.read_to_end(&mut response).await;
    String::from_utf8(response).expect("UTF-8")
}

/// Status line and body of the response to `method path`.
fn ask(state: &AdminState, request: &str) -> String {
    let head = format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n");
    let response = serving(
        state.clone(),
        4,
        CONNECTION_TIME_MAX,
        |address| async move { exchange(address, head.as_bytes()).await },
    );
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    format!("{}\n{body}", head.lines().next().expect("a status line"))
}

fn check(state: &AdminState, request: &str, expected: Expect) {
    expected.assert_eq(&ask(state, request));
}

#[test]
fn ready_once_every_shard_is() {
    let state = state(2);
    state.shards[1].names.set(30);
    state.shards[0].ready.set(1);
    check(
        &state,
        "GET /readyz",
        expect![[r#"
        HTTP/1.1 503 Service Unavailable
        {"ready":false,"shards":[{"reason":"waits for the first complete list (30 names so far)","shard":1}]}
    "#]],
    );
    state.shards[1].ready.set(1);
    check(
        &state,
        "GET /readyz",
        expect![[r#"
        HTTP/1.1 200 OK
        {"ready":true,"shards":[]}
    "#]],
    );
}

#[test]
fn healthy_while_every_loop_turns() {
    let mut state = state(2);
    check(
        &state,
        "GET /healthz",
        expect![[r#"
        HTTP/1.1 200 OK
        {"healthy":true,"shards":[]}
    "#]],
    );
    state.started = Instant::now() - Duration::from_secs(9);
    state.shards[0].heartbeat_ms.set(9_000);
    let response = ask(&state, "GET /healthz");
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(
        response.contains(r#""shard":1"#) && !response.contains(r#""shard":0"#),
        "{response}"
    );
}

#[test]
fn what_is_not_there() {
    check(
        &state(1),
        "GET /",
        expect![[r#"
        HTTP/1.1 404 Not Found
        not found; paths: /healthz /readyz /metrics /stats
    "#]],
    );
    check(
        &state(1),
        "GET /metrics/x",
        expect![[r#"
        HTTP/1.1 404 Not Found
        not found; paths: /healthz /readyz /metrics /stats
    "#]],
    );
    check(
        &state(1),
        "POST /readyz",
        expect![[r#"
        HTTP/1.1 405 Method Not Allowed
    "#]],
    );
    check(
        &state(1),
        "DELETE /metrics",
        expect![[r#"
        HTTP/1.1 405 Method Not Allowed
    "#]],
    );
}

#[test]
fn every_count_of_a_shard_is_a_metric() {
    let state = state(1);
    let shard = &state.shards[0];
    let all = metrics::collect(&state);
    // The table has every field but `rcodes` and `heartbeat_ms`, which have metrics of their own.
    let fields = format!("{shard:?}").matches(": Counter(").count();
    let of_shard = all.iter().filter(|metric| {
        metric
            .samples
            .iter()
            .any(|sample| sample.labels == [("shard", "0".to_owned())])
    });
    assert_eq!(of_shard.count(), fields);
}

#[test]
fn metrics_as_text_and_as_json() {
    let state = state(2);
    state.shards[0].udp_queries.add(5);
    state.shards[1].rcodes[3].add(2);
    let text = ask(&state, "GET /metrics");
    let line = |start: &str| {
        text.lines()
            .filter(|line| line.contains(start))
            .collect::<Vec<_>>()
    };
    expect![[r##"
        # HELP containerdns_udp_queries_total Queries received over UDP.
        # TYPE containerdns_udp_queries_total counter
        containerdns_udp_queries_total{shard="0"} 5
        containerdns_udp_queries_total{shard="1"} 0"##]]
    .assert_eq(&line("containerdns_udp_queries_total").join("\n"));
    expect![[r#"
        containerdns_responses_total{shard="0",rcode="3"} 0
        containerdns_responses_total{shard="1",rcode="3"} 2"#]]
    .assert_eq(&line("rcode=\"3\"").join("\n"));
    expect![[r#"
        # HELP containerdns_test_keys Keys.
        # TYPE containerdns_test_keys gauge
        containerdns_test_keys 7"#]]
    .assert_eq(&line("containerdns_test_keys").join("\n"));
    assert!(
        text.contains(
            "
containerdns_process_resident_bytes "
        ),
        "{text}"
    );
    assert!(
        text.contains(
            "
containerdns_process_cpu_seconds_total "
        ),
        "{text}"
    );

    let stats = ask(&state, "GET /stats");
    let (_, body) = stats.split_once('\n').expect("a body");
    let stats: serde_json::Value = serde_json::from_str(body).expect("JSON");
    expect![[r#"[{"labels":{"shard":"0"},"value":5.0},{"labels":{"shard":"1"},"value":0.0}]"#]]
        .assert_eq(&stats["containerdns_udp_queries_total"].to_string());
}

#[test]
fn labels_are_escaped() {
    let labels = vec![("key", "a\"b\\c\nd".to_owned())];
    let mut metric = Metric::counter("containerdns_test_total", "Help.", 0.5);
    metric.samples = vec![Sample { labels, value: 0.5 }];
    expect![[r##"
        # HELP containerdns_test_total Help.
        # TYPE containerdns_test_total counter
        containerdns_test_total{key="a\"b\\c\nd"} 0.5
    "##]]
    .assert_eq(&metrics::prometheus_text(&[metric]));
}

#[test]
fn a_slow_client_is_closed() {
    let deadline = Duration::from_millis(50);
    let response = serving(state(1), 4, deadline, |address| {
        exchange(address, b"GET /metrics HT")
    });
    assert_eq!(response, "");
}

#[test]
fn a_long_request_is_refused() {
    let request = format!(
        "GET /{} HTTP/1.1\r\nHost: test\r\n\r\n",
        "x".repeat(64 << 10)
    );
    let response = serving(state(1), 4, CONNECTION_TIME_MAX, |address| async move {
        exchange(address, request.as_bytes()).await
    });
    assert!(!response.starts_with("HTTP/1.1 2"), "{response}");
}

#[test]
fn a_connection_beyond_the_limit_waits_for_its_turn() {
    let (response, waited) = serving(
        state(1),
        1,
        Duration::from_millis(200),
        |address| async move {
            let _idle = TcpStream::connect(address).await.expect("connected");
            let start = Instant::now();
            let response = exchange(address, b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").await;
            (response, start.elapsed())
        },
    );
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(waited >= Duration::from_millis(100), "{waited:?}");
}
