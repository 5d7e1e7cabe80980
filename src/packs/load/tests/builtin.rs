//! The packs of this release say what the facts say.

use super::told;
use crate::api::CheckoutMode;
use crate::contract::{EventKind, FeedMode, Webhook};
use crate::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES, Check, Packs};

#[test]
fn the_packs_of_this_release_are_sound() {
    let packs = Packs::builtin().unwrap_or_else(|e| panic!("{}", told(&e)));
    let platforms: Vec<_> = packs
        .platforms
        .platforms
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        platforms,
        ["Facebook", "Generic", "Instagram", "Messenger", "WhatsApp"]
    );
    let regimes: Vec<_> = packs.regimes.regimes.keys().map(String::as_str).collect();
    assert_eq!(
        regimes,
        [
            "br-lgpd",
            "ca-qc-law25",
            "cn-pipl",
            "eu-gdpr",
            "in-dpdp",
            "jp-appi",
            "kr-pipa",
            "th-pdpa",
            "uk-gdpr",
            "us-ca-ccpa",
            "us-or-cpa",
            "za-popia"
        ]
    );
    let statutes: Vec<_> = packs.regimes.statutes.keys().map(String::as_str).collect();
    assert_eq!(statutes, ["de-tax", "fr-commerce", "youtube-api"]);
    assert_eq!(packs.platforms.as_of, packs.regimes.as_of);
}

/// What issue and page say is looked for is looked for under every law, with an article of its own or without.
#[test]
fn every_regime_is_asked_every_check() {
    let packs = Packs::builtin().unwrap();
    let always = [
        Check::NoPeriod,
        Check::NotErasure,
        Check::PersonalTableWithoutRule,
        Check::PersonalColumnWithoutRule,
        Check::HoldPastReview,
        Check::BackupHorizonUnknown,
        Check::EvidenceStale,
        Check::ReapplyOverdue,
        Check::StoresMayBeOne,
        Check::RowsWithoutClock,
        Check::NoticeOverdue,
        Check::IndexMissing,
        Check::TriggerOnErasure,
    ];
    let of_transfers = [
        Check::TransferWithoutInstrument,
        Check::TransferEnding,
        Check::CountryUnknown,
    ];
    for (id, regime) in &packs.regimes.regimes {
        let demand = |check| packs.regimes.demand(id, check);
        for check in always {
            assert!(demand(check).is_some(), "{id}: {}", check.as_str());
        }
        let asks = !regime.transfers.value.is_empty();
        for check in of_transfers {
            assert_eq!(demand(check).is_some(), asks, "{id}: {}", check.as_str());
        }
        let counts = demand(Check::ExportedPersonsUncounted).is_some();
        assert_eq!(counts, id == "cn-pipl", "{id}");
        // The pack's own question says that no article was read.
        let own = demand(Check::BackupHorizonUnknown).unwrap();
        let is_own = !regime.baseline.contains(own);
        assert!(!is_own || !own.confirmed, "{id}");
    }
}

/// A statute has no articles on how erasing is to be looked after: the pack asks what it asks under every law.
#[test]
fn a_statute_is_asked_what_is_about_erasing() {
    let packs = Packs::builtin().unwrap();
    for id in packs.regimes.statutes.keys() {
        for check in Check::ALL {
            let demand = packs.regimes.demand(id, *check);
            let asked = demand.map(|fact| (fact.value.check, fact.confirmed));
            let wanted = check.is_of_erasing().then_some((*check, false));
            assert_eq!(asked, wanted, "{id}: {}", check.as_str());
        }
    }
    assert_eq!(packs.regimes.demand("no-law", Check::NotErasure), None);
}

#[test]
fn every_source_is_referred_to() {
    for text in [BUILTIN_PLATFORMS, BUILTIN_REGIMES] {
        let anchors = text
            .lines()
            .filter_map(|line| line.strip_prefix("  - &")?.split(' ').next());
        for anchor in anchors {
            let uses = text.matches(&format!("source: *{anchor}")).count();
            assert!(uses > 0, "nothing refers to {anchor}");
        }
    }
}

#[test]
fn the_platforms_take_and_send_what_their_facts_say() {
    use EventKind::{Messages, Orders, Privacy, Products};
    let packs = Packs::builtin().unwrap();
    for (name, keys, events, feeds) in [
        (
            "Facebook",
            &["app_secret", "verify_token"][..],
            &[Messages, Privacy][..],
            true,
        ),
        (
            "Instagram",
            &["app_secret", "verify_token"],
            &[Messages, Privacy],
            true,
        ),
        (
            "Messenger",
            &["app_secret", "verify_token"],
            &[Messages, Privacy],
            false,
        ),
        (
            "WhatsApp",
            &["app_secret", "verify_token"],
            &[Orders, Messages, Privacy],
            true,
        ),
        (
            "Generic",
            &["signing_secret"],
            &[Orders, Messages, Products, Privacy],
            true,
        ),
    ] {
        let platform = packs.platform(name).unwrap();
        let there: Vec<_> = platform
            .secrets
            .iter()
            .map(|s| s.value.key.as_str())
            .collect();
        assert_eq!(there, keys, "{name}");
        assert!(
            platform.events().into_iter().eq(events.iter().copied()),
            "{name}"
        );
        assert_eq!(platform.mode(FeedMode::Replace).is_some(), feeds, "{name}");
        assert_eq!(platform.mode(FeedMode::Delta).is_some(), feeds, "{name}");
        assert_eq!(platform.columns().is_empty(), !feeds, "{name}");
        assert!(
            platform.checkout.value.iter().eq([&CheckoutMode::Redirect]),
            "{name}"
        );
    }
}

#[test]
fn a_webhook_task_names_the_keys_files() {
    let packs = Packs::builtin().unwrap();
    for (name, platform) in &packs.platforms.platforms {
        let webhook = platform.webhook(std::path::Path::new("/s")).unwrap();
        let wanted = if name == "Generic" {
            Webhook::StandardWebhooks {
                secret: "/s/signing_secret".into(),
            }
        } else {
            Webhook::MetaHubSignature {
                app_secret: "/s/app_secret".into(),
                verify_token: "/s/verify_token".into(),
            }
        };
        assert_eq!(webhook, wanted, "{name}");
    }
}

#[test]
fn meta_columns_have_the_published_limits() {
    let packs = Packs::builtin().unwrap();
    let columns = packs.platform("Instagram").unwrap().columns();
    let required: Vec<_> = columns
        .iter()
        .filter(|c| c.required)
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(
        required,
        [
            "id",
            "title",
            "description",
            "availability",
            "condition",
            "price",
            "link",
            "image_link",
            "brand"
        ]
    );
    let chars = |name: &str| columns.iter().find(|c| c.name == name).unwrap().max_chars;
    assert_eq!(chars("id"), Some(100));
    assert_eq!(chars("title"), Some(200));
    assert_eq!(chars("description"), Some(9999));
    assert_eq!(chars("brand"), Some(100));
    let images = columns
        .iter()
        .find(|c| c.name == "additional_image_link")
        .unwrap();
    assert_eq!(
        (images.max_values, images.max_chars),
        (Some(20), Some(2000))
    );
    let delta: Vec<_> = columns
        .iter()
        .filter(|c| c.delta)
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(
        delta,
        [
            "id",
            "availability",
            "price",
            "sale_price",
            "quantity_to_sell_on_facebook"
        ]
    );
}
