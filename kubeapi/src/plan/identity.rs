//! When two records are the same: what is added twice is kept once, and what is named is found.

use std::net::IpAddr;

use containerdns_schema::{Rdata, RecordType};

use crate::records::Item;

/// What makes two records of one type the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    /// RDATA; the name it points at counts without case (RFC 4343).
    Rdata(Vec<u8>),
    /// A backend is its address and port, whatever its priority.
    Backend(IpAddr, u16),
}

impl Identity {
    pub(super) fn of_rdata(rtype: RecordType, rdata: &Rdata) -> Self {
        let mut wire = rdata.wire().to_vec();
        if let Some(target) = rdata.target(rtype) {
            let start = match rtype {
                RecordType::MX | RecordType::SVCB | RecordType::HTTPS => 2,
                RecordType::SRV => 6,
                _ => 0,
            };
            wire[start..start + target.wire().len()].make_ascii_lowercase();
        }
        Self::Rdata(wire)
    }
}

/// All that a record goes by.
pub(super) fn identities(item: &Item) -> Vec<Identity> {
    let backend = item.backend.zip(srv_port(&item.rdata));
    let backend = backend.filter(|_| item.rtype == RecordType::SRV);
    let backend = backend.map(|(address, port)| Identity::Backend(address, port));
    let rdata = Identity::of_rdata(item.rtype, &item.rdata);
    backend.into_iter().chain([rdata]).collect()
}

/// Priority, weight and port of an SRV record.
pub(super) fn srv_numbers(rdata: &Rdata) -> Option<[u16; 3]> {
    let octets = rdata.wire().get(..6)?;
    let number = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
    Some([number(0), number(2), number(4)])
}

/// The port of an SRV record.
pub(crate) fn srv_port(rdata: &Rdata) -> Option<u16> {
    srv_numbers(rdata).map(|[_, _, port]| port)
}
