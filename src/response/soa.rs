//! The SOA of a zone: in AUTHORITY of every negative answer, so that clients know how long to
//! remember it (RFC 2308). Its serial is the store's revision; the rest is ready-made where the
//! question's name lies in the zone, which it does unless aliases were followed.

use super::{Full, Section, Writer};
use crate::answer::Tables;
use crate::table::{CLASS_IN, Soa, ZoneId, rtype};

/// Octets of a question behind its name: type and class.
const QUESTION_FIXED_LEN: usize = 4;

impl Writer<'_> {
    pub(super) fn put_zone_soa(
        &mut self,
        tables: &Tables,
        id: ZoneId,
        section: Section,
    ) -> Result<(), Full> {
        let Some(zone) = tables.zones.get(id) else {
            return Ok(());
        };
        let ttl_s = match section {
            Section::Answer => zone.soa.ttl_s,
            _ => zone.soa.negative_ttl_s(),
        };
        let serial = tables.revision as u32;
        match (tables.soas.get(usize::from(id.0)), self.counts) {
            // Nothing written yet: the question's name is in the zone, and so ends in its apex.
            (Some(made), [0, 0, 0]) if self.known.has_question() => {
                let apex_at = self.at - QUESTION_FIXED_LEN - zone.apex.len();
                let end = self.at + made.octets_len();
                if end > self.limit {
                    return Err(Full);
                }
                made.write(apex_at as u16, ttl_s, serial, &mut self.out[self.at..end]);
                self.at = end;
            }
            _ => self.whole(|writer| writer.put_soa(&zone.apex, &zone.soa, ttl_s, serial))?,
        }
        self.counts[section as usize] += 1;
        Ok(())
    }

    fn put_soa(&mut self, apex: &[u8], soa: &Soa, ttl_s: u32, serial: u32) -> Result<(), Full> {
        self.put_name(apex)?;
        self.put(&rtype::SOA.to_be_bytes())?;
        self.put(&CLASS_IN.to_be_bytes())?;
        self.put(&ttl_s.to_be_bytes())?;
        self.put_rdata(|writer| {
            writer.put_name(&soa.mname)?;
            writer.put_name(&soa.rname)?;
            writer.put(&serial.to_be_bytes())?;
            soa.timers_s
                .iter()
                .try_for_each(|timer| writer.put(&timer.to_be_bytes()))
        })
    }
}
