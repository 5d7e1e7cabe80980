//! Where a region's stores have rows of persons, and how a person is found in them: what the rules of all policies that
//! select the region say together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::{DataPolicy, DataStore, DatasetSubject, Erase, PolicyRule, Region, SocialChannel};
use crate::contract::{
    ColumnChange, ColumnSet, IdentityKind, Lookup, Method, SubjectColumn, SubjectStore,
    SubjectTable,
};
use crate::packs::Packs;
use crate::plan::calculus::Laws;
use crate::plan::pod::Mount;
use crate::plan::reason::Word;
use crate::plan::{Reason, RegionFacts, RequestFacts, calculus, meta, placement, retention};

/// Where the persons are.
pub(super) struct People {
    /// The kinds of values by which they are known.
    pub(super) kinds: Vec<IdentityKind>,
    /// The stores' secrets, in the stores' order.
    pub(super) mounts: Vec<Mount>,
    stores: BTreeMap<String, SubjectStore>,
    /// The tables, after their stores, of which a rule has said how rows go.
    said: BTreeSet<(String, String)>,
    /// What a law keeps of a table, said by a rule in words that nobody can look up.
    unread: Option<String>,
}

/// What the hub has, by which it is decided whose rules are for a region.
type Hub<'a> = (
    &'a BTreeMap<String, Arc<DataPolicy>>,
    &'a [Arc<SocialChannel>],
    &'a BTreeMap<String, RegionFacts>,
);

impl People {
    /// Of a region.
    pub(super) fn of(
        facts: &RequestFacts,
        region: &Region,
        now: Timestamp,
    ) -> Result<Self, Reason> {
        let packs = (facts.packs.as_ref(), now);
        let hub = (&facts.policies, facts.channels.as_slice(), &facts.regions);
        Self::within(hub, packs, region)
    }

    /// Of a region, by the policies, channels and Regions of the hub and the laws of its packs.
    pub(super) fn within(
        (all, channels, regions): Hub<'_>,
        (packs, now): (&Packs, Timestamp),
        region: &Region,
    ) -> Result<Self, Reason> {
        let name = region.name_any();
        let policies = chosen((all, channels), region);
        let laws = Laws::new(region, packs, now);
        let claims = calculus::claims(&keeping((all, channels, regions), region), &laws);
        let mut people = Self::nobody(region);
        for (policy, rule) in rules(&policies) {
            if rule.dataset.subjects.is_empty() {
                continue;
            }
            let store = store(region, &rule.dataset.store).ok_or_else(|| {
                Word::StoreNotFound.because(format!(
                    "DataPolicy {}, rule {}: Region {name} has no data store {}; add it to the Region",
                    policy.name_any(),
                    rule.name,
                    rule.dataset.store
                ))
            })?;
            people.known(policy, rule)?;
            if people.unread.is_none() {
                people.unread = calculus::unread_on(&claims, rule, &region.spec);
            }
            let keeps = calculus::keeps_on(&claims, rule, &region.spec);
            people.enter(store, rule, keeps);
        }
        if people.stores.is_empty() {
            return Err(Word::NobodyMapped.because(format!(
                "no rule of a DataPolicy for Region {name} says whose a table's rows are; write dataset.subjects"
            )));
        }
        Ok(people)
    }

    /// Every store of a region and no table: the region's own books say in which of them a request was begun. A store whose
    /// Secret is gone keeps no pod from looking into the others.
    pub(super) fn anywhere(region: &Region) -> Self {
        let mut people = Self::nobody(region);
        for store in &region.spec.data_stores {
            people.reach(store);
        }
        for mount in &mut people.mounts {
            mount.optional.append(&mut mount.required);
        }
        people
    }

    fn nobody(region: &Region) -> Self {
        Self {
            kinds: kinds(region),
            mounts: Vec::new(),
            stores: BTreeMap::new(),
            said: BTreeSet::new(),
            unread: None,
        }
    }

    /// Whether rows may go: what a request keeps it keeps for good, so it does not begin while a misspelt word keeps all of a
    /// table.
    pub(super) fn erasable(&self, region: &str) -> Result<(), Reason> {
        let Some(unread) = &self.unread else {
            return Ok(());
        };
        Err(Word::RecordsUnknown.because(format!(
            "in Region {region} {unread}: mend what that policy says; nothing is erased before, and nothing kept for good"
        )))
    }

    /// The tables, as the agent takes them.
    pub(super) fn tables(&self) -> Vec<SubjectStore> {
        self.stores.values().cloned().collect()
    }

    /// Whether rows of a table are somebody's.
    pub(super) fn has(&self, store: &str, table: &str) -> bool {
        let store = self.stores.get(store);
        store.is_some_and(|store| store.tables.iter().any(|own| own.table == table))
    }

    /// The stores' names.
    pub(super) fn stores(&self) -> BTreeSet<&str> {
        self.stores.keys().map(String::as_str).collect()
    }

    /// Every kind of a rule is one that the Region takes.
    fn known(&self, policy: &DataPolicy, rule: &PolicyRule) -> Result<(), Reason> {
        let known = |subject: &&DatasetSubject| {
            let mut kinds = self.kinds.iter();
            !kinds.any(|kind| kind.name == subject.identity)
        };
        let Some(stranger) = rule.dataset.subjects.iter().find(known) else {
            return Ok(());
        };
        Err(Word::IdentityUnknown.because(format!(
            "DataPolicy {}, rule {}: dataset.subjects[{}].identity: the Region knows no {}; add it to its \
             spec.requests.identities",
            policy.name_any(),
            rule.name,
            stranger.column,
            stranger.identity
        )))
    }

    /// A store, with its Secret.
    fn reach(&mut self, store: &DataStore) -> &mut SubjectStore {
        let mount = retention::mount(store);
        let secret = &store.postgres.secret_ref;
        self.stores.entry(store.name.clone()).or_insert_with(|| {
            self.mounts
                .push(Mount::key(mount.clone(), &secret.name, &secret.key));
            SubjectStore {
                name: store.name.clone(),
                url: meta::secret_file(&mount, &secret.key),
                lookups: Vec::new(),
                tables: Vec::new(),
            }
        })
    }

    /// A rule's table. What several policies say of one is put together: every subject counts, and every column that changes.
    fn enter(
        &mut self,
        store: &DataStore,
        rule: &PolicyRule,
        keeps: Vec<crate::contract::RetentionKeep>,
    ) {
        let dataset = &rule.dataset;
        // What hides rows, or gives them other names, is no erasure, and says nothing of how a person's rows go.
        let erase = rule.erase.as_ref().filter(|erase| erase.method.erases());
        let key = (store.name.clone(), dataset.table.clone());
        let is_first = erase.is_some() && self.said.insert(key);
        let entry = self.reach(store);
        for lookup in lookups(rule) {
            if !entry.lookups.contains(&lookup) {
                entry.lookups.push(lookup);
            }
        }
        let at = entry.tables.iter().position(|it| it.table == dataset.table);
        let at = at.unwrap_or_else(|| {
            entry.tables.push(SubjectTable {
                name: dataset.table.clone(),
                table: dataset.table.clone(),
                subjects: Vec::new(),
                clock: Some(dataset.clock.clone()),
                keeps,
                method: Method::Delete,
                columns: Vec::new(),
                portable: false,
            });
            entry.tables.len() - 1
        });
        let Some(table) = entry.tables.get_mut(at) else {
            return;
        };
        for subject in &dataset.subjects {
            let column = column(subject);
            if !table.subjects.contains(&column) {
                table.subjects.push(column);
            }
        }
        table.portable |= dataset.portable;
        match erase {
            Some(erase) if is_first => {
                table.method = erase.method;
                table.columns = erase.columns.iter().map(retention::change).collect();
            }
            Some(erase) => join(table, erase),
            None => {}
        }
    }
}

/// What one more rule says of how a table's rows go. Columns that no other names change too. Where two say different methods, or
/// different things of one column, the row goes, so that nothing is left that one of them takes; keeps bind it as ever.
fn join(table: &mut SubjectTable, erase: &Erase) {
    let set = |change: &ColumnChange| ColumnChange {
        set: change.set.or(Some(ColumnSet::Null)),
        ..change.clone()
    };
    let more = erase.columns.iter().map(retention::change);
    let more: Vec<ColumnChange> = more
        .filter(|more| table.columns.iter().all(|own| set(own) != set(more)))
        .collect();
    let is_other = |more: &ColumnChange| table.columns.iter().any(|own| own.name == more.name);
    // A key is one column: of two in a table only the row's end takes both.
    let is_second_key = erase.method == Method::Shred && !more.is_empty();
    if table.method != erase.method || is_second_key || more.iter().any(is_other) {
        table.method = Method::Delete;
        table.columns.clear();
    } else {
        table.columns.extend(more);
    }
}

/// The policies that choose a region.
pub(super) fn chosen<'a>(
    (policies, channels): (
        &'a BTreeMap<String, Arc<DataPolicy>>,
        &'a [Arc<SocialChannel>],
    ),
    region: &Region,
) -> Vec<&'a DataPolicy> {
    staying(policies, |policy| {
        placement::policy_chooses(policy, region, channels)
    })
}

/// Those whose keeps are for a region, also without a channel there.
fn keeping<'a>((policies, channels, regions): Hub<'a>, region: &Region) -> Vec<&'a DataPolicy> {
    staying(policies, |policy| {
        placement::policy_keeps_in(policy, region, (channels, regions))
    })
}

/// Those that are not being deleted and are meant.
fn staying(
    policies: &BTreeMap<String, Arc<DataPolicy>>,
    is_meant: impl Fn(&DataPolicy) -> bool,
) -> Vec<&DataPolicy> {
    let all = policies.values().map(AsRef::as_ref);
    let stays = |policy: &&DataPolicy| policy.metadata.deletion_timestamp.is_none();
    all.filter(stays)
        .filter(|policy| is_meant(policy))
        .collect()
}

/// Rules by their policies' names.
fn rules<'a>(policies: &[&'a DataPolicy]) -> Vec<(&'a DataPolicy, &'a PolicyRule)> {
    let mut all: Vec<(&DataPolicy, &PolicyRule)> = policies
        .iter()
        .flat_map(|policy| policy.spec.rules.iter().map(move |rule| (*policy, rule)))
        .collect();
    all.sort_by_key(|(policy, rule)| (policy.name_any(), rule.name.clone()));
    all
}

/// The kinds of values by which a Region knows persons.
pub(super) fn kinds(region: &Region) -> Vec<IdentityKind> {
    let requests = region.spec.requests.iter();
    requests
        .flat_map(|requests| &requests.identities)
        .map(|kind| IdentityKind {
            name: kind.name.clone(),
            ignore_case: kind.ignore_case,
        })
        .collect()
}

/// The store of that name; of two names of one database, the first.
fn store<'a>(region: &'a Region, name: &str) -> Option<&'a DataStore> {
    let stores = &region.spec.data_stores;
    let named = stores.iter().find(|store| store.name == name)?;
    stores
        .iter()
        .find(|store| store.postgres.secret_ref == named.postgres.secret_ref)
}

fn column(subject: &DatasetSubject) -> SubjectColumn {
    SubjectColumn {
        column: subject.column.clone(),
        identity: subject.identity.clone(),
    }
}

/// Where a value of one kind leads to one of another in a rule's table.
fn lookups(rule: &PolicyRule) -> Vec<Lookup> {
    let subjects = &rule.dataset.subjects;
    let lookup = |gives: &DatasetSubject| {
        let kind = gives.found_by.as_ref()?;
        let by = subjects.iter().find(|by| by.identity == *kind)?;
        Some(Lookup {
            table: rule.dataset.table.clone(),
            by: column(by),
            gives: column(gives),
        })
    };
    subjects.iter().filter_map(lookup).collect()
}
