//! The names of the set in the form that each server reads.
//!
//! A zone file for Knot, NSD and BIND; `local-data` for Unbound; a hosts file and lines of the
//! configuration for dnsmasq; keys and values of etcd for ContainerDNS. Pure: text from names.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::set::{Name, SRV_PORT, TTL_S, ZONE};

const SOA: &str = "ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5";

/// RFC 1035 master file.
pub(crate) fn zone_file(names: &[Name]) -> String {
    let mut text = format!(
        "{ZONE}. {TTL_S} IN SOA {SOA}\n{ZONE}. {TTL_S} IN NS ns.dns.{ZONE}.\n\
         ns.dns.{ZONE}. {TTL_S} IN A 127.0.0.1\n"
    );
    for record in names.iter().flat_map(records) {
        let _ = writeln!(text, "{record}");
    }
    text
}

/// Statements for the `server:` clause of Unbound.
pub(crate) fn unbound_local_data(names: &[Name]) -> String {
    let mut text =
        format!("local-zone: \"{ZONE}.\" static\nlocal-data: '{ZONE}. {TTL_S} IN SOA {SOA}'\n");
    for record in names.iter().flat_map(records) {
        let _ = writeln!(text, "local-data: '{record}'");
    }
    text
}

/// Each record in presentation format.
fn records(name: &Name) -> Vec<String> {
    let owner = &name.owner;
    let address = |address| format!("{owner}. {TTL_S} IN A {address}");
    let mut records: Vec<String> = name.addresses.iter().map(address).collect();
    if let Some(text) = &name.text {
        records.push(format!("{owner}. {TTL_S} IN TXT \"{text}\""));
    }
    if name.service {
        let service = name.service_owner();
        records.push(format!(
            "{service}. {TTL_S} IN SRV 10 100 {SRV_PORT} {owner}."
        ));
    }
    records
}

/// The addresses for dnsmasq, a line each.
pub(crate) fn hosts_file(names: &[Name]) -> String {
    let mut text = String::new();
    for name in names {
        for address in &name.addresses {
            let _ = writeln!(text, "{address} {}", name.owner);
        }
    }
    text
}

/// What a hosts file has no place for: lines of dnsmasq's configuration.
pub(crate) fn dnsmasq_lines(names: &[Name]) -> String {
    let mut lines = String::new();
    for name in names {
        if let Some(text) = &name.text {
            let _ = writeln!(lines, "txt-record={},\"{text}\"", name.owner);
        }
        if name.service {
            let service = name.service_owner();
            let _ = writeln!(lines, "srv-host={service},{},{SRV_PORT},10,100", name.owner);
        }
    }
    lines
}

/// Keys below `prefix` and their values, in the `containerdns` format: one for each record.
pub(crate) fn store_keys(prefix: &str, name: &Name) -> Vec<(String, String)> {
    let addresses = name.addresses.iter().enumerate();
    let mut keys: Vec<_> = addresses
        .map(|(number, &address)| address_key(prefix, name, number, address))
        .collect();
    if let Some(text) = &name.text {
        // TXT records are kept under a label of their own, before the zone.
        let relative = name.owner.strip_suffix(ZONE).unwrap_or(&name.owner);
        let key = format!("{prefix}{}", reversed(&format!("{relative}txt.{ZONE}")));
        let value = format!("{{\"type\":\"TXT\",\"text\":\"{text}\",\"ttl\":{TTL_S}}}");
        keys.push((key, value));
    }
    if name.service {
        let key = format!("{prefix}{}1/", reversed(&name.service_owner()));
        let value = format!(
            "{{\"type\":\"SRV\",\"host\":\"{}.\",\"port\":{SRV_PORT},\"priority\":10,\
             \"weight\":100,\"ttl\":{TTL_S}}}",
            name.owner
        );
        keys.push((key, value));
    }
    keys
}

/// Key and value of one address of a name.
pub(crate) fn address_key(
    prefix: &str,
    name: &Name,
    number: usize,
    address: Ipv4Addr,
) -> (String, String) {
    let key = format!("{prefix}{}{number:x}/", reversed(&name.owner));
    let value = format!("{{\"type\":\"A\",\"host\":\"{address}\",\"ttl\":{TTL_S}}}");
    (key, value)
}

/// `b.a.` as `a/b/`.
fn reversed(name: &str) -> String {
    let mut path = String::with_capacity(name.len() + 1);
    for label in name.rsplit('.') {
        path.push_str(label);
        path.push('/');
    }
    path
}
