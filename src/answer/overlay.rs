//! What the client of a view finds: the records of the view lie over those of everybody, name by
//! name.
//!
//! A name with records in the view is answered from the view alone, for every type; any other as
//! for everybody. A name exists when it does in either, so an empty non-terminal of the view is one
//! of the whole. SOA, NS, DS and so zone cuts are everybody's. Nothing here is on the way of a
//! client that has no view.

use super::{Found, Tables, address_below, at_node, closest_encloser};
use crate::index::Index;
use crate::table::{Kind, Node, ViewId};
use crate::wire::LowerName;

impl Tables {
    /// What a client finds at a name: the node of its view where that has records, else
    /// everybody's, else the view's empty one.
    #[inline]
    pub fn node(&self, view: Option<ViewId>, hash: u64, name: &[u8]) -> Option<&Node> {
        match view {
            None => self.index.get(hash, name),
            Some(view) => self.overlaid(view, hash, name),
        }
    }

    /// The index that a change is for; none where this core has no such view.
    pub fn index_mut(&mut self, view: Option<ViewId>) -> Option<&mut Index> {
        match view {
            None => Some(&mut self.index),
            Some(ViewId(place)) => self.views.get_mut(usize::from(place)),
        }
    }

    /// The index of a view.
    pub fn view(&self, ViewId(place): ViewId) -> Option<&Index> {
        self.views.get(usize::from(place))
    }

    /// Names held, those of views counted in each.
    pub fn names(&self) -> usize {
        self.index.len() + self.views.iter().map(Index::len).sum::<usize>()
    }

    /// No name that a client can find has more labels.
    pub(super) fn labels_max(&self, view: Option<ViewId>) -> usize {
        let own = view.and_then(|view| self.view(view));
        let own = own.map_or(0, Index::labels_max);
        own.max(self.index.labels_max())
    }

    #[cold]
    fn overlaid(&self, view: ViewId, hash: u64, name: &[u8]) -> Option<&Node> {
        let own = self.own(view, hash, name);
        let with_records = own.filter(|own| own.rrsets().next().is_some());
        with_records.or_else(|| self.index.get(hash, name)).or(own)
    }

    fn own(&self, view: ViewId, hash: u64, name: &[u8]) -> Option<&Node> {
        self.view(view)?.get(hash, name)
    }
}

/// What there is for the client of a view at a name that exists nowhere.
#[cold]
pub(super) fn without_node<'t>(
    tables: &'t Tables,
    view: ViewId,
    name: &LowerName,
    qtype: u16,
    scratch: &mut LowerName,
) -> Found<'t> {
    let Some(encloser) = closest_encloser(tables, Some(view), name) else {
        return Found::Outside;
    };
    let (hash, owner) = (encloser.hash, encloser.owner());
    for both in [tables.own(view, hash, owner), tables.index.get(hash, owner)] {
        if let Some(found) = both.and_then(|node| address_below(node, name, qtype)) {
            return found;
        }
    }
    if scratch.set_wildcard_of(owner)
        && let Some(wildcard) = tables.node(Some(view), scratch.hash(), scratch.octets())
    {
        return at_node(tables, wildcard, qtype);
    }
    // Below a cut all is the child zone's, but for what the view itself has there.
    match closest_encloser(tables, None, name) {
        Some(cut) if cut.kind == Kind::Cut => Found::Referral(cut),
        _ => Found::NxDomain(encloser.zone),
    }
}
