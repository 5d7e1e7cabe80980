//! `retain`: exactly what is due goes, every due row is accounted for, whatever dies or interferes meanwhile.

#[path = "retain/accounts.rs"]
mod accounts;
#[path = "retain/age.rs"]
mod age;
#[path = "retain/approval.rs"]
mod approval;
#[path = "retain/calendar.rs"]
mod calendar;
#[path = "retain/catalogue.rs"]
mod catalogue;
#[path = "retain/columns.rs"]
mod columns;
#[path = "retain/contact.rs"]
mod contact;
#[path = "retain/dice.rs"]
mod dice;
#[cfg(feature = "operator")]
#[path = "retain/examples.rs"]
mod examples;
#[path = "retain/fences.rs"]
mod fences;
#[path = "retain/hijack.rs"]
mod hijack;
#[path = "retain/hold_kinds.rs"]
mod hold_kinds;
#[path = "retain/hold_race.rs"]
mod hold_race;
#[path = "retain/holds.rs"]
mod holds;
#[path = "retain/hostile.rs"]
mod hostile;
#[path = "retain/keeps.rs"]
mod keeps;
#[path = "retain/kill.rs"]
mod kill;
#[path = "retain/legal_hold.rs"]
mod legal_hold;
#[path = "retain/lost.rs"]
mod lost;
#[path = "retain/methods.rs"]
mod methods;
#[path = "retain/moments.rs"]
mod moments;
#[path = "retain/newer.rs"]
mod newer;
#[path = "retain/notice.rs"]
mod notice;
#[path = "retain/oracle.rs"]
mod oracle;
#[path = "retain/parents.rs"]
mod parents;
#[path = "retain/partitions.rs"]
mod partitions;
#[path = "retain/parts.rs"]
mod parts;
#[path = "retain/pooled.rs"]
mod pooled;
#[path = "retain/pooler.rs"]
mod pooler;
#[path = "retain/refusals.rs"]
mod refusals;
#[path = "retain/released.rs"]
mod released;
#[path = "retain/replica.rs"]
mod replica;
#[path = "retain/restrict.rs"]
mod restrict;
#[path = "retain/second.rs"]
mod second;
#[path = "retain/sets.rs"]
mod sets;
#[path = "retain/shred.rs"]
mod shred;
#[path = "retain/small_counts.rs"]
mod small_counts;
#[path = "retain/stages.rs"]
mod stages;
#[path = "retain/standby.rs"]
mod standby;
#[path = "retain/stores.rs"]
mod stores;
#[path = "retain/story.rs"]
mod story;
#[path = "retain/terms.rs"]
mod terms;
#[path = "retain/throttle.rs"]
mod throttle;
#[path = "retain/traffic.rs"]
mod traffic;
#[path = "retain/versions.rs"]
mod versions;
#[path = "retain/world.rs"]
pub(crate) mod world;
