//! What writes a channel's feed in a region: facts in, Kubernetes objects out.

use super::FeedWorkloads;
use super::channel::Site;
use super::cron::{self, Schedule};
use super::meta;
use super::platform::{REGION, folder};
use super::pod::{Agent, Mount, Size};
use crate::api::{CatalogSource, CheckoutMode, FeedSpec, RegionSpec, names};
use crate::contract::{
    Feed, FeedDestination, FeedMode, FeedSource, Locale, SourceAuth, Tax, TaxDisplay, TaxRate,
};

/// The command, and the component label.
const COMMAND: &str = "feed";
/// Folders of the source's and the destination's secrets.
const SOURCE: &str = "source";
const DESTINATION: &str = "destination";
/// Memory does not grow with the catalogue: what must be sorted goes through `/tmp`.
const SIZE: Size = Size {
    cpu: "100m",
    memory: "64Mi",
    memory_limit: "256Mi",
    scratch: "2Gi",
};
/// Seconds to stop at the next item.
const GRACE: i64 = 30;
/// How long all attempts of a run may take: an hour writes tens of millions of items.
const DEADLINE: i64 = 3600;
/// A Replace feed that is this much smaller than the last is refused.
const MAX_SHRINK_PERCENT: u32 = 20;

/// One feed, for a channel with a catalogue.
pub(super) fn workloads(
    site: &Site<'_>,
    spec: &FeedSpec,
    source: &CatalogSource,
) -> Option<FeedWorkloads> {
    let role = site.role(COMMAND, Some(&spec.name));
    let name = names::feed(site.name, &spec.name);
    let (from, source_mount) = source_of(site, source)?;
    let task = meta::task(COMMAND, site.region, task(site, spec, from));
    let agent = Agent {
        command: COMMAND,
        role: role.clone(),
        config_map: &name,
        hash: meta::config_hash(&task, &std::collections::BTreeMap::new()),
        service_account: names::agent(site.name),
        mounts: source_mount
            .into_iter()
            .chain([destination_mount(spec)])
            .collect(),
        size: SIZE,
        grace: GRACE,
    };
    let template = agent.template(&site.facts.settings, &site.place.spec);
    let schedule = Schedule {
        role: role.clone(),
        namespace: site.namespace,
        name: name.clone(),
        cron: &spec.schedule,
        time_zone: &site.place.spec.locale.time_zone,
        deadline: DEADLINE,
        history: cron::HISTORY,
        marks: std::collections::BTreeMap::new(),
    };
    Some(FeedWorkloads {
        config_map: meta::config_map(&role, site.namespace, &name, task),
        cron_job: schedule.cron_job(&template),
        run_now: site
            .run_at
            .map(|requested| schedule.run_now(&template, requested)),
    })
}

fn task(site: &Site<'_>, spec: &FeedSpec, source: FeedSource) -> Feed {
    let store = &spec.destination.object_store;
    let checkout = site.facts.channel.spec.checkout.as_ref();
    Feed {
        channel: site.channel(),
        feed: spec.name.clone(),
        settings: site.settings(),
        mode: spec.mode,
        source,
        locale: locale(&site.place.spec),
        columns: site.platform.columns(),
        destination: FeedDestination {
            url: store.url.clone(),
            object: object(site, &store.prefix),
            credentials: meta::secret_folder(DESTINATION),
        },
        max_shrink_percent: match spec.mode {
            FeedMode::Replace => spec
                .max_shrink_percent
                .and_then(|percent| u32::try_from(percent).ok())
                .unwrap_or(MAX_SHRINK_PERCENT),
            // A Delta file removes nothing, however short it is.
            FeedMode::Delta => 100,
        },
        checkout_url: checkout
            .filter(|checkout| checkout.mode == CheckoutMode::Redirect)
            .and_then(|checkout| checkout.url.clone()),
    }
}

fn object(site: &Site<'_>, prefix: &str) -> String {
    format!("{}/{}.csv", folder(prefix, site.region), site.name)
}

fn source_of(site: &Site<'_>, source: &CatalogSource) -> Option<(FeedSource, Option<Mount>)> {
    if let Some(http) = &source.http {
        let bearer = http.bearer_ref.as_ref();
        let from = FeedSource::Http {
            url: http.url.replace(REGION, site.region),
            format: http.format,
            auth: bearer.map(|key| SourceAuth {
                bearer: meta::secret_file(SOURCE, &key.key),
            }),
        };
        return Some((
            from,
            bearer.map(|key| Mount::key(SOURCE, &key.name, &key.key)),
        ));
    }
    let postgres = source.postgres.as_ref()?;
    let key = &postgres.secret_ref;
    let from = FeedSource::Postgres {
        url: meta::secret_file(SOURCE, &key.key),
        table: postgres.table.clone(),
    };
    Some((from, Some(Mount::key(SOURCE, &key.name, &key.key))))
}

fn destination_mount(spec: &FeedSpec) -> Mount {
    let own = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    Mount {
        name: DESTINATION.to_owned(),
        secret: spec.destination.object_store.credentials_ref.name.clone(),
        required: own(&["accessKeyId", "secretAccessKey"]),
        optional: own(&["endpoint", "region", "sessionToken"]),
    }
}

fn locale(region: &RegionSpec) -> Locale {
    let language = region.locale.default.clone();
    let country = language.rsplit('-').next().unwrap_or_default().to_owned();
    Locale {
        language,
        country,
        currency: region.locale.currency.clone(),
        tax: tax(region),
    }
}

/// Without rates no price can be converted, so those of the source are passed on: the display says only how they
/// are read.
fn tax(region: &RegionSpec) -> Tax {
    let Some(tax) = &region.tax else {
        return Tax {
            display: TaxDisplay::Inclusive,
            rates: Vec::new(),
        };
    };
    Tax {
        display: tax.display,
        rates: tax
            .rates
            .iter()
            .map(|rate| TaxRate {
                country: rate.country.clone(),
                class: rate.class.clone(),
                percent: rate.percent.clone(),
            })
            .collect(),
    }
}
