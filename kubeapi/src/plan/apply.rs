//! Applies one change to the working copy of a name, and checks what a name may hold in the end.

use std::collections::BTreeSet;

use containerdns_schema::format::containerdns::Backend;
use containerdns_schema::rest::{Change, NameChange, NewRecord, Selector};
use containerdns_schema::{Name, Rdata, RecordType};

use super::{PlanError, Rules, Working, field};
use crate::records::{Item, Layout};

/// Applies one change.
pub(super) fn apply(
    working: &mut Vec<Working>,
    change: &NameChange,
    user: Option<&str>,
    rules: &Rules,
) -> Result<(), PlanError> {
    let mut name = NameCopy {
        working,
        change,
        user,
        rules,
    };
    match &change.change {
        Change::Add {
            rtype,
            records,
            ttl,
        } => {
            name.check_owner()?;
            name.add(*rtype, records, *ttl)
        }
        Change::Replace {
            rtype,
            records,
            ttl,
        } => {
            name.check_owner()?;
            name.replace(*rtype, records, *ttl)
        }
        Change::Update { rtype, pairs, ttl } => {
            name.check_owner()?;
            name.update(*rtype, pairs, *ttl)
        }
        Change::SetTtl { rtype, ttl } => {
            name.check_owner()?;
            name.check_present(*rtype)?;
            name.set_ttl(*rtype, Some(*ttl));
            Ok(())
        }
        Change::Remove { rtype, records } => {
            name.check_owner()?;
            name.remove(*rtype, records)
        }
        Change::RemoveAll => name.remove_all(),
    }
}

/// The copy of a name, and what is asked of it.
struct NameCopy<'a> {
    working: &'a mut Vec<Working>,
    change: &'a NameChange,
    user: Option<&'a str>,
    rules: &'a Rules,
}

impl NameCopy<'_> {
    /// A name with an owner is changed by that owner only.
    fn check_owner(&self) -> Result<(), PlanError> {
        let others = |one: &&Working| !self.is_ours(one);
        match self.working.iter().find(others) {
            None => Ok(()),
            Some(record) => Err(self.foreign(record)),
        }
    }

    /// Whether the caller may change this record.
    fn is_ours(&self, one: &Working) -> bool {
        !one.foreign
            && one
                .user
                .as_deref()
                .is_none_or(|owner| Some(owner) == self.user)
    }

    fn foreign(&self, record: &Working) -> PlanError {
        let name = &self.change.name;
        let problem = match &record.user {
            _ if record.foreign => {
                format!("{name} comes from Kubernetes: change its Service, not its records")
            }
            Some(owner) => match self.user {
                Some(user) => format!("{name} is owned by {owner}, not by {user}"),
                None => format!("{name} is owned by {owner}: only that user changes it"),
            },
            None => format!("{name} is not yours"),
        };
        let field = field(&self.change.place, "user");
        PlanError::Foreign { field, problem }
    }

    fn add(
        &mut self,
        rtype: RecordType,
        records: &[NewRecord],
        ttl: Option<u32>,
    ) -> Result<(), PlanError> {
        let present = self.of_type(rtype).next();
        let kept = present.map_or(Some(self.rules.ttl_default_s), |one| one.item.ttl);
        for record in records {
            let mut item = self.item(rtype, record)?;
            item.ttl = ttl.or(kept);
            if self.has(&item) {
                continue;
            }
            self.push(item);
        }
        self.set_ttl(rtype, ttl);
        Ok(())
    }

    fn replace(
        &mut self,
        rtype: RecordType,
        records: &[NewRecord],
        ttl: Option<u32>,
    ) -> Result<(), PlanError> {
        let wanted = records.iter().map(|record| self.item(rtype, record));
        let wanted = wanted.collect::<Result<Vec<Item>, _>>()?;
        let kept = self.of_type(rtype).find_map(|one| one.item.ttl);
        self.working.retain(|one| {
            let item = &one.item;
            let is_wanted = |wanted: &Item| same_rdata(rtype, &wanted.rdata, &item.rdata);
            item.rtype != rtype || wanted.iter().any(is_wanted)
        });
        self.add(rtype, records, ttl.or(kept))
    }

    fn update(
        &mut self,
        rtype: RecordType,
        pairs: &[(Selector, NewRecord)],
        ttl: Option<u32>,
    ) -> Result<(), PlanError> {
        self.check_present(rtype)?;
        let mut places = Vec::with_capacity(pairs.len());
        for (old, _) in pairs {
            let Some(at) = self.position(rtype, old) else {
                let (name, shown) = (&self.change.name, shown(rtype, old));
                let problem = format!(
                    "{name} has no {rtype} record {shown} any more: read the name and try again"
                );
                return Err(self.conflict("update", problem));
            };
            if places.contains(&at) {
                return Err(PlanError::Impossible {
                    field: field(&self.change.place, "update"),
                    problem: format!("names {} twice", shown(rtype, old)),
                });
            }
            places.push(at);
        }
        let mut items = Vec::with_capacity(pairs.len());
        for ((_, new), at) in pairs.iter().zip(&places) {
            let mut item = self.item(rtype, new)?;
            item.ttl = ttl.or(self.working[*at].item.ttl);
            items.push(item);
        }
        places.sort_unstable();
        for at in places.into_iter().rev() {
            self.working.remove(at);
        }
        for item in items {
            if !self.has(&item) {
                self.push(item);
            }
        }
        self.set_ttl(rtype, ttl);
        Ok(())
    }

    fn remove(&mut self, rtype: RecordType, records: &[Selector]) -> Result<(), PlanError> {
        self.check_present(rtype)?;
        if records.is_empty() {
            self.working.retain(|one| one.item.rtype != rtype);
            return Ok(());
        }
        let mut places = BTreeSet::new();
        for selector in records {
            let Some(at) = self.position(rtype, selector) else {
                let (name, shown) = (&self.change.name, shown(rtype, selector));
                return Err(PlanError::NotFound {
                    field: field(&self.change.place, "records"),
                    problem: format!("{name} has no {rtype} record {shown}"),
                });
            };
            places.insert(at);
        }
        for at in places.into_iter().rev() {
            self.working.remove(at);
        }
        Ok(())
    }

    /// All that the caller owns goes; where that is nothing, what nobody owns. The rest stays.
    fn remove_all(&mut self) -> Result<(), PlanError> {
        let owned = |one: &Working| one.user.is_some() && one.user.as_deref() == self.user;
        let owns_some = self.working.iter().any(owned);
        let present = std::mem::take(self.working);
        let (gone, kept): (Vec<Working>, Vec<Working>) = present
            .into_iter()
            .partition(|one| self.is_ours(one) && (owned(one) || !owns_some));
        *self.working = kept;
        match self.working.first() {
            _ if !gone.is_empty() => Ok(()),
            Some(record) => Err(self.foreign(record)),
            None => Err(self.not_found()),
        }
    }

    fn check_present(&self, rtype: RecordType) -> Result<(), PlanError> {
        if self.of_type(rtype).next().is_some() {
            return Ok(());
        }
        if self.working.is_empty() {
            return Err(self.not_found());
        }
        Err(PlanError::NotFound {
            field: field(&self.change.place, "type"),
            problem: format!("{} has no {rtype} records", self.change.name),
        })
    }

    fn not_found(&self) -> PlanError {
        PlanError::NotFound {
            field: field(&self.change.place, "name"),
            problem: format!("{} has no records", self.change.name),
        }
    }

    fn conflict(&self, what: &str, problem: String) -> PlanError {
        PlanError::Conflict {
            field: field(&self.change.place, what),
            problem,
            name: self.change.name.clone(),
        }
    }

    /// A TTL that is given holds for the whole RRset (RFC 2181 section 5.2).
    fn set_ttl(&mut self, rtype: RecordType, ttl: Option<u32>) {
        let Some(ttl) = ttl else { return };
        for one in self
            .working
            .iter_mut()
            .filter(|one| one.item.rtype == rtype)
        {
            if one.item.ttl != Some(ttl) {
                one.item.ttl = Some(ttl);
                one.from = None;
            }
        }
    }

    fn of_type(&self, rtype: RecordType) -> impl Iterator<Item = &Working> {
        self.working
            .iter()
            .filter(move |one| one.item.rtype == rtype)
    }

    fn has(&self, item: &Item) -> bool {
        self.of_type(item.rtype)
            .any(|one| same_rdata(item.rtype, &one.item.rdata, &item.rdata))
    }

    fn position(&self, rtype: RecordType, selector: &Selector) -> Option<usize> {
        self.working.iter().position(|one| {
            let item = &one.item;
            item.rtype == rtype
                && match selector {
                    Selector::Rdata(rdata) => same_rdata(rtype, &item.rdata, rdata),
                    Selector::Backend { address, port } => {
                        item.backend == Some(*address)
                            && port.is_none_or(|port| srv_port(&item.rdata) == Some(port))
                    }
                }
        })
    }

    fn item(&self, rtype: RecordType, record: &NewRecord) -> Result<Item, PlanError> {
        let (rdata, backend) = match record {
            NewRecord::Rdata(rdata) => (rdata.clone(), None),
            NewRecord::Backend { address, port } => {
                let backend = Backend::new(*address, *port);
                let target = backend.target(&self.change.name);
                let target = target.map_err(|error| PlanError::Impossible {
                    field: field(&self.change.place, "name"),
                    problem: format!("no room for the label of a backend before it: {error}"),
                })?;
                let Backend {
                    priority, weight, ..
                } = backend;
                (Rdata::srv(priority, weight, *port, &target), Some(*address))
            }
        };
        Ok(Item {
            rtype,
            ttl: None,
            rdata,
            backend,
        })
    }

    fn push(&mut self, item: Item) {
        self.working.push(Working {
            item,
            user: self.user.map(str::to_owned),
            cluster: self.rules.cluster.clone(),
            from: None,
            foreign: false,
        });
    }
}

/// Whether two records are one: the name they point at counts without case (RFC 4343).
fn same_rdata(rtype: RecordType, a: &Rdata, b: &Rdata) -> bool {
    if a == b {
        return true;
    }
    let (Some(target), Some(other)) = (a.target(rtype), b.target(rtype)) else {
        return false;
    };
    let beside = |rdata: &Rdata, target: &Name| {
        let start = match rtype {
            RecordType::MX | RecordType::SVCB | RecordType::HTTPS => 2,
            RecordType::SRV => 6,
            _ => 0,
        };
        let (before, rest) = rdata.wire().split_at(start);
        (before.to_vec(), rest[target.wire().len()..].to_vec())
    };
    target == other && beside(a, &target) == beside(b, &other)
}

/// The port of an SRV record.
pub(crate) fn srv_port(rdata: &Rdata) -> Option<u16> {
    let octets = rdata.wire().get(4..6)?;
    Some(u16::from_be_bytes([octets[0], octets[1]]))
}

fn shown(rtype: RecordType, selector: &Selector) -> String {
    match selector {
        Selector::Rdata(rdata) => rdata.to_text(rtype),
        Selector::Backend {
            address,
            port: Some(port),
        } => format!("{address} port {port}"),
        Selector::Backend {
            address,
            port: None,
        } => address.to_string(),
    }
}

/// What a name may hold: a CNAME alone, and none at an apex (RFC 1034 section 3.6.2).
pub(super) fn check(
    name: &Name,
    working: &[Working],
    layout: &Layout,
    place: &str,
) -> Result<(), PlanError> {
    let aliases = working
        .iter()
        .filter(|one| one.item.rtype == RecordType::CNAME);
    let targets: Vec<String> = aliases
        .clone()
        .map(|one| one.item.rdata.to_text(RecordType::CNAME))
        .collect();
    let Some(target) = targets.first() else {
        return Ok(());
    };
    let conflict = |problem| {
        let (field, name) = (field(place, "type"), name.clone());
        Err(PlanError::Conflict {
            field,
            problem,
            name,
        })
    };
    if layout.zones.all().contains(name) {
        return conflict(format!(
            "{name} is a zone: its apex has SOA and NS, beside which no CNAME may stand"
        ));
    }
    let is_itself = |one: &Working| one.item.rdata.target(RecordType::CNAME).as_ref() == Some(name);
    if aliases.clone().any(is_itself) {
        return conflict(format!("{name} would be an alias of itself"));
    }
    if targets.len() > 1 {
        let targets = targets.join(" and ");
        return conflict(format!(
            "{name} would be an alias of {targets}: a name has one CNAME, change it by PUT"
        ));
    }
    let other = working
        .iter()
        .find(|one| one.item.rtype != RecordType::CNAME);
    match other {
        None => Ok(()),
        Some(other) => conflict(format!(
            "{name} would be an alias of {target} and have {} records: a CNAME stands alone, \
             delete one of them first",
            other.item.rtype
        )),
    }
}
