//! The fields of a body: each read into what it stands for, or an error that names it.

use std::borrow::Cow;
use std::net::IpAddr;

use super::{Body, NewRecord, RequestError, Selector};
use crate::format::json::{List, Scalar, quoted};
use crate::name::Name;
use crate::rdata::Rdata;
use crate::record::RecordType;

/// The octets of a user's name at most.
const USER_LEN_MAX: usize = 64;
/// The preference of an MX record that gives none.
const MAIL_PRIORITY_DEFAULT: u16 = 10;

/// The type of records that a zone holds, in any case.
pub(super) fn rtype(text: &str) -> Result<RecordType, RequestError> {
    let rtype: RecordType = text
        .parse()
        .map_err(|error| RequestError::new("type", error))?;
    if rtype.is_data() {
        return Ok(rtype);
    }
    let problem = format_args!("{rtype} is a type of queries, no record has it");
    Err(RequestError::new("type", problem))
}

/// Who asks: printable, not empty.
pub(super) fn user(user: Scalar<'_>) -> Result<Option<String>, RequestError> {
    let Some(user) = user.filled_text("user")? else {
        return Ok(None);
    };
    check_user(&user).map_err(|problem| RequestError::new("user", problem))?;
    Ok(Some(user.into_owned()))
}

/// Checks a user's name.
///
/// # Errors
/// A sentence that says what is wrong and what would be right.
pub fn check_user(user: &str) -> Result<(), String> {
    let printable = !user.is_empty() && user.chars().all(|c| !c.is_control());
    if printable && user.len() <= USER_LEN_MAX {
        return Ok(());
    }
    Err(format!(
        "{} is no user: write 1 to {USER_LEN_MAX} printable characters",
        quoted(user)
    ))
}

/// Refuses fields that are there and empty: in a DELETE they would mean everything.
pub(super) fn check_filled(body: &Body<'_>) -> Result<(), RequestError> {
    let lists = [
        ("ips", &body.ips),
        ("ports", &body.ports),
        ("records", &body.records),
    ];
    let empty_list = |(_, list): &&(&str, &Option<List<'_>>)| {
        list.as_ref().is_some_and(|list| list.0.is_empty())
    };
    let texts = [
        ("type", &body.rtype),
        ("alias", &body.alias),
        ("mailHost", &body.mail_host),
        ("nsHost", &body.ns_host),
        ("host", &body.host),
    ];
    let empty_text =
        |(_, text): &&(&str, &Scalar<'_>)| matches!(text, Scalar::Text(text) if text.is_empty());
    let list = lists.iter().find(empty_list).map(|(field, _)| *field);
    match list.or_else(|| texts.iter().find(empty_text).map(|(field, _)| *field)) {
        None => Ok(()),
        Some(field) => Err(RequestError::new(field, "empty: fill it, or leave it out")),
    }
}

fn list(list: Option<List<'_>>) -> Vec<Scalar<'_>> {
    list.map(|list| list.0).unwrap_or_default()
}

/// Whether no field says which records are meant.
pub(super) fn is_empty(body: &Body<'_>) -> bool {
    given(body).is_empty() && body.update.is_none()
}

/// The fields with records that are there.
fn given(body: &Body<'_>) -> Vec<&'static str> {
    let Body {
        ips,
        ports,
        alias,
        text,
        mail_host,
        mail_priority,
        ns_host,
        host,
        records,
        ..
    } = body;
    let lists = [("ips", ips), ("ports", ports), ("records", records)];
    let scalars = [
        ("alias", alias),
        ("text", text),
        ("mailHost", mail_host),
        ("mailPriority", mail_priority),
        ("nsHost", ns_host),
        ("host", host),
    ];
    let lists = lists.into_iter().filter(|(_, list)| list.is_some());
    let scalars = scalars
        .into_iter()
        .filter(|(_, scalar)| **scalar != Scalar::Absent);
    lists
        .map(|(name, _)| name)
        .chain(scalars.map(|(name, _)| name))
        .collect()
}

/// Refuses a field with records beside another that says it already.
pub(super) fn no_records(body: &Body<'_>, why: &str) -> Result<(), RequestError> {
    match given(body).first() {
        None => Ok(()),
        Some(field) => Err(RequestError::new(*field, format_args!("too much: {why}"))),
    }
}

/// The records that a body gives, at least one.
pub(super) fn records(rtype: RecordType, body: Body<'_>) -> Result<Vec<NewRecord>, RequestError> {
    check_fields(rtype, &body)?;
    let rdata = |rdata| vec![NewRecord::Rdata(rdata)];
    if body.records.is_some() {
        let records = listed(rtype, list(body.records))?;
        return Ok(records.into_iter().map(NewRecord::Rdata).collect());
    }
    let missing = |field: &str| RequestError::new(field, format_args!("missing for type {rtype}"));
    Ok(match rtype {
        RecordType::A | RecordType::AAAA => {
            let addresses = addresses(list(body.ips))?;
            if addresses.is_empty() {
                return Err(missing("ips"));
            }
            let rdata = address_rdata(rtype, addresses)?;
            rdata.into_iter().map(NewRecord::Rdata).collect()
        }
        RecordType::SRV => {
            let addresses = addresses(list(body.ips))?;
            if addresses.is_empty() {
                return Err(missing("ips"));
            }
            let ports = ports(list(body.ports))?;
            if ports.len() != addresses.len() {
                let (ips, ports) = (addresses.len(), ports.len());
                let problem = format_args!("{ports} for {ips} ips: write one port an address");
                return Err(RequestError::new("ports", problem));
            }
            let backends = addresses.into_iter().zip(ports);
            backends
                .map(|(address, port)| NewRecord::Backend { address, port })
                .collect()
        }
        _ => match single(rtype, body)? {
            Some(record) => rdata(record),
            None => return Err(missing(field_of(rtype))),
        },
    })
}

/// The records that a DELETE means; none: all of the type.
pub(super) fn selectors(rtype: RecordType, body: Body<'_>) -> Result<Vec<Selector>, RequestError> {
    if rtype == RecordType::SRV && body.records.is_none() {
        check_fields(rtype, &body)?;
        let ports = ports(list(body.ports))?;
        let addresses = addresses(list(body.ips))?;
        if !ports.is_empty() && ports.len() != addresses.len() {
            let problem = "write one port an address, or none";
            return Err(RequestError::new("ports", problem));
        }
        let backend = |(index, address)| Selector::Backend {
            address,
            port: ports.get(index).copied(),
        };
        return Ok(addresses.into_iter().enumerate().map(backend).collect());
    }
    if is_empty(&body) {
        return Ok(Vec::new());
    }
    let selector = |record| match record {
        NewRecord::Rdata(rdata) => Selector::Rdata(rdata),
        NewRecord::Backend { address, port } => Selector::Backend {
            address,
            port: Some(port),
        },
    };
    Ok(records(rtype, body)?.into_iter().map(selector).collect())
}

/// The pairs of `update` as texts.
pub(super) fn update(
    update: Option<serde_json::Value>,
) -> Result<Vec<(String, String)>, RequestError> {
    let wanted = || RequestError::new("update", "write an object of {\"old\":\"new\"} pairs");
    let Some(serde_json::Value::Object(pairs)) = update else {
        return Err(wanted());
    };
    if pairs.is_empty() {
        return Err(wanted());
    }
    let pair = |(old, new): (String, serde_json::Value)| match new {
        serde_json::Value::String(new) => Ok((old, new)),
        other => {
            let field = format!("update[{old:?}]");
            Err(RequestError::new(
                field,
                format_args!("{other} is not a string"),
            ))
        }
    };
    pairs.into_iter().map(pair).collect()
}

/// The pairs of `update` as records of a type.
pub(super) fn pairs(
    rtype: RecordType,
    update: Vec<(String, String)>,
) -> Result<Vec<(Selector, NewRecord)>, RequestError> {
    let pair = |(old, new): (String, String)| {
        let field = format!("update[{old:?}]");
        let named = |problem: String| RequestError::new(&field[..], problem);
        if rtype == RecordType::SRV
            && let (Some(old), Some(new)) = (backend(&old), backend(&new))
        {
            let ((address, port), (to, to_port)) = (old, new);
            let selector = Selector::Backend {
                address,
                port: Some(port),
            };
            let record = NewRecord::Backend {
                address: to,
                port: to_port,
            };
            return Ok((selector, record));
        }
        let old = Selector::Rdata(value(rtype, &old).map_err(named)?);
        let new = NewRecord::Rdata(value(rtype, &new).map_err(named)?);
        Ok((old, new))
    };
    update.into_iter().map(pair).collect()
}

/// `ADDRESS:PORT` of a backend.
fn backend(text: &str) -> Option<(IpAddr, u16)> {
    let address: std::net::SocketAddr = text.parse().ok()?;
    Some((address.ip(), address.port()))
}

/// A value as the type's own field has it: a TXT record's text, else RDATA.
fn value(rtype: RecordType, text: &str) -> Result<Rdata, String> {
    let rdata = match rtype {
        RecordType::TXT => Rdata::txt_split(text.as_bytes()),
        _ => Rdata::parse(rtype, text),
    };
    rdata.map_err(|error| error.to_string())
}

/// `records`: RDATA in presentation format.
fn listed(rtype: RecordType, records: Vec<Scalar<'_>>) -> Result<Vec<Rdata>, RequestError> {
    let record = |(index, record): (usize, Scalar<'_>)| {
        let field = format!("records[{index}]");
        let Some(text) = record.text(&field)? else {
            return Err(RequestError::new(field, "null: write RDATA in quotes"));
        };
        Rdata::parse(rtype, &text).map_err(|error| RequestError::new(field, error))
    };
    records.into_iter().enumerate().map(record).collect()
}

fn addresses(ips: Vec<Scalar<'_>>) -> Result<Vec<IpAddr>, RequestError> {
    let address = |(index, ip): (usize, Scalar<'_>)| {
        let field = format!("ips[{index}]");
        let text = ip.text(&field)?.unwrap_or(Cow::Borrowed(""));
        text.parse().map_err(|_| {
            RequestError::new(field, format_args!("{} is no IP address", quoted(&text)))
        })
    };
    ips.into_iter().enumerate().map(address).collect()
}

fn address_rdata(rtype: RecordType, addresses: Vec<IpAddr>) -> Result<Vec<Rdata>, RequestError> {
    let rdata = |(index, address): (usize, IpAddr)| match (rtype, address) {
        (RecordType::A, IpAddr::V4(address)) => Ok(Rdata::a(address)),
        (RecordType::AAAA, IpAddr::V6(address)) => Ok(Rdata::aaaa(address)),
        (_, address) => {
            let (family, other) = match rtype {
                RecordType::A => ("IPv4", RecordType::AAAA),
                _ => ("IPv6", RecordType::A),
            };
            let problem = format_args!(
                "{address} is no {family} address, as type {rtype} wants: write type {other}"
            );
            Err(RequestError::new(format!("ips[{index}]"), problem))
        }
    };
    addresses.into_iter().enumerate().map(rdata).collect()
}

fn ports(ports: Vec<Scalar<'_>>) -> Result<Vec<u16>, RequestError> {
    let port = |(index, port): (usize, Scalar<'_>)| {
        let field = format!("ports[{index}]");
        let port = port.number16(&field)?;
        port.ok_or_else(|| RequestError::new(field, "null: write a port"))
    };
    ports.into_iter().enumerate().map(port).collect()
}

/// The one record of a type that has a field for one.
fn single(rtype: RecordType, body: Body<'_>) -> Result<Option<Rdata>, RequestError> {
    let name = |scalar: Scalar<'_>, field: &str| -> Result<Option<Name>, RequestError> {
        let Some(text) = scalar.filled_text(field)? else {
            return Ok(None);
        };
        let name = Name::parse(&text).map_err(|error| RequestError::new(field, error))?;
        Ok(Some(name))
    };
    Ok(match rtype {
        RecordType::CNAME => None,
        RecordType::TXT => match body.text.text("text")? {
            None => None,
            Some(text) => {
                let rdata = Rdata::txt_split(text.as_bytes());
                Some(rdata.map_err(|error| RequestError::new("text", error))?)
            }
        },
        RecordType::MX => {
            let priority = body.mail_priority.number16("mailPriority")?;
            let priority = priority.unwrap_or(MAIL_PRIORITY_DEFAULT);
            name(body.mail_host, "mailHost")?.map(|host| Rdata::mx(priority, &host))
        }
        RecordType::NS => name(body.ns_host, "nsHost")?.map(|host| Rdata::ns(&host)),
        RecordType::PTR => name(body.host, "host")?.map(|host| Rdata::ptr(&host)),
        _ => None,
    })
}

/// The field in which a type has its records, beside `records`.
fn field_of(rtype: RecordType) -> &'static str {
    match rtype {
        RecordType::A | RecordType::AAAA | RecordType::SRV => "ips",
        RecordType::CNAME => "alias",
        RecordType::TXT => "text",
        RecordType::MX => "mailHost",
        RecordType::NS => "nsHost",
        RecordType::PTR => "host",
        _ => "records",
    }
}

/// Refuses fields of other types, and `records` beside the type's own field.
fn check_fields(rtype: RecordType, body: &Body<'_>) -> Result<(), RequestError> {
    let given = given(body);
    let own: &[&str] = match rtype {
        RecordType::SRV => &["ips", "ports"],
        RecordType::MX => &["mailHost", "mailPriority"],
        _ => &[field_of(rtype)],
    };
    let foreign = given
        .iter()
        .find(|field| **field != "records" && !own.contains(field));
    if let Some(field) = foreign {
        let problem = match field_of(rtype) {
            "records" => format!("is not for type {rtype}: write records"),
            wanted => format!("is not for type {rtype}: write {wanted}, or records"),
        };
        return Err(RequestError::new(*field, problem));
    }
    if given.len() > 1 && given.contains(&"records") {
        let problem = format_args!("write records or {}, not both", field_of(rtype));
        return Err(RequestError::new("records", problem));
    }
    Ok(())
}
