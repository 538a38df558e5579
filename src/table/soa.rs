//! A zone's SOA record as octets, made when it changes: negative answers, which are the most of
//! what clusters with search paths ask for, then copy it and fill in where the apex lies.

use super::{CLASS_IN, RECORD_FIXED_LEN, Soa, rtype};
use crate::wire;

/// Octets of serial and timers at the end of the RDATA.
const NUMBERS_LEN: usize = 20;
const TTL_AT: usize = 6;
const POINTER: u16 = 0xc000;

/// The record for messages that have the apex somewhere: its owner is a pointer there, and so are
/// the ends of the names in it that lie in the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoaRecord {
    /// Pointers, TTL and serial are 0.
    octets: Box<[u8]>,
    /// Where the pointers to the apex are.
    pointers: Vec<u16>,
}

impl SoaRecord {
    /// The record of a zone.
    pub fn new(apex: &[u8], soa: &Soa) -> SoaRecord {
        let mut octets = vec![0; RECORD_FIXED_LEN];
        octets[2..4].copy_from_slice(&rtype::SOA.to_be_bytes());
        octets[4..6].copy_from_slice(&CLASS_IN.to_be_bytes());
        let mut pointers = vec![0];
        for name in [&soa.mname, &soa.rname] {
            if wire::suffix_of_len(name, apex.len()).eq_ignore_ascii_case(apex) {
                octets.extend_from_slice(&name[..name.len() - apex.len()]);
                pointers.push(octets.len() as u16);
                octets.extend_from_slice(&[0, 0]);
            } else {
                octets.extend_from_slice(name);
            }
        }
        octets.extend_from_slice(&[0; 4]);
        for timer in soa.timers_s {
            octets.extend_from_slice(&timer.to_be_bytes());
        }
        let rdlength = (octets.len() - RECORD_FIXED_LEN) as u16;
        octets[RECORD_FIXED_LEN - 2..RECORD_FIXED_LEN].copy_from_slice(&rdlength.to_be_bytes());
        SoaRecord {
            octets: octets.into(),
            pointers,
        }
    }

    /// Octets of the record.
    pub fn octets_len(&self) -> usize {
        self.octets.len()
    }

    /// Writes the record into exactly [`SoaRecord::octets_len`] octets of a message that has the
    /// apex at `apex_at`.
    pub fn write(&self, apex_at: u16, ttl_s: u32, serial: u32, out: &mut [u8]) {
        out.copy_from_slice(&self.octets);
        let pointer = (POINTER | apex_at).to_be_bytes();
        for at in &self.pointers {
            let at = usize::from(*at);
            out[at..at + 2].copy_from_slice(&pointer);
        }
        out[TTL_AT..TTL_AT + 4].copy_from_slice(&ttl_s.to_be_bytes());
        let serial_at = out.len() - NUMBERS_LEN;
        out[serial_at..serial_at + 4].copy_from_slice(&serial.to_be_bytes());
    }
}
