//! Scripts about the stream: segments, pipelining, limits (RFC 7766, 7828, 9210).

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::bench::{Bench, CONNECTIONS_PER_CLIENT};
use super::steps::{Done, Step, ask};
use crate::harness::exchange::{
    Outcome, Plain, REPLY_LIMIT, Transport, is_timeout, read_frame, tcp_stream,
};
use crate::harness::query::{Query, framed, length_word};
use crate::harness::reply::Reply;

/// `read_s` and `idle_s` of the servers are 1 and 2 s; a slow machine may add this much.
const SLACK: Duration = Duration::from_secs(3);

/// The script called `name`, if it is here.
pub(crate) fn find(name: &str) -> Option<Step> {
    let step: Step = match name {
        "pipeline-100" => |b, q, _| pipeline(b, q, 100),
        "pipeline-large" => |b, q, _| pipeline(b, q, 20),
        "two-in-sequence" => |b, q, _| in_sequence(b, q, 2),
        "a-thousand-queries" => |b, q, _| in_sequence(b, q, 1000),
        "octet-by-octet" => |b, q, _| {
            let octets = framed(&q.encode());
            let segments: Vec<&[u8]> = octets.chunks(1).collect();
            in_segments(b, q, &segments)
        },
        "length-apart" => |b, q, _| {
            let octets = q.encode();
            in_segments(b, q, &[&length_word(octets.len()), &octets])
        },
        "half-message" => |b, q, _| unfinished(b, q, &[0, 40, 0x12, 0x34, 0]),
        "half-length" => |b, q, _| unfinished(b, q, &[0]),
        "length-65535" => |b, q, _| unfinished(b, q, &[0xff, 0xff, 0x12, 0x34]),
        "length-zero" => length_zero,
        "idle" => |b, q, _| idle(b, q),
        "connection-limit" => |b, q, _| connection_limit(b, q),
        "query-cap" => query_cap,
        "half-close" => half_close,
        "reset" => reset,
        "never-reads" => never_reads,
        "keepalive-value" => keepalive_value,
        "response-in-stream" => response_in_stream,
        _ => return None,
    };
    Some(step)
}

fn connect(bench: &Bench) -> Result<TcpStream, String> {
    tcp_stream(bench.main()).map_err(|error| format!("connect: {error}"))
}

fn text(error: io::Error) -> String {
    format!("TCP: {error}")
}

fn next(stream: &mut TcpStream) -> Result<Vec<u8>, String> {
    read_frame(stream)
        .map_err(text)?
        .ok_or_else(|| "closed instead of answered".into())
}

/// `count` queries with IDs of their own in one write: every ID comes back once.
fn pipeline(bench: &Bench, query: &Query, count: u16) -> Done {
    let mut stream = connect(bench)?;
    let numbered = |id| {
        Query {
            id,
            ..query.clone()
        }
        .encode()
    };
    let burst: Vec<u8> = (0..count).flat_map(|id| framed(&numbered(id))).collect();
    stream.write_all(&burst).map_err(text)?;
    let mut waiting: BTreeSet<u16> = (0..count).collect();
    let mut last = (Vec::new(), Outcome::Silent);
    while !waiting.is_empty() {
        let octets = next(&mut stream).map_err(|why| format!("{why}; missing {waiting:?}"))?;
        let id = Reply::decode(&octets)?.id;
        if !waiting.remove(&id) {
            return Err(format!("a second reply with ID {id}"));
        }
        last = (numbered(id), Outcome::Reply(octets));
    }
    Ok(last)
}

/// Asks `count` times on one connection, waiting for each answer.
fn in_sequence(bench: &Bench, query: &Query, count: u16) -> Done {
    let mut stream = connect(bench)?;
    let octets = query.encode();
    let mut reply = Vec::new();
    for number in 1..=count {
        stream.write_all(&framed(&octets)).map_err(text)?;
        reply = next(&mut stream).map_err(|why| format!("query {number}: {why}"))?;
    }
    Ok((octets, Outcome::Reply(reply)))
}

/// Sends a message in segments 5 ms apart: well within the read limit.
fn in_segments(bench: &Bench, query: &Query, segments: &[&[u8]]) -> Done {
    let mut stream = connect(bench)?;
    for segment in segments {
        stream.write_all(segment).map_err(text)?;
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok((query.encode(), Outcome::Reply(next(&mut stream)?)))
}

/// Sends a beginning and waits for the server to give up: not at once, and not much after 1 s.
fn unfinished(bench: &Bench, query: &Query, beginning: &[u8]) -> Done {
    let mut stream = connect(bench)?;
    let start = Instant::now();
    stream.write_all(beginning).map_err(text)?;
    let outcome = wait_close(&mut stream)?;
    let waited = start.elapsed();
    if !(Duration::from_millis(500)..Duration::from_secs(1) + SLACK).contains(&waited) {
        return Err(format!("closed after {waited:?}, the read limit is 1 s"));
    }
    Ok((query.encode(), outcome))
}

/// Reads until the server closes; anything else is an error.
fn wait_close(stream: &mut TcpStream) -> Result<Outcome, String> {
    stream
        .set_read_timeout(Some(REPLY_LIMIT * 2))
        .map_err(text)?;
    match stream.read(&mut [0; 16]) {
        Ok(0) => Ok(Outcome::Closed),
        Ok(octets) => Err(format!("{octets} octets instead of a close")),
        Err(error) if is_timeout(&error) => Ok(Outcome::Silent),
        Err(_) => Ok(Outcome::Closed),
    }
}

fn length_zero(bench: &Bench, query: &Query, _: Transport) -> Done {
    let mut stream = connect(bench)?;
    let octets = query.encode();
    stream
        .write_all(&[&[0, 0][..], &framed(&octets)].concat())
        .map_err(text)?;
    match read_frame(&mut stream) {
        Ok(Some(reply)) => Reply::decode(&reply).map(|_| (octets, Outcome::Silent)),
        Ok(None) => Ok((octets, Outcome::Closed)),
        Err(error) if is_timeout(&error) => Err("neither answered nor closed".into()),
        Err(_) => Ok((octets, Outcome::Closed)),
    }
}

/// One answer, then nothing: closed at the idle limit of 2 s.
fn idle(bench: &Bench, query: &Query) -> Done {
    let mut stream = connect(bench)?;
    stream.write_all(&framed(&query.encode())).map_err(text)?;
    next(&mut stream)?;
    let start = Instant::now();
    let outcome = wait_close(&mut stream)?;
    let waited = start.elapsed();
    if !(Duration::from_secs(1)..Duration::from_secs(2) + SLACK).contains(&waited) {
        return Err(format!("closed after {waited:?}, the idle limit is 2 s"));
    }
    Ok((query.encode(), outcome))
}

/// Twice the limit of connections: some are closed at once, at least the limit's number work.
fn connection_limit(bench: &Bench, query: &Query) -> Done {
    let octets = framed(&query.encode());
    let mut streams = Vec::new();
    for _ in 0..2 * CONNECTIONS_PER_CLIENT + 2 {
        streams.push(connect(bench)?);
    }
    let mut answered = 0;
    for stream in &mut streams {
        // A closed connection may refuse the write or end the read.
        let asked = stream.write_all(&octets).and_then(|()| read_frame(stream));
        answered += usize::from(matches!(asked, Ok(Some(_))));
    }
    if answered < CONNECTIONS_PER_CLIENT / 2 {
        return Err(format!(
            "only {answered} connections work of {}",
            streams.len()
        ));
    }
    let closed = answered < streams.len();
    Ok((
        query.encode(),
        if closed {
            Outcome::Closed
        } else {
            Outcome::Silent
        },
    ))
}

/// Sixty queries at once where fifty are allowed.
fn query_cap(bench: &Bench, query: &Query, _: Transport) -> Done {
    let mut stream = tcp_stream(bench.server("identity").address).map_err(text)?;
    let octets = query.encode();
    stream
        .write_all(&framed(&octets).repeat(60))
        .map_err(text)?;
    for number in 1..=50 {
        let reply = next(&mut stream).map_err(|why| format!("reply {number} of 50: {why}"))?;
        Reply::decode(&reply)?;
    }
    Ok((octets, wait_close(&mut stream)?))
}

fn half_close(bench: &Bench, query: &Query, _: Transport) -> Done {
    let mut stream = connect(bench)?;
    stream.write_all(&framed(&query.encode())).map_err(text)?;
    stream.shutdown(Shutdown::Write).map_err(text)?;
    Ok((query.encode(), Outcome::Reply(next(&mut stream)?)))
}

/// Closing with answers unread makes the kernel send a reset.
fn reset(bench: &Bench, query: &Query, _: Transport) -> Done {
    let octets = framed(&query.encode());
    for _ in 0..20 {
        let mut stream = connect(bench)?;
        stream.write_all(&octets.repeat(10)).map_err(text)?;
        next(&mut stream)?;
        drop(stream);
    }
    Ok((query.encode(), Outcome::Silent))
}

/// Megabytes of answers that nobody reads: UDP and other connections do not notice.
fn never_reads(bench: &Bench, query: &Query, _: Transport) -> Done {
    let mut lazy = connect(bench)?;
    lazy.set_write_timeout(Some(Duration::from_millis(500)))
        .map_err(text)?;
    // The server stops reading when its answers are stuck: the write may end half-way.
    let _ = lazy.write_all(&framed(&query.encode()).repeat(300));
    let plain = Plain {
        name: "one.t.test.".into(),
        address: Some("192.0.2.10".into()),
    };
    for _ in 0..50 {
        let start = Instant::now();
        plain.ask(bench.main())?;
        if start.elapsed() > Duration::from_secs(1) {
            return Err(format!("a UDP answer took {:?}", start.elapsed()));
        }
    }
    ask(bench, Transport::Tcp, &Query::new("one.t.test.", "A"))?;
    Ok((query.encode(), Outcome::Silent))
}

/// The TIMEOUT of the option is the idle limit in units of 100 ms (RFC 7828 section 3.1).
fn keepalive_value(bench: &Bench, query: &Query, transport: Transport) -> Done {
    let query = query.clone().with_option(11, &[]);
    let reply = ask(bench, transport, &query)?;
    let value = reply.option(11).map(<[u8]>::to_vec);
    if value != Some(vec![0, 20]) {
        return Err(format!("keep-alive option {value:?}, not 20 units"));
    }
    super::steps::send(bench, transport, query.encode())
}

/// A response, then a query: either only the query is answered or the connection is closed.
fn response_in_stream(bench: &Bench, query: &Query, _: Transport) -> Done {
    let mut stream = connect(bench)?;
    let response = Query {
        id: 1,
        flags: 0x8000,
        ..query.clone()
    };
    let both = [framed(&response.encode()), framed(&query.encode())].concat();
    stream.write_all(&both).map_err(text)?;
    let outcome = match read_frame(&mut stream) {
        Ok(Some(octets)) => Outcome::Reply(octets),
        Err(error) if is_timeout(&error) => Outcome::Silent,
        Ok(None) | Err(_) => Outcome::Closed,
    };
    Ok((query.encode(), outcome))
}
