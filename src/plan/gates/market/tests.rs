use super::*;
use crate::packs::{BUILTIN_REGIMES, Packs};

fn region(jurisdictions: &[&str], locale: &str) -> Region {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "tradewind.dev/v1alpha1", "kind": "Region", "metadata": {"name": "here"},
        "spec": {
            "jurisdictions": jurisdictions, "cluster": {"local": {}}, "runNamespace": "runs",
            "locale": {"default": locale, "currency": "EUR", "timeZone": "UTC"},
        },
    }))
    .unwrap()
}

/// A platform with all that a pack can say of a market.
fn packs() -> Packs {
    let text = r#"
platforms:
  Test:
    secrets: []
    settings: []
    webhook: {value: null, source: s, confirmed: true}
    feed: {value: null, source: s, confirmed: true}
    markets:
      default: {value: Allowed, source: default fact, confirmed: true}
      except:
        - {value: {countries: ["RU"], market: Blocked}, source: ban, confirmed: true}
        - {value: {countries: ["CN"], market: Blocked}, source: rumour, confirmed: false}
        - {value: {countries: ["FR"], market: RedirectOnly}, source: french fact, confirmed: true}
    checkout: {value: [Redirect, InApp], source: pay, confirmed: true}
"#;
    Packs::load(text, BUILTIN_REGIMES).unwrap()
}

#[test]
fn the_strictest_confirmed_market_decides() {
    use CheckoutMode::{InApp, Redirect};
    let packs = packs();
    let platform = packs.platform("Test").unwrap();
    for (codes, locale, mode, word, warned) in [
        (&["DE"][..], "de-DE", None, "MarketSupported", 0),
        (&["DE"], "de-DE", Some(InApp), "MarketSupported", 0),
        (&["DE"], "de-DE", Some(Redirect), "MarketSupported", 0),
        (&["DE", "RU"], "de-DE", None, "MarketBlocked", 0),
        // The locale's country is one of the shop's too.
        (&["DE"], "ru-RU", None, "MarketBlocked", 0),
        (
            &["DE", "FR"],
            "de-DE",
            Some(InApp),
            "CheckoutUnsupported",
            0,
        ),
        (&["DE", "FR"], "de-DE", Some(Redirect), "MarketSupported", 0),
        (&["CN"], "zh-CN", Some(InApp), "MarketSupported", 1),
        (&["FR-IDF"], "fr-FR", Some(InApp), "CheckoutUnsupported", 0),
    ] {
        let answer = market("Test", platform, mode, &region(codes, locale));
        assert_eq!(answer.reason.word, word, "{codes:?} {mode:?} {answer:?}");
        assert_eq!(answer.holds, word == "MarketSupported");
        assert_eq!(answer.warnings.len(), warned, "{answer:?}");
    }
}

#[test]
fn each_refusal_names_the_fact_and_the_way_out() {
    let packs = packs();
    let platform = packs.platform("Test").unwrap();
    let told = |codes: &[&str], mode| {
        market("Test", platform, mode, &region(codes, "de-DE"))
            .reason
            .message
    };
    assert_eq!(
        told(&["RU"], None),
        "Test does not sell in RU (ban): leave Region here out of the channel's spec.regions"
    );
    assert_eq!(
        told(&["FR"], Some(CheckoutMode::InApp)),
        "checkout.mode: Test has no InApp checkout in FR (french fact): set mode: Redirect and url to the https \
         address of the shop's own checkout"
    );
}

#[test]
fn meta_takes_no_payment_in_its_apps() {
    let packs = Packs::builtin().unwrap();
    for name in ["Facebook", "Instagram", "Messenger", "WhatsApp", "Generic"] {
        let platform = packs.platform(name).unwrap();
        let here = region(&["DE", "US-CA"], "de-DE");
        let refused = market(name, platform, Some(CheckoutMode::InApp), &here);
        assert!(
            !refused.holds && refused.reason.word == "CheckoutUnsupported",
            "{refused:?}"
        );
        assert!(market(name, platform, Some(CheckoutMode::Redirect), &here).holds);
        assert!(market(name, platform, None, &here).holds);
    }
}

#[test]
fn remembered_bans_warn_and_never_block() {
    let packs = Packs::builtin().unwrap();
    let answer = market(
        "Facebook",
        packs.platform("Facebook").unwrap(),
        None,
        &region(&["CN"], "zh-CN"),
    );
    assert!(answer.holds);
    assert_eq!(answer.warnings[0].word, "Unconfirmed");
    assert!(answer.warnings[0].message.contains("CN"));
}

#[test]
fn a_checkout_fact_that_nobody_confirmed_only_warns() {
    let mut packs = packs();
    let platform = packs.platforms.platforms.get_mut("Test").unwrap();
    platform.checkout.value.remove(&CheckoutMode::InApp);
    platform.checkout.confirmed = false;
    let answer = market(
        "Test",
        platform,
        Some(CheckoutMode::InApp),
        &region(&["DE"], "de-DE"),
    );
    assert!(answer.holds, "{answer:?}");
    assert_eq!(answer.warnings[0].word, "Unconfirmed");
}

#[test]
fn a_stricter_default_that_nobody_confirmed_only_warns() {
    let mut packs = packs();
    let platform = packs.platforms.platforms.get_mut("Test").unwrap();
    platform.markets.default.value = Market::Blocked;
    platform.markets.default.confirmed = false;
    let answer = market("Test", platform, None, &region(&["DE"], "de-DE"));
    assert!(answer.holds && answer.warnings.len() == 1, "{answer:?}");
}
