//! What a platform's webhooks look like, in its own way of writing JSON.

use super::Acknowledged;

/// A platform's way to sign and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scheme {
    /// Meta's signature, Messenger's messages
    Messenger,
    /// Meta's signature, Instagram's messages
    Instagram,
    /// Standard Webhooks, Tradewind's own orders
    Generic,
}

impl Scheme {
    /// The body that tells `webhook`. Meta escapes all but ASCII, and slashes: whoever parses and writes such
    /// a body again has other bytes, and so another signature.
    pub(super) fn body(self, webhook: &Acknowledged) -> String {
        let Acknowledged { person, number, id } = webhook;
        let object = match self {
            Self::Messenger => "page",
            Self::Instagram => "instagram",
            Self::Generic => {
                return format!(
                    r#"{{"type":"order.paid","timestamp":"2026-11-22T20:00:00Z","subject":"{person}","data":{{"order":"{id}","number":{number},"total":"9.90"}}}}"#
                );
            }
        };
        format!(
            r#"{{"object":"{object}","entry":[{{"id":"17841400000000000","time":1795377600,"messaging":[{{"sender":{{"id":"{person}"}},"recipient":{{"id":"17841400000000000"}},"timestamp":1795377600000,"message":{{"mid":"{id}","text":"caf\u00e9 {number}, https:\/\/shop.example\/"}}}}]}}]}}"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_with_their_escapes() {
        let webhook = Acknowledged {
            person: "person-1".into(),
            number: 2,
            id: "m-3".into(),
        };
        for scheme in [Scheme::Messenger, Scheme::Instagram, Scheme::Generic] {
            let body = scheme.body(&webhook);
            assert!(
                serde_json::from_str::<serde_json::Value>(&body).is_ok(),
                "{body}"
            );
        }
        assert!(
            Scheme::Messenger
                .body(&webhook)
                .contains(r"caf\u00e9 2, https:\/\/")
        );
    }
}
