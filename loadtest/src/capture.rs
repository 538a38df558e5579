//! Captures (pcap and pcapng) as recordings: the UDP payloads to the server's port.
//!
//! pcap-parser takes the file apart, etherparse the packets; the rest is a recording's business.
//! Link layers: Ethernet, Linux cooked (SLL and SLL2), raw IP and loopback, with VLAN tags and both
//! versions of IP. The file itself must be sound: the first flaw is an error with the number of the
//! packet, counted from 1 as Wireshark does. What is not DNS over UDP to the port is passed over.
//! TCP is not put together: its segments are counted.

use etherparse::{EtherType, LaxSlicedPacket, TransportSlice, ether_type, ip_number};
use pcap_parser::nom;
use pcap_parser::pcapng::Block;
use pcap_parser::{
    InterfaceDescriptionBlock, LegacyPcapBlock, Linktype, PcapError, parse_block_be,
    parse_block_le, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified,
    parse_pcap_header,
};
use thiserror::Error;

use crate::replay::Recording;

const NS_PER_S: i128 = 1_000_000_000;
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// In both orders of octets: microseconds, nanoseconds, and Kuznetzov's form.
const PCAP: [u32; 3] = [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34];

/// A flaw of a capture.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum CaptureError {
    #[error("the header of the capture is damaged")]
    Header,
    #[error("packet {0}: the file ends within it")]
    Cut(u64),
    #[error("packet {0}: damaged")]
    Damaged(u64),
    #[error("packet {0}: of an interface that was not described before it")]
    NoInterface(u64),
    #[error(
        "packet {packet}: link type {linktype} is none of Ethernet, Linux cooked, raw IP, loopback"
    )]
    Linktype { packet: u64, linktype: i32 },
}

/// How the packets of an interface are to be read.
#[derive(Debug, Clone, Copy)]
struct Interface {
    linktype: Linktype,
    units_per_s: u64,
    offset_s: i64,
}

/// Packets taken from a file.
struct Reader {
    recording: Recording,
    port: u16,
    /// Packets so far.
    count: u64,
    time_ns: i128,
}

/// Whether the first octets are those of a capture.
pub(crate) fn is_capture(octets: &[u8]) -> bool {
    let Some(&magic) = octets.first_chunk() else {
        return false;
    };
    let number = u32::from_le_bytes(magic);
    magic == PCAPNG || PCAP.contains(&number) || PCAP.contains(&number.swap_bytes())
}

/// Reads the queries to `port` of a whole capture.
pub(crate) fn read(octets: &[u8], port: u16) -> Result<Recording, CaptureError> {
    let mut reader = Reader {
        recording: Recording::default(),
        port,
        count: 0,
        time_ns: 0,
    };
    match octets.starts_with(&PCAPNG) {
        true => reader.read_pcapng(octets)?,
        false => reader.read_pcap(octets)?,
    }
    Ok(reader.recording)
}

type Parsed<'a, T> = Result<(&'a [u8], T), nom::Err<PcapError<&'a [u8]>>>;

impl Reader {
    fn read_pcap(&mut self, octets: &[u8]) -> Result<(), CaptureError> {
        let (mut rest, header) = parse_pcap_header(octets).map_err(|_| CaptureError::Header)?;
        let parse: fn(&[u8]) -> Parsed<'_, LegacyPcapBlock<'_>> = match () {
            () if header.is_modified_format() => parse_pcap_frame_modified,
            () if header.is_bigendian() => parse_pcap_frame_be,
            () => parse_pcap_frame,
        };
        let interface = Interface {
            linktype: header.network,
            units_per_s: match header.is_nanosecond_precision() {
                true => 1_000_000_000,
                false => 1_000_000,
            },
            offset_s: 0,
        };
        while !rest.is_empty() {
            self.count += 1;
            let (after, frame) = self.flawless(parse(rest))?;
            rest = after;
            let fraction_ns =
                i128::from(frame.ts_usec) * NS_PER_S / i128::from(interface.units_per_s);
            self.time_ns = i128::from(frame.ts_sec) * NS_PER_S + fraction_ns;
            self.take(interface, frame.data)?;
        }
        Ok(())
    }

    fn read_pcapng(&mut self, octets: &[u8]) -> Result<(), CaptureError> {
        let mut interfaces: Vec<Interface> = Vec::new();
        let mut is_big_endian = false;
        let mut rest = octets;
        while !rest.is_empty() {
            let parsed = match is_big_endian {
                true => parse_block_be(rest),
                false => parse_block_le(rest),
            };
            // A block of another kind is named after the packet that follows it.
            self.count += 1;
            let (after, block) = self.flawless(parsed)?;
            // A block takes 12 octets, or it would be read for ever.
            if rest.len() < after.len() + 12 {
                return Err(CaptureError::Damaged(self.count));
            }
            rest = after;
            match block {
                Block::EnhancedPacket(packet) => {
                    let interface = *interfaces
                        .get(packet.if_id as usize)
                        .ok_or(CaptureError::NoInterface(self.count))?;
                    let units = i128::from(packet.ts_high) << 32 | i128::from(packet.ts_low);
                    self.time_ns = units * NS_PER_S / i128::from(interface.units_per_s)
                        + i128::from(interface.offset_s) * NS_PER_S;
                    let captured = packet.data.get(..packet.caplen as usize);
                    self.take(interface, captured.unwrap_or(packet.data))?;
                    continue;
                }
                // It has no time: that of the packet before it.
                Block::SimplePacket(packet) => {
                    let interface = *interfaces
                        .first()
                        .ok_or(CaptureError::NoInterface(self.count))?;
                    let captured = packet.data.get(..packet.origlen as usize);
                    self.take(interface, captured.unwrap_or(packet.data))?;
                    continue;
                }
                Block::SectionHeader(section) => {
                    is_big_endian = section.big_endian();
                    interfaces.clear();
                }
                Block::InterfaceDescription(described) => {
                    let interface = Interface::new(&described);
                    interfaces.push(interface.ok_or(CaptureError::Damaged(self.count))?);
                }
                _ => {}
            }
            self.count -= 1;
        }
        Ok(())
    }

    fn flawless<'a, T>(&self, parsed: Parsed<'a, T>) -> Result<(&'a [u8], T), CaptureError> {
        parsed.map_err(|error| match error {
            nom::Err::Incomplete(_) => CaptureError::Cut(self.count),
            nom::Err::Error(_) | nom::Err::Failure(_) => CaptureError::Damaged(self.count),
        })
    }

    /// Takes a packet in, if it is a query to the port.
    fn take(&mut self, interface: Interface, frame: &[u8]) -> Result<(), CaptureError> {
        let sliced = interface.slice(frame);
        let sliced = sliced.map_err(|linktype| CaptureError::Linktype {
            packet: self.count,
            linktype,
        })?;
        let Some(packet) = sliced else {
            return Ok(());
        };
        let skipped = &mut self.recording.skipped;
        match packet.transport {
            Some(TransportSlice::Udp(udp)) if udp.destination_port() == self.port => {
                match usize::from(udp.length()) == udp.slice().len() {
                    true => self.recording.add(udp.payload(), Ok(self.time_ns)),
                    false => skipped.skipped_cut += 1,
                }
            }
            Some(TransportSlice::Tcp(tcp)) => {
                let is_dns = [tcp.source_port(), tcp.destination_port()].contains(&self.port);
                skipped.skipped_tcp_segments += u64::from(is_dns);
            }
            Some(_) => {}
            None => {
                let payload = packet.net.as_ref().and_then(|net| net.ip_payload_ref());
                let is_fragment =
                    payload.is_some_and(|ip| ip.fragmented && ip.ip_number == ip_number::UDP);
                skipped.skipped_fragments += u64::from(is_fragment);
            }
        }
        Ok(())
    }
}

impl Interface {
    /// None when its times have no unit.
    fn new(described: &InterfaceDescriptionBlock<'_>) -> Option<Interface> {
        Some(Interface {
            linktype: described.linktype,
            units_per_s: described.ts_resolution().filter(|&units| units > 0)?,
            offset_s: described.ts_offset(),
        })
    }

    /// Finds IP in a packet; none when it has not even the header of its link layer, the number of
    /// the link type when that is none of those known.
    fn slice(self, frame: &[u8]) -> Result<Option<LaxSlicedPacket<'_>>, i32> {
        let with_type = |type_at: usize, payload_at: usize| {
            let number = frame.get(type_at..)?.first_chunk()?;
            let number = EtherType(u16::from_be_bytes(*number));
            Some(LaxSlicedPacket::from_ether_type(
                number,
                frame.get(payload_at..)?,
            ))
        };
        Ok(match self.linktype {
            Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(frame).ok(),
            Linktype::LINUX_SLL => with_type(14, 16),
            Linktype::LINUX_SLL2 => with_type(0, 20),
            Linktype::NULL | Linktype::LOOP => frame.get(4..).and_then(ip),
            // 12 and 14 are what some systems have written for raw IP.
            Linktype::RAW | Linktype(12 | 14) | Linktype::IPV4 | Linktype::IPV6 => ip(frame),
            Linktype(other) => return Err(other),
        })
    }
}

fn ip(packet: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    let number = match packet.first()? >> 4 {
        4 => ether_type::IPV4,
        6 => ether_type::IPV6,
        _ => return None,
    };
    Some(LaxSlicedPacket::from_ether_type(number, packet))
}

#[cfg(test)]
mod tests;
