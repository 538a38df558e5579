//! What the answer to a question is: one look-up per name, no copying, no I/O.
//!
//! Sync has resolved at change time all that can be resolved there: empty non-terminals are nodes,
//! names below a cut are not, a node knows of its wildcard child. So a name is one of [`Found`]
//! after one probe of the index; only a name without a node walks towards the root to its closest
//! encloser (RFC 4592 section 3.3.1). CNAMEs are followed here by look-up and not flattened at
//! change time: one changed target would otherwise rewrite every alias of it.

use std::net::IpAddr;

use crate::index::Index;
use crate::table::{
    Kind, Node, RECORD_FIXED_LEN, RRset, RRsetView, SoaRecord, ViewId, ZoneId, Zones, rtype,
};
use crate::wire::{self, LowerName};

mod overlay;

/// CNAMEs followed at most; a longer chain ends there as if its last target were not ours.
pub const CHAIN_MAX: usize = 16;
/// ANY is answered with one RRset of at most this many octets (RFC 8482 section 4.1).
const ANY_LEN_MAX: usize = 400;

/// Everything a core decides from.
#[derive(Debug)]
pub struct Tables {
    /// Owner name to node: what everybody finds.
    pub index: Index,
    /// What clients of each view find before that.
    pub views: Box<[Index]>,
    /// The zones.
    pub zones: Zones,
    /// The SOA of each as octets.
    pub soas: Box<[SoaRecord]>,
    /// The store's revision, whose low 32 bits are every zone's serial.
    pub revision: u64,
    /// Whether the first complete list has been applied.
    pub ready: bool,
    /// Answer to ANY where every RRset is large: HINFO "RFC8482" (RFC 8482 section 4.2).
    pub any_hinfo: RRset,
}

/// What there is at one name for one type.
#[derive(Debug, Clone, Copy)]
pub enum Found<'t> {
    /// Records of the type.
    RRset(RRsetView<'t>),
    /// A CNAME in their place: that of this node.
    Alias(&'t Node),
    /// The SOA of an apex, made when written.
    Soa(ZoneId),
    /// The name is an address, and below a name whose children are (`10-0-0-1.web.pod.ZONE`).
    Address {
        /// The address, of the type asked for.
        address: IpAddr,
        /// TTL in seconds.
        ttl_s: u32,
    },
    /// The name exists, the type does not.
    NoData(ZoneId),
    /// The name does not exist.
    NxDomain(ZoneId),
    /// The name is at or below a zone cut.
    Referral(&'t Node),
    /// The name is in no zone of ours; after CNAMEs, also a chain that loops or is too long.
    Outside,
}

/// The answer: CNAMEs in order, then what is at the end of them.
#[derive(Debug)]
pub struct Decision<'t> {
    /// Nearly always none: nothing is allocated then.
    aliases: Vec<&'t Node>,
    /// What is at the last name.
    pub end: Found<'t>,
}

impl<'t> Decision<'t> {
    /// Whether no alias leads to the end.
    #[inline]
    pub fn is_direct(&self) -> bool {
        self.aliases.is_empty()
    }

    /// The CNAME RRsets from the question's name on, one record each.
    pub fn aliases(&self) -> impl Iterator<Item = RRsetView<'t>> {
        let nodes = self.aliases.iter();
        nodes.filter_map(|node| node.rrset(rtype::CNAME))
    }
}

/// Decides on `qtype` at `name` for a client of `view`. `scratch` is used for wildcard and target
/// names.
#[inline]
pub fn decide<'t>(
    tables: &'t Tables,
    view: Option<ViewId>,
    name: &LowerName,
    qtype: u16,
    scratch: &mut LowerName,
) -> Decision<'t> {
    let end = find(tables, view, name, qtype, scratch);
    let decision = Decision {
        aliases: Vec::new(),
        end,
    };
    if matches!(end, Found::Alias(_)) {
        return follow(tables, view, decision, name, qtype, scratch);
    }
    decision
}

#[cold]
fn follow<'t>(
    tables: &'t Tables,
    view: Option<ViewId>,
    mut decision: Decision<'t>,
    name: &LowerName,
    qtype: u16,
    scratch: &mut LowerName,
) -> Decision<'t> {
    let mut owner = LowerName::default();
    for _ in 0..CHAIN_MAX {
        let Found::Alias(alias) = decision.end else {
            return decision;
        };
        let target = alias.rrset(rtype::CNAME).map_or(&[][..], target_of);
        let seen = |earlier: &[u8]| earlier.eq_ignore_ascii_case(target);
        let looped = seen(name.octets()) || decision.aliases().any(|alias| seen(target_of(alias)));
        decision.aliases.push(alias);
        decision.end = Found::Outside;
        if looped {
            return decision;
        }
        owner.copy_from(target);
        decision.end = find(tables, view, &owner, qtype, scratch);
    }
    if matches!(decision.end, Found::Alias(_)) {
        decision.end = Found::Outside;
    }
    decision
}

fn target_of(alias: RRsetView<'_>) -> &[u8] {
    alias.wire.get(RECORD_FIXED_LEN..).unwrap_or_default()
}

/// What there is at `name`, CNAMEs not followed.
#[inline]
fn find<'t>(
    tables: &'t Tables,
    view: Option<ViewId>,
    name: &LowerName,
    qtype: u16,
    scratch: &mut LowerName,
) -> Found<'t> {
    match (tables.node(view, name.hash(), name.octets()), view) {
        (Some(node), _) => at_node(tables, node, qtype),
        (None, None) => without_node(tables, name, qtype, scratch),
        (None, Some(view)) => overlay::without_node(tables, view, name, qtype, scratch),
    }
}

#[inline]
fn at_node<'t>(tables: &'t Tables, node: &'t Node, qtype: u16) -> Found<'t> {
    match (node.kind, node.rrset(qtype)) {
        (Kind::Inside, Some(rrset)) => Found::RRset(rrset),
        (_, rrset) => at_node_otherwise(tables, node, qtype, rrset),
    }
}

/// What there is at a node that is no plain name with records of the type; `rrset` are those that
/// are there.
#[inline(never)]
fn at_node_otherwise<'t>(
    tables: &'t Tables,
    node: &'t Node,
    qtype: u16,
    rrset: Option<RRsetView<'t>>,
) -> Found<'t> {
    match (node.kind, qtype) {
        (Kind::Cut, rtype::DS) => {}
        (Kind::Cut, _) => return Found::Referral(node),
        (Kind::Apex, rtype::SOA) => return Found::Soa(node.zone),
        // DS of an apex is the parent's to answer (RFC 4035 section 3.1.4.1).
        (Kind::Apex, rtype::DS) => {
            let zone = tables.zones.get(node.zone).and_then(|zone| zone.parent);
            return Found::NoData(zone.unwrap_or(node.zone));
        }
        _ => {}
    }
    if let Some(rrset) = rrset {
        return Found::RRset(rrset);
    }
    if qtype == rtype::ANY {
        return any(tables, node);
    }
    if node.kind == Kind::Apex
        && qtype == rtype::NS
        && let Some(apex) = tables.index.get(node.hash, node.owner())
        && let Some(servers) = apex.rrset(rtype::NS)
    {
        // The view of an apex has none.
        return Found::RRset(servers);
    }
    match node.rrset(rtype::CNAME) {
        Some(_) => Found::Alias(node),
        None => Found::NoData(node.zone),
    }
}

/// One RRset stands for all (RFC 8482): the alias if there is one, else the smallest.
fn any<'t>(tables: &'t Tables, node: &'t Node) -> Found<'t> {
    if let Some(alias) = node.rrset(rtype::CNAME) {
        return Found::RRset(alias);
    }
    match node.rrsets().min_by_key(|rrset| rrset.wire.len()) {
        Some(rrset) if rrset.wire.len() <= ANY_LEN_MAX => Found::RRset(rrset),
        Some(_) => Found::RRset(tables.any_hinfo.view()),
        None => Found::NoData(node.zone),
    }
}

#[inline(never)]
fn without_node<'t>(
    tables: &'t Tables,
    name: &LowerName,
    qtype: u16,
    scratch: &mut LowerName,
) -> Found<'t> {
    let Some(encloser) = closest_encloser(tables, None, name) else {
        return Found::Outside;
    };
    if encloser.kind == Kind::Cut {
        return Found::Referral(encloser);
    }
    if let Some(found) = address_below(encloser, name, qtype) {
        return found;
    }
    if !encloser.wildcard_child || !scratch.set_wildcard_of(encloser.owner()) {
        return Found::NxDomain(encloser.zone);
    }
    match tables.index.get(scratch.hash(), scratch.octets()) {
        Some(wildcard) => at_node(tables, wildcard, qtype),
        None => Found::NxDomain(encloser.zone),
    }
}

/// What there is at `name` where it is the address of a child of `encloser`, whose children are.
fn address_below<'t>(encloser: &Node, name: &LowerName, qtype: u16) -> Option<Found<'t>> {
    let ttl_s = encloser.address_ttl_s?.get();
    if name.labels() != wire::label_count(encloser.owner()) + 1 {
        return None;
    }
    let address = address_of_label(first_label(name.octets()))?;
    Some(match (address, qtype) {
        (IpAddr::V4(_), rtype::A | rtype::ANY) | (IpAddr::V6(_), rtype::AAAA | rtype::ANY) => {
            Found::Address { address, ttl_s }
        }
        _ => Found::NoData(encloser.zone),
    })
}

fn first_label(name: &[u8]) -> &[u8] {
    let length = name.first().map_or(0, |length| usize::from(*length));
    name.get(1..=length).unwrap_or_default()
}

/// The address that a label is: with dashes for the dots of IPv4 or the colons of IPv6.
fn address_of_label(label: &[u8]) -> Option<IpAddr> {
    let read = |separator| {
        let mut text = [0; 45];
        let text = text.get_mut(..label.len())?;
        text.copy_from_slice(label);
        for octet in text.iter_mut().filter(|octet| **octet == b'-') {
            *octet = separator;
        }
        std::str::from_utf8(text).ok()?.parse().ok()
    };
    match label.contains(&b'.') || label.contains(&b':') {
        true => None,
        false => read(b'.').or_else(|| read(b':')),
    }
}

/// The node of the longest ancestor that exists for a client of `view`; none when the name is in no
/// zone of ours, for every zone has a node at its apex.
fn closest_encloser<'t>(
    tables: &'t Tables,
    view: Option<ViewId>,
    name: &LowerName,
) -> Option<&'t Node> {
    let too_deep = name.labels().saturating_sub(tables.labels_max(view));
    let suffixes = wire::ancestors(name.octets())
        .skip(too_deep.max(1))
        .chain([&b"\0"[..]]);
    suffixes
        .into_iter()
        .find_map(|suffix| tables.node(view, wire::hash(suffix), suffix))
}
