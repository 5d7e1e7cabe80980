//! Who is told of what was done for a request: the recipients of all policies that choose the region, but for those to
//! whose country nothing may go today.

use jiff::Timestamp;
use kube::ResourceExt;

use super::people;
use crate::api::{DataPolicy, PolicyRecipient, Region, RequestAction};
use crate::contract::Recipient;
use crate::packs::Country;
use crate::plan::gates::{self, Border};
use crate::plan::pod::Mount;
use crate::plan::reason::Word;
use crate::plan::{Reason, RequestFacts, meta};

/// Who is told, and who may not be.
#[derive(Default)]
pub(super) struct Recipients {
    pub(super) told: Vec<Recipient>,
    pub(super) held: Vec<String>,
    pub(super) mounts: Vec<Mount>,
    /// When an instrument begins or ends.
    pub(super) wake_at: Option<Timestamp>,
}

impl Recipients {
    /// Of a region. A copy is nobody else's business.
    pub(super) fn of(
        facts: &RequestFacts,
        region: &Region,
        action: RequestAction,
        now: Timestamp,
    ) -> Result<Self, Reason> {
        let mut recipients = Self::default();
        if action == RequestAction::Copy {
            return Ok(recipients);
        }
        let border = Border {
            region,
            regions: &facts.regions,
            packs: &facts.packs,
            now,
        };
        for policy in people::chosen((&facts.policies, &facts.channels), region) {
            for recipient in &policy.spec.recipients {
                known(policy, recipient, region)?;
                recipients.enter(policy, recipient, &border);
            }
        }
        Ok(recipients)
    }

    fn enter(&mut self, policy: &DataPolicy, recipient: &PolicyRecipient, border: &Border<'_>) {
        let name = format!("{}/{}", policy.name_any(), recipient.name);
        let country = Country::parse(&recipient.country);
        let judgement = country.map(|country| gates::transfer(border, &country));
        let wake_at = judgement.as_ref().and_then(|judgement| judgement.wake_at);
        self.wake_at = self.wake_at.into_iter().chain(wake_at).min();
        // Of a country that nobody knows nobody can say that something may go there.
        if !judgement.is_some_and(|judgement| judgement.is_open()) {
            self.held.push(name);
            return;
        }
        let secret = &recipient.http.secret_ref;
        let mount = format!("recipient-{}", self.told.len());
        // Rows go whether or not the key is there: who cannot be told yet is told later.
        self.mounts.push(Mount {
            required: Vec::new(),
            optional: vec![secret.key.clone()],
            ..Mount::key(mount.clone(), &secret.name, &secret.key)
        });
        self.told.push(Recipient {
            name,
            url: recipient.http.url.clone(),
            secret: meta::secret_file(&mount, &secret.key),
            identities: recipient.identities.clone(),
            identity_form: recipient.identity_form.unwrap_or_default(),
        });
    }
}

/// Every kind by which a recipient knows persons is one that the Region takes.
fn known(policy: &DataPolicy, recipient: &PolicyRecipient, region: &Region) -> Result<(), Reason> {
    let kinds = region.spec.requests.iter();
    let kinds: Vec<&str> = kinds
        .flat_map(|requests| &requests.identities)
        .map(|kind| kind.name.as_str())
        .collect();
    let mut all = recipient.identities.iter();
    let Some(stranger) = all.find(|kind| !kinds.contains(&kind.as_str())) else {
        return Ok(());
    };
    Err(Word::IdentityUnknown.because(format!(
        "DataPolicy {}, recipients[{}].identities: Region {} knows no {stranger}; add it to its spec.requests.identities",
        policy.name_any(),
        recipient.name,
        region.name_any()
    )))
}
