//! Debian's dig: the client that people use.

use std::net::SocketAddr;
use std::process::Command;

/// Runs `dig +norecurse` against `server` and gives all it printed.
pub(crate) fn dig(server: SocketAddr, arguments: &[&str]) -> String {
    let output = Command::new("dig")
        .arg(format!("@{}", server.ip()))
        .args([
            "-p",
            &server.port().to_string(),
            "+norecurse",
            "+tries=1",
            "+time=5",
        ])
        .args(arguments)
        .output()
        .expect("dig is missing: apt-get install bind9-dnsutils");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The answers only, as `dig +short` prints them, in alphabetical order.
pub(crate) fn dig_short(server: SocketAddr, name: &str, kind: &str) -> Vec<String> {
    let text = dig(server, &["+short", name, kind]);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}
