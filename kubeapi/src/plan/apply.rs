//! Applies one change to the working copy of a name, and checks what a name may hold in the end.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use containerdns_schema::format::AnswerPolicy;
use containerdns_schema::format::containerdns::Backend;
use containerdns_schema::rest::{Change, NameChange, NewRecord, Selector};
use containerdns_schema::{Name, Rdata, RecordType};

use super::identity::{Identity, identities, srv_numbers};
use super::{PlanError, Rules, Working, field, has_policy};
use crate::records::{Item, Layout};

/// Applies one change.
pub(super) fn apply(
    working: &mut Vec<Working>,
    change: &NameChange,
    rules: &Rules,
) -> Result<(), PlanError> {
    let policies = working.iter().filter_map(|one| one.policy);
    let mut name = NameCopy {
        policy: policies.min(),
        working,
        user: change.user.as_deref(),
        change,
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
        Change::Set { rtype, ttl } => {
            name.check_owner()?;
            name.check_present(*rtype)?;
            name.set_ttl(*rtype, *ttl);
            Ok(())
        }
        Change::Remove { rtype, records } => {
            name.check_owner()?;
            name.remove(*rtype, records)
        }
        Change::RemoveAll => name.remove_all(),
    }?;
    if let Some(policy) = change.settings.policy {
        name.set_policy(policy);
    }
    match change.change.rtype() {
        Some(rtype) => name.set_weights(rtype),
        None => Ok(()),
    }
}

/// The copy of a name, and what is asked of it.
struct NameCopy<'a> {
    working: &'a mut Vec<Working>,
    change: &'a NameChange,
    user: Option<&'a str>,
    rules: &'a Rules,
    /// How answers are chosen there before the change.
    policy: Option<AnswerPolicy>,
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
        let mut known: HashSet<Identity> = HashSet::new();
        known.extend(self.of_type(rtype).flat_map(|one| identities(&one.item)));
        for record in records {
            let mut item = self.item(rtype, record, None)?;
            item.ttl = ttl.or(kept);
            let identities = identities(&item);
            if !identities.iter().any(|identity| known.contains(identity)) {
                known.extend(identities);
                self.push(item, None);
            }
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
        let mut wanted: HashSet<Identity> = HashSet::new();
        for record in records {
            wanted.extend(identities(&self.item(rtype, record, None)?));
        }
        let kept = self.of_type(rtype).find_map(|one| one.item.ttl);
        self.working.retain(|one| {
            let is_wanted = |identity: &Identity| wanted.contains(identity);
            one.item.rtype != rtype || identities(&one.item).iter().any(is_wanted)
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
        let places = self.places(rtype, pairs.iter().map(|(old, _)| old));
        let mut gone = HashSet::new();
        for (places, (old, _)) in places.iter().zip(pairs) {
            let shown = || shown(rtype, old);
            if places.is_empty() {
                let (name, shown) = (&self.change.name, shown());
                let problem = format!(
                    "{name} has no {rtype} record {shown} any more: read the name and try again"
                );
                return Err(self.conflict("update", problem));
            }
            if !places.iter().all(|at| gone.insert(*at)) {
                return Err(PlanError::Impossible {
                    field: field(&self.change.place, "update"),
                    problem: format!("names {} twice", shown()),
                });
            }
        }
        let mut renewed = Vec::with_capacity(pairs.len());
        for ((_, new), places) in pairs.iter().zip(&places) {
            let old = self.working[places[0]].clone();
            let mut item = self.item(rtype, new, Some(&old.item))?;
            item.ttl = ttl.or(old.item.ttl);
            renewed.push((item, old));
        }
        self.take_out(&gone);
        let mut known: HashSet<Identity> = HashSet::new();
        known.extend(self.of_type(rtype).flat_map(|one| identities(&one.item)));
        for (item, old) in renewed {
            let identities = identities(&item);
            if !identities.iter().any(|identity| known.contains(identity)) {
                known.extend(identities);
                self.push(item, old.cluster);
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
        let places = self.places(rtype, records.iter());
        if let Some(at) = places.iter().position(Vec::is_empty) {
            let (name, shown) = (&self.change.name, shown(rtype, &records[at]));
            return Err(PlanError::NotFound {
                field: field(&self.change.place, "records"),
                problem: format!("{name} has no {rtype} record {shown}"),
            });
        }
        self.take_out(&places.into_iter().flatten().collect());
        Ok(())
    }

    /// Removes the records at these places.
    fn take_out(&mut self, places: &HashSet<usize>) {
        let mut at = 0;
        self.working.retain(|_| {
            at += 1;
            !places.contains(&(at - 1))
        });
    }

    /// Where the records of each selector are: one record may stand in several keys.
    fn places<'s>(
        &self,
        rtype: RecordType,
        selectors: impl Iterator<Item = &'s Selector>,
    ) -> Vec<Vec<usize>> {
        let mut by_identity: HashMap<Identity, Vec<usize>> = HashMap::new();
        for (at, one) in self.working.iter().enumerate() {
            if one.item.rtype == rtype {
                for identity in identities(&one.item) {
                    by_identity.entry(identity).or_default().push(at);
                }
            }
        }
        let of = |selector: &Selector| {
            let found = match selector {
                Selector::Rdata(rdata) => by_identity.get(&Identity::of_rdata(rtype, rdata)),
                Selector::Backend {
                    address,
                    port: Some(port),
                } => by_identity.get(&Identity::Backend(*address, *port)),
                Selector::Backend {
                    address,
                    port: None,
                } => {
                    let backends = self.working.iter().enumerate();
                    let here = backends.filter(|(_, one)| {
                        one.item.rtype == rtype && one.item.backend == Some(*address)
                    });
                    return here.map(|(at, _)| at).collect();
                }
            };
            found.cloned().unwrap_or_default()
        };
        selectors.map(of).collect()
    }

    /// All that the caller owns goes; where that is nothing, what nobody owns. The rest stays.
    fn remove_all(&mut self) -> Result<(), PlanError> {
        let owned = |one: &Working| one.user.is_some() && one.user.as_deref() == self.user;
        let has_owner = |one: &Working| one.foreign || one.user.is_some();
        let is_owned = self.working.iter().any(has_owner);
        let present = std::mem::take(self.working);
        let (gone, kept): (Vec<Working>, Vec<Working>) = present
            .into_iter()
            .partition(|one| !is_owned || !one.foreign && owned(one));
        *self.working = kept;
        match self.working.iter().find(|one| has_owner(one)) {
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

    /// A policy is the whole name's: all its records that can have one have the same.
    fn set_policy(&mut self, policy: Option<AnswerPolicy>) {
        for one in self.working.iter_mut() {
            let policy = policy.filter(|_| has_policy(one.item.rtype));
            if one.policy != policy {
                one.policy = policy;
                one.from = None;
            }
        }
    }

    fn set_weights(&mut self, rtype: RecordType) -> Result<(), PlanError> {
        let mut missing: BTreeSet<IpAddr> = self.change.settings.weights.keys().copied().collect();
        for one in self.working.iter_mut() {
            let address = one.item.rdata.as_ip(rtype);
            let Some(address) = address.filter(|_| one.item.rtype == rtype) else {
                continue;
            };
            if let Some(weight) = self.change.settings.weights.get(&address) {
                missing.remove(&address);
                if one.item.weight != *weight {
                    one.item.weight = *weight;
                    one.from = None;
                }
            }
        }
        match missing.first() {
            None => Ok(()),
            Some(address) => Err(PlanError::NotFound {
                field: field(&self.change.place, "weights"),
                problem: format!("{} has no {rtype} record {address}", self.change.name),
            }),
        }
    }

    fn of_type(&self, rtype: RecordType) -> impl Iterator<Item = &Working> {
        self.working
            .iter()
            .filter(move |one| one.item.rtype == rtype)
    }

    /// A record as it is kept; one that takes the place of `old` keeps its priority and weights.
    fn item(
        &self,
        rtype: RecordType,
        record: &NewRecord,
        old: Option<&Item>,
    ) -> Result<Item, PlanError> {
        let (rdata, backend) = match record {
            NewRecord::Rdata(rdata) => (rdata.clone(), None),
            NewRecord::Backend { address, port } => {
                let backend = Backend::new(*address, *port);
                let target = backend.target(&self.change.name);
                let target = target.map_err(|error| PlanError::Impossible {
                    field: field(&self.change.place, "name"),
                    problem: format!("no room for the label of a backend before it: {error}"),
                })?;
                let old = old.and_then(|old| srv_numbers(&old.rdata));
                let (priority, weight) = old.map_or(
                    (backend.priority, backend.weight),
                    |[priority, weight, _]| (priority, weight),
                );
                let rdata = Rdata::srv(priority, weight, *port, &target);
                (rdata, Some(*address))
            }
        };
        Ok(Item {
            rtype,
            ttl: None,
            rdata,
            weight: old.and_then(|old| old.weight),
            backend,
        })
    }

    fn push(&mut self, item: Item, cluster: Option<String>) {
        self.working.push(Working {
            policy: self.policy.filter(|_| has_policy(item.rtype)),
            item,
            user: self.user.map(str::to_owned),
            cluster: cluster.or_else(|| self.rules.cluster.clone()),
            from: None,
            foreign: false,
        });
    }
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
    let mut targets: Vec<String> = aliases
        .clone()
        .map(|one| one.item.rdata.to_text(RecordType::CNAME).to_lowercase())
        .collect();
    targets.sort_unstable();
    targets.dedup();
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
