//! The OPT record of a response (RFC 6891): sent exactly when the query had one.

use crate::cookie;
use crate::query::{Edns, Rcode};
use crate::subnet::{self, ClientSubnet};
use crate::table::rtype;

const FIXED_LEN: usize = 11;
const OPTION_FIXED_LEN: usize = 4;
const OPTION_NSID: u16 = 3;
const OPTION_COOKIE: u16 = 10;
const OPTION_KEEPALIVE: u16 = 11;
const OPTION_EXTENDED_ERROR: u16 = 15;

/// Extended errors that we send (RFC 8914, IANA "Extended DNS Error Codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtendedError {
    /// The first complete list has not come yet.
    NotReady = 14,
    /// The name is in no zone of ours.
    NotAuthoritative = 20,
}

/// What goes into OPT.
#[derive(Debug, Clone, Copy, Default)]
pub struct Opt<'s> {
    /// The UDP payload size that we take.
    pub payload_max: u16,
    /// DO as the query had it.
    pub dnssec_ok: bool,
    /// Client and server cookie.
    pub cookie: Option<([u8; cookie::CLIENT_LEN], [u8; cookie::SERVER_LEN])>,
    /// Our identity, when asked for and configured.
    pub nsid: Option<&'s [u8]>,
    /// Idle time of the connection in units of 100 ms.
    pub keepalive: Option<u16>,
    /// For whom the query was asked, from a forwarder whose word counts.
    pub subnet: Option<&'s ClientSubnet>,
    /// Why the answer is an error.
    pub error: Option<ExtendedError>,
}

impl Opt<'_> {
    /// Octets that [`Opt::write`] fills.
    #[inline]
    pub fn len(&self) -> usize {
        let option = |content: Option<usize>| content.map_or(0, |length| OPTION_FIXED_LEN + length);
        FIXED_LEN
            + option(self.cookie.map(|_| cookie::CLIENT_LEN + cookie::SERVER_LEN))
            + option(self.nsid.map(<[u8]>::len))
            + option(self.keepalive.map(|_| 2))
            + option(self.subnet.map(ClientSubnet::len))
            + option(self.error.map(|_| 2))
    }

    /// Never: the fixed part is always there.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Writes the record into exactly [`Opt::len`] octets. The answer depended on `scope_bits`
    /// first bits of the subnet's address.
    pub(super) fn write(&self, rcode: Rcode, scope_bits: u8, out: &mut [u8]) {
        let options_len = (out.len() - FIXED_LEN) as u16;
        let mut at = 0;
        let mut put = |octets: &[u8]| {
            out[at..at + octets.len()].copy_from_slice(octets);
            at += octets.len();
        };
        put(&[0]);
        put(&rtype::OPT.to_be_bytes());
        put(&self.payload_max.to_be_bytes());
        put(&[
            (rcode as u16 >> 4) as u8,
            0,
            u8::from(self.dnssec_ok) << 7,
            0,
        ]);
        put(&options_len.to_be_bytes());
        let mut put_option = |code: u16, parts: [&[u8]; 2]| {
            put(&code.to_be_bytes());
            put(&((parts[0].len() + parts[1].len()) as u16).to_be_bytes());
            parts.into_iter().for_each(&mut put);
        };
        if let Some((client, server)) = &self.cookie {
            put_option(OPTION_COOKIE, [client, server]);
        }
        if let Some(identity) = self.nsid {
            put_option(OPTION_NSID, [identity, &[]]);
        }
        if let Some(idle) = self.keepalive {
            put_option(OPTION_KEEPALIVE, [&idle.to_be_bytes(), &[]]);
        }
        if let Some(error) = self.error {
            put_option(OPTION_EXTENDED_ERROR, [&(error as u16).to_be_bytes(), &[]]);
        }
        if let Some(subnet) = self.subnet {
            put_option(subnet::OPTION, [&subnet.fixed(scope_bits), subnet.octets()]);
        }
    }
}

/// Octets that every client takes over UDP (RFC 1035 section 4.2.1).
pub const PLAIN_MAX: u16 = 512;

/// Octets that a response may take over UDP: 512 without EDNS, else what both sides take
/// (RFC 6891 section 6.2.5).
pub fn udp_limit(edns: Option<&Edns<'_>>, payload_max: u16) -> usize {
    usize::from(edns.map_or(PLAIN_MAX, |edns| {
        edns.payload_max.min(payload_max).max(PLAIN_MAX)
    }))
}
