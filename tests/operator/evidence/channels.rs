//! A channel that no policy covers stands in the chain, for as long as that is so.

use serde_json::{Value, json};
use tradewind::evidence::{Kind, Record};

use super::POLICY;

/// Its policy was suspended, went on, and was deleted: what each of the region's channels has in the chain of that.
pub(super) fn paused_and_left(of_channels: &[Record]) {
    for name in ["instagram", "partner"] {
        let of_it = of_channels.iter().filter(|one| one.about.name == name);
        let told = of_it.map(|one| {
            assert_eq!(one.kind, Kind::Coverage, "{one:?}");
            assert_eq!(
                one.about.to_string(),
                format!("SocialChannel aurora/{name}")
            );
            serde_json::to_value(&one.body).unwrap()
        });
        let told: Vec<Value> = told.collect();
        let [paused, on, .., last] = told.as_slice() else {
            panic!("{name}: {told:?}");
        };
        let regime = |body: &Value| {
            assert_eq!(body["enforcement"], "Grace", "{name}: {told:?}");
            assert_eq!(body["regimes"][0]["regime"], "eu-gdpr", "{name}: {told:?}");
            body["regimes"][0].clone()
        };
        // It has the rules, and is suspended.
        let paused = regime(paused);
        assert_eq!(paused["nearest"], POLICY, "{name}: {told:?}");
        assert_eq!(paused["datasets"], Value::Null, "{name}: {told:?}");
        assert_eq!(*on, json!({"ended": true}), "{name}: {told:?}");
        let left = regime(last);
        assert_eq!(left["datasets"], json!(["orders/orders"]), "{name}");
        assert_eq!(left["nearest"], Value::Null, "{name}: {told:?}");
    }
}
