//! What takes personal data out of a region: channels' sinks and feeds, databases abroad, recipients of rules.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::ResourceExt;

use super::book::{Book, Spot, Told};
use super::{Ground, Place};
use crate::api::{Connector, Severity, SocialChannel, SocialChannelSpec};
use crate::packs::{Check, Country};
use crate::plan::flows::{self, Flow, Part};
use crate::plan::gates::{self, Border, Judgement};
use crate::plan::placement::{self, earlier};

/// Looks at everything that leaves a chosen region. Answers when one of them may turn.
pub(super) fn look(ground: &Ground<'_>, book: &mut Book<'_>) -> Option<Timestamp> {
    let mut wake_at = None;
    for place in &ground.places {
        let border = Border {
            region: &place.facts.region,
            regions: &ground.facts.regions,
            packs: &ground.facts.packs,
            now: ground.now,
        };
        // Many channels send to few countries.
        let mut known: BTreeMap<Country, Judgement> = BTreeMap::new();
        let mut judge = |to: &Country| {
            let judgement = known.entry(to.clone());
            judgement
                .or_insert_with(|| gates::transfer(&border, to))
                .clone()
        };
        let anywhere = gates::transfer_anywhere(&border);
        for (field, country) in named(ground, place) {
            if let Some(country) = Country::parse(&country) {
                judged(place, &field, &judge(&country), book);
            }
        }
        recipients(ground, place, book);
        for channel in channels(ground, place) {
            let spec = &channel.spec;
            let namespace = channel.namespace().unwrap_or_default();
            let own = format!("SocialChannel {namespace}/{}", channel.name_any());
            for flow in flows::flows(spec, |to| to.map_or_else(|| anywhere.clone(), &mut judge)) {
                of_channel(place, &own, &flow, book);
            }
            for flow in flows::stores(spec, &place.facts.region.spec, &mut judge) {
                // What the Region says of its stores is among what is named.
                if flow.part == Part::OwnStore {
                    of_channel(place, &own, &flow, book);
                }
            }
            store(place, (&own, spec), book);
            goods(place, (&own, spec), book);
        }
        let turns = known
            .values()
            .chain([&anywhere])
            .map(|judgement| judgement.wake_at);
        wake_at = turns.fold(wake_at, earlier);
    }
    wake_at
}

/// The countries that the region's stores and the policy's rules name.
fn named(ground: &Ground<'_>, place: &Place<'_>) -> Vec<(String, String)> {
    let stores = place
        .facts
        .region
        .spec
        .data_stores
        .iter()
        .filter_map(|store| {
            let field = format!(
                "Region {}, spec.dataStores[{}].country",
                place.name, store.name
            );
            Some((field, store.country.clone()?))
        });
    let rules = ground.facts.policy.spec.rules.iter();
    let recipients = rules.flat_map(|rule| {
        rule.recipients.iter().filter_map(|recipient| {
            let field = format!(
                "spec.rules[{}].recipients[{}].country",
                rule.name, recipient.name
            );
            Some((field, recipient.country.clone()?))
        })
    });
    stores.chain(recipients).collect()
}

/// The channels there that the policy is for.
fn channels<'a>(
    ground: &'a Ground<'_>,
    place: &'a Place<'_>,
) -> impl Iterator<Item = &'a SocialChannel> {
    let region = &place.facts.region;
    let channels = ground.facts.channels.iter().map(AsRef::as_ref);
    channels.filter(move |channel: &&SocialChannel| {
        channel.metadata.deletion_timestamp.is_none()
            && placement::channel_chooses(channel, region)
            && gates::selects(&ground.facts.policy, channel, region)
    })
}

fn of_channel(place: &Place<'_>, own: &str, flow: &Flow, book: &mut Book<'_>) {
    let field = format!("{own}, {}", flow.part.field());
    if flow.country.is_some() {
        judged(place, &field, &flow.judgement, book);
    } else {
        let held = if flow.judgement.is_open() {
            ""
        } else {
            ", so that it gets none"
        };
        let message = format!(
            "where {} would get personal data is unknown{held}",
            flow.part.told()
        );
        unknown(place, &field, (message, Severity::High), book);
    }
}

/// What a law says to a flow, for those regimes that the policy carries there.
fn judged(place: &Place<'_>, field: &str, judgement: &Judgement, book: &mut Book<'_>) {
    let remedy = format!(
        "write an instrument that is valid today into Region {}, spec.transfers, or send it to a country where none is needed",
        place.name
    );
    let renew = format!(
        "renew it in Region {}, spec.transfers; look at the decision, and at the regime pack",
        place.name
    );
    let (closed, doubts, ending) = (&judgement.closed, &judgement.doubts, &judgement.ending);
    let closed = closed.iter().map(|it| {
        (
            it,
            Check::TransferWithoutInstrument,
            Severity::High,
            &remedy,
        )
    });
    let doubts = doubts
        .iter()
        .map(|it| (it, Check::TransferWithoutInstrument, Severity::Low, &remedy));
    let ending = ending
        .iter()
        .map(|it| (it, Check::TransferEnding, Severity::High, &renew));
    for ((regime, why), check, at_most, remedy) in closed.chain(doubts).chain(ending) {
        if !place.regimes.contains(regime.as_str()) {
            continue;
        }
        let told = Told {
            parts: BTreeSet::from([why.message.clone()]),
            at_most,
            ..Told::once("", remedy.as_str())
        };
        book.enter(regime, check, Spot::here(place.name, field), told);
    }
}

/// Where the connector's own database is, as nobody says: it is taken to be in the Region.
fn store(place: &Place<'_>, (own, spec): (&str, &SocialChannelSpec), book: &mut Book<'_>) {
    // The data store that it names says by itself where it is.
    let silent = |it: &Connector| it.store.country.is_none() && it.opt_out.is_none();
    if !spec.connector.as_ref().is_some_and(silent) {
        return;
    }
    let message =
        "where the connector's own database is, is unknown: each event is written there first";
    let remedy =
        "write the country there, such as \"DE\", or Region where it is in each region itself";
    let field = format!("{own}, {}", Part::OwnStore.field());
    unsaid(place, &field, (message.to_owned(), remedy), book);
}

/// Where goods come from and go to: no personal data, and the register wants to know all the same.
fn goods(place: &Place<'_>, (own, spec): (&str, &SocialChannelSpec), book: &mut Book<'_>) {
    let Some(catalog) = &spec.catalog else {
        return;
    };
    if catalog.personal_data.is_none() && !spec.feeds.is_empty() {
        let message = "nobody said whether the catalogue's items speak of persons: they count as goods, but for countries to which a law asks for an instrument";
        let remedy = "write true or false there";
        let field = format!("{own}, spec.catalog.personalData");
        unsaid(place, &field, (message.to_owned(), remedy), book);
    }
    if catalog.source.country.is_none() {
        let message = "where the catalogue comes from is unknown".to_owned();
        let field = format!("{own}, spec.catalog.source.country");
        unknown(place, &field, (message, Severity::Low), book);
    }
    let speaks = catalog.personal_data == Some(true);
    for feed in spec
        .feeds
        .iter()
        .filter(|feed| feed.destination.country.is_none() && !speaks)
    {
        let part = Part::Feed(feed.name.clone());
        let says = match catalog.personal_data {
            Some(_) => "it says nothing of persons",
            None => "nobody said whether it says anything of persons",
        };
        let message = format!("where {} goes is unknown; {says}", part.told());
        unknown(
            place,
            &format!("{own}, {}", part.field()),
            (message, Severity::Low),
            book,
        );
    }
}

/// Recipients are not Tradewind's to send to; where they are, the register has to say.
fn recipients(ground: &Ground<'_>, place: &Place<'_>, book: &mut Book<'_>) {
    for rule in &ground.facts.policy.spec.rules {
        let silent = rule.recipients.iter().filter(|it| it.country.is_none());
        for recipient in silent {
            let message = format!("where recipient {} is, is unknown", recipient.name);
            let field = format!(
                "spec.rules[{}].recipients[{}].country",
                rule.name, recipient.name
            );
            unknown(place, &field, (message, Severity::Low), book);
        }
    }
}

/// What nobody said, and only the register lacks.
fn unsaid(place: &Place<'_>, field: &str, (message, remedy): (String, &str), book: &mut Book<'_>) {
    for regime in &place.regimes {
        let told = Told {
            at_most: Severity::Low,
            ..Told::once(message.clone(), remedy)
        };
        let spot = Spot::here(place.name, field);
        book.enter(regime, Check::CountryUnknown, spot, told);
    }
}

fn unknown(
    place: &Place<'_>,
    field: &str,
    (message, at_most): (String, Severity),
    book: &mut Book<'_>,
) {
    for regime in &place.regimes {
        let told = Told {
            at_most,
            ..Told::once(message.clone(), "write the country there, such as \"DE\"")
        };
        book.enter(
            regime,
            Check::CountryUnknown,
            Spot::here(place.name, field),
            told,
        );
    }
}
