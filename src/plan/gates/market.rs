//! Does the platform sell in this Region, and in the way that the channel asks for?

use std::collections::BTreeSet;

use kube::ResourceExt;

use super::{Answer, Word, list};
use crate::api::{CheckoutMode, Region};
use crate::packs::{Country, Fact, Jurisdiction, Market, Platform};
use crate::plan::Reason;

/// The strictest market among the Region's countries decides. `checkout` is the channel's mode, when it has one.
#[must_use]
pub fn market(
    name: &str,
    platform: &Platform,
    checkout: Option<CheckoutMode>,
    region: &Region,
) -> Answer {
    let mut warnings = Vec::new();
    let mut markets: Vec<(Market, Country, &str)> = countries(region)
        .into_iter()
        .map(|country| {
            let (market, source) = market_in(name, platform, &country, &mut warnings);
            (market, country, source)
        })
        .collect();
    markets.sort_by_key(|(market, ..)| std::cmp::Reverse(*market));
    let strictest = markets.first().cloned();
    let closed = blocked(name, region, &markets).or_else(|| {
        let mode = checkout?;
        without_mode(name, platform, mode, &mut warnings)
            .or_else(|| redirect_only(name, mode, strictest.as_ref()?))
    });
    let holds = closed.is_none();
    let reason = closed.unwrap_or_else(|| {
        let way = match strictest {
            Some((Market::RedirectOnly, _, source)) => {
                format!("sells and sends buyers to the shop's own checkout ({source})")
            }
            Some((Market::Allowed | Market::Blocked, _, source)) => format!("sells ({source})"),
            None => "sells".to_owned(),
        };
        let there = list(markets.iter().map(|(_, country, _)| country));
        Word::MarketSupported.because(format!("{name} {way}: {there}"))
    });
    Answer {
        holds,
        reason,
        warnings,
    }
}

/// Countries of the Region's law and of its locale: the shop is in both.
fn countries(region: &Region) -> BTreeSet<Country> {
    let law = region.spec.jurisdictions.iter();
    let law = law.filter_map(|code| Jurisdiction::parse(code));
    let locale = region.spec.locale.default.rsplit('-').next();
    law.map(|code| code.country().clone())
        .chain(locale.and_then(Country::parse))
        .collect()
}

/// The market by confirmed facts; a stricter one that nobody confirmed is a warning.
fn market_in<'a>(
    name: &str,
    platform: &'a Platform,
    country: &Country,
    warnings: &mut Vec<Reason>,
) -> (Market, &'a str) {
    let markets = &platform.markets;
    let default = (&markets.default, markets.default.value);
    let exception = markets
        .except
        .iter()
        .find(|fact| fact.value.countries.contains(country));
    let mut decided: (Market, &str) = (Market::Allowed, "no fact speaks against it");
    if default.0.confirmed {
        decided = (default.1, default.0.source.as_str());
    } else if default.1 > Market::Allowed && exception.is_none() {
        warnings.push(unconfirmed(name, country, default.1, default.0));
    }
    let Some(exception) = exception else {
        return decided;
    };
    if exception.confirmed {
        return (exception.value.market, exception.source.as_str());
    }
    if exception.value.market > decided.0 {
        warnings.push(unconfirmed(
            name,
            country,
            exception.value.market,
            exception,
        ));
    }
    decided
}

fn unconfirmed<T>(name: &str, country: &Country, market: Market, fact: &Fact<T>) -> Reason {
    let what = match market {
        Market::Blocked => "may not be available in",
        Market::RedirectOnly | Market::Allowed => "may have no checkout of its own in",
    };
    Word::Unconfirmed.because(format!(
        "{name} {what} {country} ({}, unconfirmed): check it, and confirm it in the platform pack",
        fact.source.as_str()
    ))
}

fn blocked(name: &str, region: &Region, markets: &[(Market, Country, &str)]) -> Option<Reason> {
    let blocked: Vec<_> = markets
        .iter()
        .filter(|(market, ..)| *market == Market::Blocked)
        .collect();
    let (_, _, source) = blocked.first()?;
    Some(Word::MarketBlocked.because(format!(
        "{name} does not sell in {} ({source}): leave Region {} out of the channel's spec.regions",
        list(blocked.iter().map(|(_, country, _)| country)),
        region.name_any(),
    )))
}

fn without_mode(
    name: &str,
    platform: &Platform,
    mode: CheckoutMode,
    warnings: &mut Vec<Reason>,
) -> Option<Reason> {
    let modes = &platform.checkout;
    if modes.value.contains(&mode) {
        return None;
    }
    let told = format!(
        "checkout.mode: {name} has no {mode:?} checkout anywhere ({}{}): {}",
        modes.source.as_str(),
        if modes.confirmed { "" } else { ", unconfirmed" },
        instead(modes.value.iter().next().copied()),
    );
    if modes.confirmed {
        return Some(Word::CheckoutUnsupported.because(told));
    }
    warnings.push(Word::Unconfirmed.because(told));
    None
}

fn redirect_only(
    name: &str,
    mode: CheckoutMode,
    (market, country, source): &(Market, Country, &str),
) -> Option<Reason> {
    (*market == Market::RedirectOnly && mode != CheckoutMode::Redirect).then(|| {
        Word::CheckoutUnsupported.because(format!(
            "checkout.mode: {name} has no {mode:?} checkout in {country} ({source}): {}",
            instead(Some(CheckoutMode::Redirect)),
        ))
    })
}

fn instead(mode: Option<CheckoutMode>) -> &'static str {
    match mode {
        Some(CheckoutMode::Redirect) => {
            "set mode: Redirect and url to the https address of the shop's own checkout"
        }
        Some(CheckoutMode::InApp) => "set mode: InApp",
        None => "remove checkout",
    }
}

#[cfg(test)]
mod tests;
