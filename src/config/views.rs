//! `[views.NAME]`: which clients see other records than everybody, and where those are.

use std::collections::HashMap;

use containerdns_schema::AddressPrefix;
use containerdns_schema::health::MEMBER_PREFIX;

use super::reader::Section;
use super::sections;
use super::values::prefix;
use super::{Store, View};
use crate::views::VIEWS_MAX;

/// Prefixes of clients of one view at most: whole networks, not single clients.
const CLIENTS_MAX: usize = 1024;
/// Key prefixes of one view at most: each is a watch, and there are three formats.
const PREFIXES_MAX: usize = 4;
/// Octets of a view's name at most: it is a label of metrics.
const NAME_LEN_MAX: usize = 63;

/// All views, over what is read from `store`.
pub(super) fn views(mut section: Section<'_>, store: &Store) -> Vec<View> {
    let named = section.named_sections();
    if named.len() > VIEWS_MAX {
        let count = named.len();
        section.fail_whole(format!("has {count} views; write at most {VIEWS_MAX}"));
    }
    let prefixes = store.prefixes.iter().map(|prefix| prefix.path.clone());
    let mut taken: Vec<String> = prefixes.chain(store.health_prefix.clone()).collect();
    taken.push(MEMBER_PREFIX.to_owned());
    let mut view_of: HashMap<AddressPrefix, &str> = HashMap::new();
    let mut views = Vec::new();
    for (name, view) in named {
        if !(1..=NAME_LEN_MAX).contains(&name.len()) {
            let message = format!("is not a view's name; write 1 to {NAME_LEN_MAX} octets");
            view.fail_whole(message);
        }
        for key in ["clients", "prefixes"] {
            if !view.has(key) {
                view.fail(key, "is missing; it has no default");
            }
        }
        let clients = view.list("clients", 1..=CLIENTS_MAX, prefix);
        let clients = clients.unwrap_or_default();
        for prefix in &clients {
            if let Some(other) = view_of.insert(*prefix, name) {
                let message = format!("`{prefix}` is in view `{other}`, too");
                view.fail("clients", message + "; remove it from one of them");
            }
        }
        let prefixes = sections::prefixes(&view, 1..=PREFIXES_MAX, &taken).unwrap_or_default();
        taken.extend(prefixes.iter().map(|prefix| prefix.path.clone()));
        views.push(View {
            name: name.to_owned(),
            clients,
            prefixes,
        });
    }
    views
}
