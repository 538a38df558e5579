//! Packs what is to be done to names into requests that the server takes.
//!
//! A batch is done completely or not at all, so all items of a name are in one batch where that is
//! possible. A name with too many gets a chain of batches of its own, sent one after the other.

use containerdns_schema::Name;
use containerdns_schema::rest::request::BATCH_LEN_MAX;

use crate::import::difference::Item;

/// The store's operations in one transaction.
const COST_MAX: usize = 128;
/// Octets of a body, below the server's limit of 1 MiB.
const BODY_LEN_MAX: usize = 900 << 10;

/// Batches that are sent one after the other; chains may be sent in any order.
pub(crate) type Chain = Vec<Batch>;

/// One request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch {
    /// Items in JSON, each with its name.
    pub(crate) items: Vec<(Name, String)>,
    /// Names that are done with this batch.
    pub(crate) names_done: usize,
    /// Records that it is about.
    pub(crate) records: usize,
    cost: usize,
    len: usize,
}

/// The body of a request with these items.
pub(crate) fn body(items: &[(Name, String)]) -> Vec<u8> {
    let bodies: Vec<&str> = items.iter().map(|(_, body)| &body[..]).collect();
    format!("[{}]", bodies.join(",")).into_bytes()
}

/// Where to cut items in two: between names if there are several.
pub(crate) fn middle(items: &[(Name, String)]) -> usize {
    let half = items.len() / 2;
    let is_between = |at: &usize| items[at - 1].0 != items[*at].0;
    let later = (half.max(1)..items.len()).find(is_between);
    later
        .or_else(|| (1..half).rev().find(is_between))
        .unwrap_or(half)
}

/// Packs names with their items.
pub(crate) fn pack<'a>(names: impl IntoIterator<Item = (&'a Name, Vec<Item>)>) -> Vec<Chain> {
    let mut chains = Vec::new();
    let mut open = Batch::default();
    for (name, items) in names {
        if !open.takes(&items) {
            close(&mut open, &mut chains);
        }
        if open.takes(&items) {
            items.into_iter().for_each(|item| open.push(name, item));
            open.names_done += 1;
        } else {
            chains.push(chain(name, items));
        }
    }
    close(&mut open, &mut chains);
    chains
}

fn close(open: &mut Batch, chains: &mut Vec<Chain>) {
    if !open.items.is_empty() {
        chains.push(vec![std::mem::take(open)]);
    }
}

/// The batches of a name that is too much for one; an item too large for any goes alone.
fn chain(name: &Name, items: Vec<Item>) -> Chain {
    let mut chain = Chain::new();
    let mut open = Batch::default();
    for item in items {
        if !open.items.is_empty() && !open.takes(std::slice::from_ref(&item)) {
            chain.push(std::mem::take(&mut open));
        }
        open.push(name, item);
    }
    open.names_done = 1;
    chain.push(open);
    chain
}

impl Batch {
    fn takes(&self, items: &[Item]) -> bool {
        let cost: usize = items.iter().map(|item| item.cost).sum();
        let len: usize = items.iter().map(|item| item.body.len() + 1).sum();
        self.cost + cost <= COST_MAX
            && self.items.len() + items.len() <= BATCH_LEN_MAX
            && self.len + len < BODY_LEN_MAX
    }

    fn push(&mut self, name: &Name, item: Item) {
        self.cost += item.cost;
        self.len += item.body.len() + 1;
        self.records += item.records;
        self.items.push((name.clone(), item.body));
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// Packs names, each a list of items of a cost and a length.
    fn check(names: &[&[(usize, usize)]], want: Expect) {
        let name = |index: usize| format!("n{index}.a.test").parse::<Name>().expect("a name");
        let owned: Vec<Name> = (0..names.len()).map(name).collect();
        let item = |&(cost, len): &(usize, usize)| Item {
            body: "x".repeat(len),
            cost,
            records: cost - 1,
        };
        let items = names.iter().map(|items| items.iter().map(item).collect());
        let chains = pack(owned.iter().zip(items));
        let told = |batch: &Batch| {
            assert!(batch.cost <= COST_MAX || batch.items.len() == 1);
            let (items, done) = (batch.items.len(), batch.names_done);
            let len = body(&batch.items).len();
            format!(
                "{items} items, {done} done, cost {}, {len} octets",
                batch.cost
            )
        };
        let chain = |chain: &Chain| chain.iter().map(told).collect::<Vec<_>>().join(" then ");
        want.assert_eq(&chains.iter().map(chain).collect::<Vec<_>>().join("\n"));
        let done = chains.iter().flatten().map(|batch| batch.names_done);
        assert_eq!(done.sum::<usize>(), names.len());
    }

    #[test]
    fn batches_are_filled_to_the_operations() {
        check(&[], expect![]);
        check(&[&[(2, 9)]], expect!["1 items, 1 done, cost 2, 11 octets"]);
        check(
            &[&[(2, 9)][..]; 64],
            expect!["64 items, 64 done, cost 128, 641 octets"],
        );
        check(
            &[&[(2, 9)][..]; 65],
            expect![[r#"
            64 items, 64 done, cost 128, 641 octets
            1 items, 1 done, cost 2, 11 octets"#]],
        );
        check(
            &[&[(1, 9)][..]; 129],
            expect![[r#"
            128 items, 128 done, cost 128, 1281 octets
            1 items, 1 done, cost 1, 11 octets"#]],
        );
    }

    #[test]
    fn batches_are_filled_to_the_length() {
        check(
            &[&[(2, 400 << 10)][..]; 3],
            expect![[r#"
            2 items, 2 done, cost 4, 819203 octets
            1 items, 1 done, cost 2, 409602 octets"#]],
        );
        check(
            &[&[(2, 9)], &[(2, 2 << 20)], &[(2, 9)]],
            expect![[r#"
            1 items, 1 done, cost 2, 11 octets
            1 items, 1 done, cost 2, 2097154 octets
            1 items, 1 done, cost 2, 11 octets"#]],
        );
    }

    #[test]
    fn the_items_of_a_name_stay_together_or_in_order() {
        check(
            &[&[(60, 9)], &[(40, 9), (40, 9)], &[(40, 9)]],
            expect![[r#"
            1 items, 1 done, cost 60, 11 octets
            3 items, 2 done, cost 120, 31 octets"#]],
        );
        check(
            &[&[(10, 9)], &[(90, 9), (90, 9), (20, 9)], &[(10, 9)]],
            expect![[r#"
                1 items, 1 done, cost 10, 11 octets
                1 items, 0 done, cost 90, 11 octets then 2 items, 1 done, cost 110, 21 octets
                1 items, 1 done, cost 10, 11 octets"#]],
        );
        check(
            &[&[(200, 9)]],
            expect!["1 items, 1 done, cost 200, 11 octets"],
        );
    }

    #[test]
    fn a_body_is_a_list() {
        let name: Name = "n.a.test".parse().expect("a name");
        let item = |body: &str| Item {
            body: body.into(),
            cost: 2,
            records: 1,
        };
        let chains = pack([(&name, vec![item("{}"), item("{}")])]);
        assert_eq!(body(&chains[0][0].items), b"[{},{}]");
    }

    #[test]
    fn items_are_cut_between_names() {
        let told = |names: &str| {
            let item = |label: &str| (label.parse().expect("a name"), String::new());
            let items: Vec<_> = names.split(' ').map(item).collect();
            middle(&items)
        };
        assert_eq!(told("a b"), 1);
        assert_eq!(told("a a b b"), 2);
        assert_eq!(told("a a a b"), 3);
        assert_eq!(told("a b b b"), 1);
        assert_eq!(told("a a a a"), 2);
        assert_eq!(told("a a b"), 2);
        assert_eq!(told("a b b"), 1);
    }
}
