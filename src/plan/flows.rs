//! What of a channel would take personal data out of a region, and what the region's laws say to it.
//!
//! A connector sends each event as the platform wrote it, so every sink counts, whatever its events. A feed's file has
//! goods: its destination counts where the catalogue says that its items speak of persons, and, where it does not say,
//! as soon as a law asks for an instrument to go there. What is read from a
//! source comes in; where that is, is known for the register alone.

use super::gates::{Judgement, Word};
use super::{Finding, Reason};
use crate::api::condition::ConditionType;
use crate::api::{HeldFlow, RegionSpec, SocialChannelSpec};
use crate::packs::Country;

/// What `connector.store.country` says of a database that is in each Region itself.
const WITHIN: &str = "Region";

/// Which part of a channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// A sink by its name.
    Sink(String),
    /// A feed's destination by the feed's name.
    Feed(String),
    /// The connector's database, as the Region says where it is: by its name among its data stores.
    Store(String),
    /// The same, as the channel says.
    OwnStore,
}

impl Part {
    /// As status names it.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Sink(name) => format!("sink {name}"),
            Self::Feed(name) => format!("feed {name}"),
            Self::Store(name) => format!("database {name} of the connector"),
            Self::OwnStore => "database of the connector".to_owned(),
        }
    }

    /// The field that says where it is.
    pub(super) fn field(&self) -> String {
        match self {
            Self::Sink(name) => format!("spec.sinks[{name}].country"),
            Self::Feed(name) => format!("spec.feeds[{name}].destination.country"),
            Self::Store(name) => format!("spec.dataStores[{name}].country of the Region"),
            Self::OwnStore => "spec.connector.store.country".to_owned(),
        }
    }
}

/// One flow of personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) part: Part,
    /// Absent: nobody said.
    pub(super) country: Option<Country>,
    pub(super) judgement: Judgement,
    /// Nobody said whether it is personal data, and a law would ask.
    is_guess: bool,
}

/// What would take personal data somewhere, in the order of the channel's fields, and what `judge` says to each country, or to one that
/// nobody named.
pub(super) fn flows(
    spec: &SocialChannelSpec,
    mut judge: impl FnMut(Option<&Country>) -> Judgement,
) -> Vec<Flow> {
    let sinks = spec.sinks.iter().filter(|_| spec.connector.is_some());
    let sinks = sinks.map(|sink| {
        let part = Part::Sink(sink.name.clone());
        (part, sink.country.as_deref(), false)
    });
    // Whether the catalogue's items speak of persons, if somebody said so.
    let said = spec.catalog.as_ref().map(|it| it.personal_data);
    let feeds = spec.feeds.iter().filter_map(|feed| {
        let is_guess = said?.is_none();
        let part = Part::Feed(feed.name.clone());
        let country = feed.destination.country.as_deref();
        (said? != Some(false)).then_some((part, country, is_guess))
    });
    let flow = |(part, country, is_guess): (Part, Option<&str>, bool)| {
        let country = country.and_then(Country::parse);
        if is_guess && country.is_none() {
            return None;
        }
        let judgement = judge(country.as_ref());
        (!is_guess || judgement.is_asked()).then_some(Flow {
            part,
            country,
            judgement,
            is_guess,
        })
    };
    feeds.chain(sinks).filter_map(flow).collect()
}

/// The connector's own database, where somebody says that it is elsewhere: each event is written there first. The channel may
/// say it, or the Region of the data store that `connector.optOut` names; where both do, neither opens what the other closes.
pub(super) fn stores(
    spec: &SocialChannelSpec,
    region: &RegionSpec,
    mut judge: impl FnMut(&Country) -> Judgement,
) -> Vec<Flow> {
    let connector = spec.connector.as_ref();
    let own = connector.and_then(|it| it.store.country.as_deref());
    let own = own.map(|code| (Part::OwnStore, code));
    let name = connector.and_then(|it| Some(&it.opt_out.as_ref()?.data_store));
    let by_region = name.and_then(|name| {
        let mut stores = region.data_stores.iter();
        let store = stores.find(|store| store.name == *name)?;
        Some((Part::Store(name.clone()), store.country.as_deref()?))
    });
    let said = own.into_iter().chain(by_region);
    said.filter_map(|(part, code)| {
        let country = Country::parse(code)?;
        Some(Flow {
            part,
            judgement: judge(&country),
            country: Some(country),
            is_guess: false,
        })
    })
    .collect()
}

/// Every country that a channel names, with its field: for those that are none.
pub(super) fn named(spec: &SocialChannelSpec) -> Vec<(String, String)> {
    let source = spec
        .catalog
        .as_ref()
        .and_then(|catalog| catalog.source.country.clone());
    let source = source.map(|code| ("spec.catalog.source.country".to_owned(), code));
    let feeds = spec.feeds.iter().filter_map(|feed| {
        let part = Part::Feed(feed.name.clone());
        Some((part.field(), feed.destination.country.clone()?))
    });
    let sinks = spec.sinks.iter().filter_map(|sink| {
        let part = Part::Sink(sink.name.clone());
        Some((part.field(), sink.country.clone()?))
    });
    let store = spec
        .connector
        .as_ref()
        .and_then(|it| it.store.country.clone());
    let store = store
        .filter(|code| code != WITHIN)
        .map(|code| (Part::OwnStore.field(), code));
    let all = source.into_iter().chain(feeds).chain(sinks);
    all.chain(store).collect()
}

impl Flow {
    /// Why it must not be made, if so.
    pub(super) fn held(&self) -> Option<HeldFlow> {
        let why = self.judgement.refusal()?;
        let waits = match self.part {
            Part::Sink(_) => "; events for it wait in the connector's store",
            Part::Feed(_) => "; until then the feed is not written",
            Part::Store(_) | Part::OwnStore => {
                "; until then no connector runs here: webhooks are refused, and the platform sends them again"
            }
        };
        let field = match self.country {
            Some(_) => String::new(),
            None => format!(": {}", self.wanted()),
        };
        let guess = if self.is_guess {
            "; nobody said whether the catalogue's items speak of persons: if none does, write false into spec.catalog.personalData"
        } else {
            ""
        };
        Some(HeldFlow {
            flow: self.part.told(),
            reason: why.word,
            message: format!("{}{field}{guess}{waits}", why.message),
        })
    }

    /// What is to be written where nobody said where it is.
    fn wanted(&self) -> String {
        format!(
            "write the country, such as \"DE\", into {}",
            self.part.field()
        )
    }

    /// What the condition says of it: what ends soon first, so that it is seen.
    pub(super) fn findings(&self, region: &str) -> Vec<Finding> {
        let name = self.part.told();
        let find = |holds: Option<bool>, why: Reason| Finding {
            condition: ConditionType::TransfersLawful,
            region: Some(region.to_owned()),
            holds,
            reason: Reason {
                message: format!("{name}: {}", why.message),
                ..why
            },
        };
        if let Some(held) = self.held() {
            let why = Reason {
                word: held.reason,
                message: held.message,
            };
            return vec![find(Some(false), why)];
        }
        let Some(country) = &self.country else {
            // No law that somebody confirmed asks for an instrument: nothing is held, and nobody can say that it is lawful.
            let told = format!("nobody said where it is; {}", self.wanted());
            return vec![find(None, Word::CountryUnknown.because(told))];
        };
        let told = self.judgement.ending.iter().chain(&self.judgement.doubts);
        let mut findings: Vec<Finding> =
            told.map(|(_, why)| find(Some(true), why.clone())).collect();
        let grounds: Vec<&str> = self
            .judgement
            .grounds
            .iter()
            .map(|(_, told)| told.as_str())
            .collect();
        let why = if grounds.is_empty() {
            Word::NothingLeaves.because(format!(
                "no law here asks for an instrument to go to {country}"
            ))
        } else {
            Word::TransferLawful.because(format!("goes to {country} on {}", grounds.join(", and ")))
        };
        findings.push(find(Some(true), why));
        findings
    }
}
