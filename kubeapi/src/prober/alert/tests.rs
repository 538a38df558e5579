//! What is told when, by a clock that is made up; and what a webhook receives.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use expect_test::{Expect, expect};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

fn alert(address: IpAddr, status: &str) -> Alert {
    let status = match status {
        "UP" => Status::Up,
        _ => Status::Down,
    };
    Alert {
        change: Change {
            address,
            status,
            names: Vec::new(),
            reason: String::new(),
        },
        at: SystemTime::UNIX_EPOCH,
        suppressed: 0,
    }
}

/// `SECONDS HOST STATUS; ...`, with a silence of 100 s and three addresses at most.
fn check(changes: &str, wanted: Expect) {
    let start = Instant::now();
    let mut silence = Silence::new(Duration::from_secs(100), 3);
    let mut told = String::new();
    let mut tell = |at: Instant, alert: &Alert| {
        let seconds = (at - start).as_secs();
        let (change, left_out) = (&alert.change, alert.suppressed);
        let _ = write!(told, "{seconds} {} {:?}", change.address, change.status);
        let _ = match left_out {
            0 => writeln!(told),
            _ => writeln!(told, ", {left_out} left out"),
        };
    };
    let mut lost = 0;
    let wait = |silence: &mut Silence, until: Instant, tell: &mut dyn FnMut(_, &_)| {
        while let Some(end) = silence.next().filter(|end| *end <= until) {
            while let Some(alert) = silence.ended(end) {
                tell(end, &alert);
            }
        }
    };
    for change in changes.split("; ") {
        let words: Vec<&str> = change.split(' ').collect();
        let at = start + Duration::from_secs(words[0].parse().expect("seconds"));
        wait(&mut silence, at, &mut tell);
        let address = format!("10.0.0.{}", words[1]).parse().expect("an address");
        let heard = silence.heard(alert(address, words[2]), at);
        lost += usize::from(heard.lost);
        if let Some(alert) = heard.tell {
            tell(at, &alert);
        }
    }
    wait(&mut silence, start + Duration::from_secs(10_000), &mut tell);
    assert!(
        silence.next().is_none(),
        "everything is forgotten in the end"
    );
    if lost > 0 {
        let _ = writeln!(told, "{lost} lost");
    }
    wanted.assert_eq(&told);
}

#[test]
fn an_address_is_silent_after_an_alert() {
    check(
        "0 1 DOWN",
        expect![[r#"
        0 10.0.0.1 Down
    "#]],
    );
    check(
        "0 1 DOWN; 200 1 UP",
        expect![[r#"
        0 10.0.0.1 Down
        200 10.0.0.1 Up
    "#]],
    );
    // The end of an outage is told, late.
    check(
        "0 1 DOWN; 30 1 UP",
        expect![[r#"
        0 10.0.0.1 Down
        100 10.0.0.1 Up
    "#]],
    );
    check(
        "0 1 DOWN; 30 1 UP; 40 1 DOWN; 50 1 UP",
        expect![[r#"
        0 10.0.0.1 Down
        100 10.0.0.1 Up, 2 left out
    "#]],
    );
    // It is as it was told.
    check(
        "0 1 DOWN; 30 1 UP; 40 1 DOWN",
        expect![[r#"
        0 10.0.0.1 Down
    "#]],
    );
    check(
        "0 1 DOWN; 30 1 UP; 40 1 DOWN; 100 1 UP",
        expect![[r#"
        0 10.0.0.1 Down
        100 10.0.0.1 Up
    "#]],
    );
    // The newest state is told when a silence ends; that begins another.
    check(
        "0 1 DOWN; 30 1 UP; 110 1 DOWN; 120 1 UP",
        expect![[r#"
        0 10.0.0.1 Down
        100 10.0.0.1 Up
    "#]],
    );
    check(
        "0 1 DOWN; 30 1 UP; 110 1 DOWN",
        expect![[r#"
        0 10.0.0.1 Down
        100 10.0.0.1 Up
        200 10.0.0.1 Down
    "#]],
    );
    // Addresses do not silence each other.
    check(
        "0 1 DOWN; 1 2 DOWN; 2 1 UP; 3 2 UP; 4 2 DOWN",
        expect![[r#"
            0 10.0.0.1 Down
            1 10.0.0.2 Down
            100 10.0.0.1 Up
        "#]],
    );
}

#[test]
fn the_oldest_of_too_many_addresses_is_forgotten() {
    check(
        "0 1 DOWN; 1 2 DOWN; 2 3 DOWN; 3 4 DOWN; 4 1 DOWN",
        expect![[r#"
            0 10.0.0.1 Down
            1 10.0.0.2 Down
            2 10.0.0.3 Down
            3 10.0.0.4 Down
            4 10.0.0.1 Down
        "#]],
    );
    check(
        "0 1 DOWN; 1 2 DOWN; 2 3 DOWN; 3 1 UP; 4 4 DOWN",
        expect![[r#"
            0 10.0.0.1 Down
            1 10.0.0.2 Down
            2 10.0.0.3 Down
            4 10.0.0.4 Down
            1 lost
        "#]],
    );
}

/// Requests as a webhook receives them; each is answered by the next of its answers.
struct Receiver {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    async fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (heard, turn) = (Arc::clone(&requests), Arc::new(AtomicUsize::new(0)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answers[turn.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)];
                tokio::spawn(receive(stream, answer, Arc::clone(&heard)));
            }
        });
        let url = format!("http://ann:s%20ecret@{address}/hook?key=4711");
        Self { url, requests }
    }

    /// Waits until so many alerts have ended.
    async fn outcome(&self, metrics: &AlertMetrics, count: u64) -> String {
        let count_of = |outcome| metrics.alerts.get_or_create(&AlertLabel { outcome }).get();
        let ended = || ["sent", "failed", "lost"].map(|outcome| (outcome, count_of(outcome)));
        let end = Instant::now() + Duration::from_secs(20);
        while ended().iter().map(|(_, count)| count).sum::<u64>() < count && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut shown = String::new();
        for (outcome, count) in ended().into_iter().filter(|(_, count)| *count > 0) {
            let _ = writeln!(shown, "{count} {outcome}");
        }
        for request in self.requests.lock().expect("no panic").iter() {
            let (head, body) = request.split_once("\r\n\r\n").unwrap_or_default();
            let shown_head = head.lines().filter(|line| !line.starts_with("host: "));
            let shown_head = shown_head.filter(|line| !line.starts_with("user-agent: "));
            for line in shown_head.chain(body.split_inclusive(',')) {
                let _ = writeln!(shown, "{line}");
            }
        }
        shown
    }
}

/// Takes one request and answers it; the connection is closed, or for "" kept without an answer.
async fn receive(mut stream: TcpStream, answer: &str, requests: Arc<Mutex<Vec<String>>>) {
    let mut request = String::new();
    while !request.ends_with('}') {
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(len) => request += &String::from_utf8_lossy(&part[..len]),
        }
    }
    requests.lock().expect("no panic").push(request);
    if answer.is_empty() {
        std::future::pending::<()>().await;
    }
    let head = format!("HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).await;
}

const PATIENCE: Patience = Patience {
    timeout: Duration::from_millis(300),
    pauses: [Duration::from_millis(20), Duration::from_millis(40)],
};

fn started(receiver: &Receiver, token: Option<PathBuf>) -> (Alerts, AlertMetrics) {
    let settings = AlertSettings {
        url: receiver.url.clone(),
        token_file: token,
        silence: Duration::from_secs(2),
    };
    let metrics = AlertMetrics::default();
    let counted = metrics.clone();
    let alerts = start_with(settings, "n1-7".into(), "k1".into(), metrics, PATIENCE);
    (alerts, counted)
}

fn change(host: u8, status: Status) -> Change {
    Change {
        address: IpAddr::from([10, 0, 0, host]),
        status,
        names: vec!["a.example.".into(), "b.example.".into()],
        reason: match status {
            Status::Up => String::new(),
            Status::Down => "refused".into(),
        },
    }
}

/// The time of an alert is not that of the test.
fn timeless(shown: &str) -> String {
    let lines = shown
        .lines()
        .map(|line| match line.starts_with("\"at\":\"20") {
            true => format!("\"at\":{}\n", "x".repeat(line.len() - 5)),
            false => format!("{line}\n"),
        });
    lines.collect()
}

#[tokio::test]
async fn an_alert_is_a_request() {
    let receiver = Receiver::start(&["200 OK"]).await;
    let (alerts, metrics) = started(&receiver, None);
    alerts.tell(change(1, Status::Down));
    let shown = receiver.outcome(&metrics, 1).await;
    expect![[r#"
        1 sent
        POST /hook?key=4711 HTTP/1.1
        content-type: application/json
        authorization: Basic YW5uOnMgZWNyZXQ=
        content-length: 167
        {"address":"10.0.0.1",
        "status":"DOWN",
        "names":["a.example.",
        "b.example."],
        "reason":"refused",
        "prober":"n1-7",
        "cluster":"k1",
        "at":xxxxxxxxxxxxxxxxxxxxxxx
        "suppressed":0}
    "#]]
    .assert_eq(&timeless(&shown));
}

#[tokio::test]
async fn a_silence_ends_with_the_newest_state() {
    let receiver = Receiver::start(&["204 No Content"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "t0ken\n").expect("written");
    let (alerts, metrics) = started(&receiver, Some(file.clone()));
    alerts.tell(change(1, Status::Down));
    alerts.tell(change(1, Status::Up));
    alerts.tell(change(1, Status::Down));
    receiver.outcome(&metrics, 1).await;
    std::fs::write(&file, "another").expect("written");
    alerts.tell(change(1, Status::Up));
    let shown = receiver.outcome(&metrics, 2).await;
    expect![[r#"
        2 sent
        POST /hook?key=4711 HTTP/1.1
        content-type: application/json
        authorization: Bearer t0ken
        content-length: 167
        {"address":"10.0.0.1",
        "status":"DOWN",
        "names":["a.example.",
        "b.example."],
        "reason":"refused",
        "prober":"n1-7",
        "cluster":"k1",
        "at":xxxxxxxxxxxxxxxxxxxxxxx
        "suppressed":0}
        POST /hook?key=4711 HTTP/1.1
        content-type: application/json
        authorization: Bearer another
        content-length: 158
        {"address":"10.0.0.1",
        "status":"UP",
        "names":["a.example.",
        "b.example."],
        "reason":"",
        "prober":"n1-7",
        "cluster":"k1",
        "at":xxxxxxxxxxxxxxxxxxxxxxx
        "suppressed":2}
    "#]]
    .assert_eq(&timeless(&shown));
}

/// Answers of a webhook, and the outcome with the number of requests.
async fn check_tries(answers: &'static [&'static str], wanted: Expect) {
    let receiver = Receiver::start(answers).await;
    let (alerts, metrics) = started(&receiver, None);
    alerts.tell(change(1, Status::Down));
    let shown = receiver.outcome(&metrics, 1).await;
    let tries = shown.matches("POST /hook?key=4711 HTTP/1.1").count();
    let outcome = shown.lines().next().unwrap_or_default();
    wanted.assert_eq(&format!("{outcome} by {tries} tries"));
}

#[tokio::test]
async fn a_webhook_that_fails_is_tried_again() {
    check_tries(&["200 OK"], expect!["1 sent by 1 tries"]).await;
    check_tries(&["500 x", "503 x", "200 OK"], expect!["1 sent by 3 tries"]).await;
    check_tries(&["500 x"], expect!["1 failed by 3 tries"]).await;
    check_tries(&["302 Found"], expect!["1 failed by 3 tries"]).await;
    check_tries(&["", "200 OK"], expect!["1 sent by 2 tries"]).await;
    check_tries(&[""], expect!["1 failed by 3 tries"]).await;
}

/// A webhook with a certificate that nobody signed.
async fn encrypted() -> u16 {
    let names = vec!["127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("a key");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a certificate and its key")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    port
}

#[tokio::test]
async fn problems_say_neither_url_nor_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "two\nlines").expect("written");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let unused = listener.local_addr().expect("bound");
    drop(listener);
    let problem = |url: String, token: Option<PathBuf>| async move {
        let webhook = Webhook::new(&url, token, PATIENCE);
        let outcome = match &webhook {
            Ok(webhook) => webhook.post("{}".into()).await,
            Err(problem) => Err(problem.clone()),
        };
        outcome.map_or_else(|problem| problem.to_string(), |()| "sent".into())
    };
    let url = format!("http://ann:secret@{unused}/secret");
    let untrusted = format!("https://ann:secret@127.0.0.1:{}/secret", encrypted().await);
    for (url, token, wanted) in [
        (
            untrusted,
            None,
            expect!["invalid peer certificate: UnknownIssuer"],
        ),
        (
            url.clone(),
            None,
            expect!["Connection refused (os error 111)"],
        ),
        (
            url,
            Some(token),
            expect!["token_file: holds more than one line"],
        ),
        (
            "ftp://ann:secret@host/".into(),
            None,
            expect!["url: is no URL of a webhook; write http://HOST/PATH or https://HOST/PATH"],
        ),
        (
            "/secret".into(),
            None,
            expect!["url: is no URL of a webhook; write http://HOST/PATH or https://HOST/PATH"],
        ),
    ] {
        wanted.assert_eq(&problem(url, token).await);
    }
}

#[tokio::test]
async fn what_does_not_fit_is_lost_and_counted() {
    let receiver = Receiver::start(&[""]).await;
    let (alerts, metrics) = started(&receiver, None);
    // No task runs meanwhile.
    for _ in 0..QUEUE_LEN + 5 {
        alerts.tell(change(1, Status::Down));
    }
    let shown = receiver.outcome(&metrics, 5).await;
    assert!(shown.starts_with("5 lost\n"), "{shown}");
}
