//! What persons can opt out of: the sinks of a channel that are a sale or a sharing, and how its connector is told of it.

use crate::api::{ConnectorOptOut, DataStore, Region, SocialChannelSpec};
use crate::packs::Platform;
use crate::plan::Reason;
use crate::plan::reason::Word;

/// The sinks that are a sale or a sharing, by their names; none where no connector sends them anything.
pub(super) fn sold(spec: &SocialChannelSpec) -> Vec<&str> {
    let sinks = spec.connector.iter().flat_map(|_| &spec.sinks);
    let mut sold: Vec<&str> = sinks
        .filter(|sink| sink.sale_or_sharing == Some(true))
        .map(|sink| sink.name.as_str())
        .collect();
    sold.sort_unstable();
    sold
}

/// The data store of a region by which a connector is told, and the kind of value by which its platform knows persons; or
/// why nobody could opt out there. `at` is where the channel is written down.
pub(super) fn means<'a>(
    spec: &'a SocialChannelSpec,
    (name, region): (&str, &'a Region),
    at: &str,
) -> Result<(&'a DataStore, &'a str), Reason> {
    let told = spec.connector.as_ref().and_then(|it| it.opt_out.as_ref());
    let ConnectorOptOut {
        data_store,
        identity,
    } = told.ok_or_else(|| {
        Word::StoreNotFound.because(format!(
            "{at}spec.connector.optOut: a sink with saleOrSharing needs it, so that persons can opt out"
        ))
    })?;
    let mut stores = region.spec.data_stores.iter();
    let store = stores
        .find(|store| store.name == *data_store)
        .ok_or_else(|| {
            Word::StoreNotFound.because(format!(
                "{at}spec.connector.optOut.dataStore: Region {name} has no data store {data_store}; add it to the Region, with \
                 the URL of the connector's own database in a Secret of its runNamespace"
            ))
        })?;
    let requests = region.spec.requests.as_ref().ok_or_else(|| {
        Word::RequestsNotTaken.because(format!(
            "{at}sinks with saleOrSharing: Region {name} takes no requests, and nobody could opt out there: give it \
             spec.requests"
        ))
    })?;
    let mut kinds = requests.identities.iter();
    if !kinds.any(|kind| kind.name == *identity && !kind.ignore_case) {
        return Err(Word::IdentityUnknown.because(format!(
            "{at}spec.connector.optOut.identity: the Region knows no {identity} that does not ignore case; add it to \
             spec.requests.identities of Region {name}"
        )));
    }
    Ok((store, identity))
}

/// Why events of a platform do not tell who a person is by one value, where that is needed.
pub(super) fn unknowable(spec: &SocialChannelSpec, platform: &Platform) -> Option<Reason> {
    let sink = sold(spec).into_iter().next()?;
    let wanted = &spec.connector.as_ref()?.events;
    let rules = platform.event_rules();
    let rule = rules
        .iter()
        .find(|rule| wanted.contains(&rule.kind) && rule.subject.len() > 1)?;
    Some(Word::OptOutUnsupported.because(format!(
        "spec.sinks[{sink}].saleOrSharing: a rule of the pack for {:?} knows the subject of an event by {} values together, so \
         that nobody could opt out by one; give the rule one pointer, or remove the sink",
        rule.kind,
        rule.subject.len()
    )))
}
