//! Figures of large clusters: what a changed endpoint costs, how long a first publish takes, how
//! much memory it needs. It prints, and nothing depends on how fast it is.
//!
//! `cargo build --release --workspace && cargo bench --bench large_clusters`: the programs of the
//! scenarios, over the stand-in for an API server and a real etcd. Everything shares the machine,
//! the load generator too: it says itself when it was late.

#[expect(dead_code, reason = "the scenarios use the rest of it")]
#[path = "../../tests/harness/mod.rs"]
mod harness;
#[expect(dead_code, unused_imports, reason = "the scenarios use the rest of it")]
mod kubernetes;

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use harness::exchange::{receive, udp_socket};
use harness::fixture::{numbered_address, numbered_name};
use harness::poll;
use harness::query::Query;
use harness::reply::Reply;
use harness::server::{PROGRAM, Server, Settings};
use kubernetes::cluster::Cluster;
use kubernetes::objects::{namespace, service, slice};
use kubernetes::programs::{ControlPlane, Programs};
use kubernetes::stand_in::StandIn;
use kubernetes::unchanged::{NAMES, start};

const HTTP: &[&str] = &["http/TCP/80"];
const FLIPS: usize = 1000;
const SLICES: usize = 50;
const ENDPOINTS: usize = 100;

fn main() {
    measure_ten_thousand_services_and_a_hundred_thousand_endpoints();
    measure_flips_of_one_endpoint_of_five_thousand();
}

fn measure_flips_of_one_endpoint_of_five_thousand() {
    let (cluster, programs) = start("writes_per_s_max = 10000");
    cluster.apply(&service("prod/big", &["None"], HTTP));
    (0..SLICES).for_each(|number| cluster.apply(&big_slice(number, true)));
    programs.settle(&cluster, 2);
    let quiet = load(&programs, 20).wait_with_output().expect("loadtest");
    let sockets: Vec<UdpSocket> = (0..16)
        .map(|_| udp_socket(programs.server.dns, Ipv4Addr::LOCALHOST).expect("a socket"))
        .collect();
    let before = |name| programs.plane.count(name, "");
    let (bytes, writes) = (before("written_bytes_total"), before("writes_total"));
    let flipping = load(&programs, 20);
    let mut took: Vec<Duration> = (0..FLIPS)
        .map(|number| flip(&cluster, &sockets, number % 2 == 1))
        .collect();
    let flipping = flipping.wait_with_output().expect("loadtest");
    took.sort_unstable();
    let writes = before("writes_total") - writes;
    let bytes = (before("written_bytes_total") - bytes) / writes;
    say(&format!(
        "{FLIPS} flips: {writes} writes of {bytes:.0} octets; to every core in p50 {:?}, p99 {:?}, \
         max {:?}\nqueries without flips:\n{}\nqueries with flips:\n{}",
        took[FLIPS / 2],
        took[FLIPS * 99 / 100],
        took[FLIPS - 1],
        String::from_utf8_lossy(&quiet.stdout),
        String::from_utf8_lossy(&flipping.stdout),
    ));
}

/// Changes whether an endpoint is ready; how long until 16 sockets, so every core, see it.
fn flip(cluster: &Cluster, sockets: &[UdpSocket], ready: bool) -> Duration {
    let name = format!("{}.big.prod.svc.cluster.local.", dashed(0, 0));
    let octets = Query::new(&name, "A").encode();
    let changed = big_slice(0, ready);
    let began = Instant::now();
    cluster.apply(&changed);
    for socket in sockets {
        loop {
            socket.send(&octets).expect("send");
            let reply = Reply::decode(&receive(socket).expect("a reply")).expect("a reply");
            if (reply.rcode() == 0) == ready {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "not seen");
            // The cores are needed for what is measured.
            std::thread::sleep(Duration::from_micros(500));
        }
    }
    began.elapsed()
}

fn big_slice(number: usize, first_ready: bool) -> Value {
    let endpoints: Vec<String> = (0..ENDPOINTS)
        .map(|endpoint| match endpoint == 0 && !first_ready {
            true => format!("10.30.{number}.{endpoint} notready"),
            false => format!("10.30.{number}.{endpoint}"),
        })
        .collect();
    let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
    slice("prod/big", &number.to_string(), HTTP, &endpoints)
}

fn dashed(slice: usize, endpoint: usize) -> String {
    format!("10-30-{slice}-{endpoint}")
}

/// The load generator at a steady rate over names that do not change.
fn load(programs: &Programs, duration_s: u32) -> Child {
    let file = std::env::temp_dir().join(format!("names-{}", std::process::id()));
    let mut names = String::new();
    for number in 0..NAMES {
        writeln!(names, "{}", numbered_name(number)).expect("write to a string");
    }
    fs::write(&file, names).expect("write the names");
    Command::new(Path::new(PROGRAM).with_file_name("containerdns-loadtest"))
        .args(["--server", &programs.server.dns.to_string(), "--names"])
        .arg(&file)
        .args(["--rate", "5000", "--spin-us", "0", "--duration"])
        .arg(duration_s.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start the load generator")
}

fn measure_ten_thousand_services_and_a_hundred_thousand_endpoints() {
    let cluster = Cluster::StandIn(StandIn::start());
    cluster.apply(&namespace("prod"));
    for number in 0..9000 {
        let object = service(
            &format!("prod/s{number}"),
            &[&numbered_address(number)],
            HTTP,
        );
        cluster.apply(&object);
    }
    for number in 0..1000 {
        let name = format!("prod/h{number}");
        cluster.apply(&service(&name, &["None"], HTTP));
        let endpoints =
            (0..100).map(|endpoint| numbered_address(100_000 + number * 100 + endpoint));
        let endpoints: Vec<String> = endpoints.collect();
        let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
        cluster.apply(&slice(&name, "a", HTTP, &endpoints));
    }
    let etcd = harness::etcd::Etcd::start();
    let began = Instant::now();
    let plane = ControlPlane::start(&cluster, etcd.client(), "writes_per_s_max = 100000");
    let written = poll(Duration::from_secs(300), || {
        // Nine thousand addresses, a thousand slices, the namespace and the version.
        (plane.count("writes_total", "committed") >= 10_002.0).then_some(())
    });
    let took = began.elapsed();
    assert!(written.is_some(), "{}", plane.log());
    let bytes = plane.count("written_bytes_total", "");
    let mut settings = Settings::new(etcd.client());
    settings.zones = vec!["cluster.local".into()];
    settings.reverse = vec!["10.0.0.0/8".into()];
    let began = Instant::now();
    let server = Server::start(&settings);
    say(&format!(
        "first publish {took:?}, {bytes} octets; control plane {} MB; DNS server \
         ready after {:?}, {} MB with two cores, {} names",
        plane.process.resident_kib() / 1024,
        began.elapsed(),
        server.process.resident_kib() / 1024,
        server.metrics().sum("containerdns_names"),
    ));
}

#[expect(clippy::print_stdout, reason = "figures are what this is for")]
fn say(figures: &str) {
    println!("{figures}");
}
