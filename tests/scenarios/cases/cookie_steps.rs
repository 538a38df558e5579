//! Scripts about cookies, with server cookies made here (RFC 9018 section 4.4): version 1, three
//! zero octets, a time, and SipHash-2-4 of client cookie, these and the client's address.

use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{SystemTime, UNIX_EPOCH};

use siphasher::sip::SipHasher24;

use super::bench::{Bench, FORMER_SECRET, SECRET};
use super::steps::{Done, Step, ask, send};
use crate::harness::exchange::{Transport, ask_udp, ask_udp_from};
use crate::harness::query::Query;
use crate::harness::reply::Reply;

const COOKIE: u16 = 10;
const CLIENT_COOKIE: [u8; 8] = *b"\x24\x64\xc4\xab\xcf\x10\xc9\x57";
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The script called `name`, if it is here.
pub(crate) fn find(name: &str) -> Option<Step> {
    let step: Step = match name {
        "cookie-is-interoperable" => interoperable,
        "cookie-of-16" => |b, q, t| send(b, t, with_cookie(q, &[7; 8])),
        "cookie-of-40" => |b, q, t| send(b, t, with_cookie(q, &[7; 32])),
        "cookie-of-41" => |b, q, t| send(b, t, with_cookie(q, &[7; 33])),
        "cookie-valid" => |b, q, t| accepted(b, q, t, &made(&SECRET, 0)),
        "cookie-former-secret" => |b, q, t| replaced(b, q, t, &made(&FORMER_SECRET, 0)),
        "cookie-31-minutes-old" => |b, q, t| replaced(b, q, t, &made(&SECRET, -31 * 60)),
        "cookie-4-minutes-ahead" => |b, q, t| accepted(b, q, t, &made(&SECRET, 4 * 60)),
        "cookie-bad-hash" => |b, q, t| {
            let mut cookie = made(&SECRET, 0);
            cookie[15] ^= 1;
            replaced(b, q, t, &cookie)
        },
        "cookie-other-secret" => |b, q, t| replaced(b, q, t, &made(&[9; 16], 0)),
        "cookie-61-minutes-old" => |b, q, t| replaced(b, q, t, &made(&SECRET, -61 * 60)),
        "cookie-10-minutes-ahead" => |b, q, t| replaced(b, q, t, &made(&SECRET, 10 * 60)),
        "cookie-version-2" => |b, q, t| {
            let head = [2, 0, 0, 0];
            replaced(
                b,
                q,
                t,
                &server_cookie(&SECRET, &CLIENT_COOKIE, head, now_s(), LOCALHOST),
            )
        },
        "cookie-of-other-address" => other_address,
        "cookie-twice" => twice,
        "cookie-on-every-shard" => every_shard,
        _ => return None,
    };
    Some(step)
}

fn with_cookie(query: &Query, server_cookie: &[u8]) -> Vec<u8> {
    let value = [&CLIENT_COOKIE, server_cookie].concat();
    query.clone().with_option(COOKIE, &value).encode()
}

fn now_s() -> u32 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    u32::try_from(now.as_secs()).expect("a clock before 2106")
}

/// A server cookie for 127.0.0.1 with its time moved by `seconds`.
fn made(secret: &[u8; 16], seconds: i32) -> [u8; 16] {
    let time = now_s().wrapping_add_signed(seconds);
    server_cookie(secret, &CLIENT_COOKIE, [1, 0, 0, 0], time, LOCALHOST)
}

fn server_cookie(
    secret: &[u8; 16],
    client_cookie: &[u8; 8],
    head: [u8; 4],
    time_s: u32,
    client: IpAddr,
) -> [u8; 16] {
    let mut hasher = SipHasher24::new_with_key(secret);
    let plain = [head, time_s.to_be_bytes()].concat();
    hasher.write(client_cookie);
    hasher.write(&plain);
    match client {
        IpAddr::V4(address) => hasher.write(&address.octets()),
        IpAddr::V6(address) => hasher.write(&address.octets()),
    }
    let cookie = [plain, hasher.finish().to_le_bytes().to_vec()].concat();
    cookie.try_into().expect("16 octets")
}

/// The server cookie of a reply; it must come behind the client's own and be of version 1.
fn cookie_of(reply: &Reply) -> Result<[u8; 16], String> {
    let value = reply.option(COOKIE).ok_or("no cookie in the reply")?;
    let (client, server) = value.split_at_checked(8).ok_or("a cookie under 8 octets")?;
    if client != CLIENT_COOKIE {
        return Err(format!("the client cookie comes back as {client:02x?}"));
    }
    let server: [u8; 16] = server
        .try_into()
        .map_err(|_| format!("cookie {server:02x?}"))?;
    let time = u32::from_be_bytes([server[4], server[5], server[6], server[7]]);
    let expected = server_cookie(&SECRET, &CLIENT_COOKIE, [1, 0, 0, 0], time, LOCALHOST);
    if server != expected {
        return Err(format!(
            "server cookie {server:02x?}, by RFC 9018 it is {expected:02x?}"
        ));
    }
    Ok(server)
}

fn time_of(cookie: &[u8; 16]) -> u32 {
    u32::from_be_bytes([cookie[4], cookie[5], cookie[6], cookie[7]])
}

fn interoperable(bench: &Bench, query: &Query, transport: Transport) -> Done {
    let query = query.clone().with_option(COOKIE, &CLIENT_COOKIE);
    let cookie = cookie_of(&ask(bench, transport, &query)?)?;
    if now_s().abs_diff(time_of(&cookie)) > 5 {
        return Err(format!(
            "a fresh cookie says {}, now is {}",
            time_of(&cookie),
            now_s()
        ));
    }
    accepted(bench, &query, transport, &cookie)
}

/// The cookie is good: the reply carries one that verifies.
fn accepted(bench: &Bench, query: &Query, transport: Transport, cookie: &[u8; 16]) -> Done {
    let query = Query {
        edns: None,
        ..query.clone()
    };
    let octets = with_cookie(&query, cookie);
    let (octets, outcome) = send(bench, transport, octets)?;
    cookie_of(&decode(&outcome)?)?;
    Ok((octets, outcome))
}

/// The cookie is old or not good: the reply carries one made now.
fn replaced(bench: &Bench, query: &Query, transport: Transport, cookie: &[u8; 16]) -> Done {
    let (octets, outcome) = send(bench, transport, with_cookie(query, cookie))?;
    let fresh = cookie_of(&decode(&outcome)?)?;
    if now_s().abs_diff(time_of(&fresh)) > 5 {
        return Err(format!(
            "the cookie is not renewed: time {}",
            time_of(&fresh)
        ));
    }
    Ok((octets, outcome))
}

fn decode(outcome: &crate::harness::exchange::Outcome) -> Result<Reply, String> {
    match outcome {
        crate::harness::exchange::Outcome::Reply(octets) => Reply::decode(octets),
        other => Err(format!("{other:?} instead of a reply")),
    }
}

/// A cookie made for 127.0.0.2 but used from 127.0.0.1; and 127.0.0.2 gets another one.
fn other_address(bench: &Bench, query: &Query, transport: Transport) -> Done {
    let other = Ipv4Addr::new(127, 0, 0, 2);
    let foreign = server_cookie(
        &SECRET,
        &CLIENT_COOKIE,
        [1, 0, 0, 0],
        now_s() - 60,
        IpAddr::V4(other),
    );
    let octets = with_cookie(query, &foreign);
    let reply = ask_udp_from(bench.main(), other, &octets).map_err(|error| error.to_string())?;
    let reply = Reply::decode(&reply)?;
    let value = reply.option(COOKIE).ok_or("no cookie for 127.0.0.2")?;
    let Some(server) = value
        .get(8..)
        .and_then(|rest| <[u8; 16]>::try_from(rest).ok())
    else {
        return Err(format!("cookie {value:02x?}"));
    };
    let head = [1, 0, 0, 0];
    let time = time_of(&server);
    if server != server_cookie(&SECRET, &CLIENT_COOKIE, head, time, IpAddr::V4(other)) {
        return Err("the cookie does not depend on the client's address".into());
    }
    replaced(bench, query, transport, &foreign)
}

/// A good cookie first, a malformed one second.
fn twice(bench: &Bench, query: &Query, transport: Transport) -> Done {
    let first = [&CLIENT_COOKIE[..], &made(&SECRET, 0)].concat();
    let query = query
        .clone()
        .with_option(COOKIE, &first)
        .with_option(COOKIE, &[1; 24]);
    let (octets, outcome) = send(bench, transport, query.encode())?;
    cookie_of(&decode(&outcome)?)?;
    Ok((octets, outcome))
}

/// One cookie from many source ports, so that every shard sees it, and at the other server.
fn every_shard(bench: &Bench, query: &Query, transport: Transport) -> Done {
    let octets = with_cookie(query, &made(&SECRET, -60));
    for target in [bench.main(), bench.server("identity").address] {
        for _ in 0..16 {
            let reply = ask_udp(target, &octets).map_err(|error| error.to_string())?;
            let reply = Reply::decode(&reply)?;
            if reply.rcode() != 0 {
                return Err(format!("a good cookie is not good everywhere: {reply}"));
            }
            cookie_of(&reply)?;
        }
    }
    send(bench, transport, octets)
}

/// The published vectors (RFC 9018 appendix A), so that the scripts are right themselves.
#[test]
fn server_cookies_are_those_of_rfc_9018() {
    let hex = |text: &str| super::rows::hex(text).expect("hexadecimal digits");
    let check = |secret: &str, client: &str, address: &str, time: u32, expected: &str| {
        let secret = hex(secret).try_into().expect("16 octets");
        let client = hex(client).try_into().expect("8 octets");
        let address = address.parse().expect("an address");
        let head = hex(&expected[..8]).try_into().expect("4 octets");
        assert_eq!(
            server_cookie(&secret, &client, head, time, address).to_vec(),
            hex(expected)
        );
    };
    let first = "e5e973e5a6b2a43f48e7dc849e37bfcf";
    check(
        first,
        "2464c4abcf10c957",
        "198.51.100.100",
        1_559_731_985,
        "010000005cf79f111f8130c3eee29480",
    );
    check(
        first,
        "2464c4abcf10c957",
        "198.51.100.100",
        1_559_734_385,
        "010000005cf7a871d4a564a1442aca77",
    );
    check(
        first,
        "fc93fc62807ddb86",
        "203.0.113.203",
        1_559_727_985,
        "01abcdef5cf78f71a314227b6679ebf5",
    );
    check(
        "445536bcd2513298075a5d379663c962",
        "22681ab97d52c298",
        "2001:db8:220:1:59de:d0f4:8769:82b8",
        1_559_741_961,
        "010000005cf7c609a6bb79d16625507a",
    );
}
