//! The channel of an example as the operator plans it: a real connector with its own database, and a sink for each address.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::sync::watch;
use tradewind_dev::serve::platform::{Scheme, Sender};
use tradewind_dev::serve::sink::Faults;

use super::ResourceExt as _;
use super::planned::Hub;
use crate::connect::world::{self, Connector, SINK_SECRET, World, event, until};

const PLATFORM_KEY: &str = "whsec_cGxhdGZvcm0tc2VjcmV0LW9mLXRoZS10ZXN0LTE=";

pub(super) struct Channel {
    world: World,
    connector: Connector,
    path: String,
}

impl Channel {
    /// Its sinks are those of the channel, at addresses of this machine; the hub gets the Secrets that pods of it mount.
    pub(super) async fn start(hub: &mut Hub, database: &str) -> Self {
        let mut world = World::new(database).await;
        world.add_sink("ads", Faults::default()).await;
        let channel = hub.channel.as_mut().unwrap();
        let name = channel["metadata"]["name"].as_str().unwrap().to_owned();
        for sink in channel["spec"]["sinks"].as_array_mut().unwrap() {
            let own = &world.sinks[sink["name"].as_str().unwrap()];
            sink["http"]["url"] = json!(own.url());
        }
        let access = world::server().await.access();
        let terse = format!("ALTER ROLE {database} SET log_error_verbosity = terse");
        access.query("postgres", &terse).await.unwrap();
        let url = access.url_as(database, "store", database);
        for (secret, text) in [
            ("aurora-inbox-db/url", url.as_str()),
            ("erp-hook/secret", SINK_SECRET),
            ("ads-hook/secret", SINK_SECRET),
            (&format!("{name}-credentials/signing_secret"), PLATFORM_KEY),
        ] {
            hub.secrets.insert(secret.to_owned(), text.to_owned());
        }
        world.task = hub.connect(world.dir.path());
        let path = world.task["spec"]["path"].as_str().unwrap().to_owned();
        // What the hub knows of it: something is there.
        let deployed =
            json!({"kind": "Deployment", "namespace": "aurora", "name": "connector", "uid": "1"});
        hub.channel.as_mut().unwrap()["status"] = json!({"regions": [{
            "name": hub.region.name_any(), "state": "Run", "reason": "Running", "inventory": [deployed]}]});
        let connector = world.start(&["--upkeep", "200"]).await;
        Self {
            world,
            connector,
            path,
        }
    }

    /// One event about a person, as the partner's shop sends it.
    pub(super) async fn hears(&self, person: &str, order: &str) {
        let (_, nowhere) = watch::channel(Vec::new());
        let platform = Sender::new(Scheme::Generic, PLATFORM_KEY, &self.path, nowhere).unwrap();
        let body = json!({"type": "order.paid", "subject": person, "data": {"order": order}});
        let body = body.to_string();
        let answer = platform.post(self.connector.webhook, order, &body).await;
        assert_eq!(answer.unwrap(), 200, "{}", self.connector.log());
    }

    /// Waits until a sink has taken these orders and no others; a delivery may come again.
    pub(super) async fn took(&self, sink: &str, orders: &[&str]) {
        let wanted: BTreeSet<&str> = orders.iter().copied().collect();
        until(&format!("{sink} took {orders:?}"), async || {
            let taken = self.world.sinks[sink].taken();
            let order = |one| event(one)["data"]["order"].as_str().unwrap().to_owned();
            let taken: BTreeSet<String> = taken.iter().map(order).collect();
            taken.iter().map(String::as_str).eq(wanted.iter().copied())
        })
        .await;
    }
}
