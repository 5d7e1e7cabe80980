//! Who is told of what was done for a request: the recipients of all policies that choose the region, but for those to
//! whose country nothing may go today; where an instrument begins soon, it is waited for.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::people;
use crate::api::{DataPolicy, PolicyRecipient, Region, RequestAction};
use crate::contract::Recipient;
use crate::packs::Country;
use crate::plan::gates::{self, Border};
use crate::plan::pod::Mount;
use crate::plan::reason::Word;
use crate::plan::{Reason, RequestFacts, meta};

/// An instrument that begins within this time is waited for: so long it is kept who the person is, encrypted.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Who is told, and who may not be.
#[derive(Default)]
pub(super) struct Recipients {
    pub(super) told: Vec<Recipient>,
    pub(super) held: Vec<String>,
    pub(super) coming: Vec<String>,
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
                let identities = known(policy, recipient, region);
                // Who is forgotten is told of by the kinds that the region knows: nothing keeps it from being ended.
                let identities = match action {
                    RequestAction::Forget => identities.unwrap_or_else(|(kinds, _)| kinds),
                    _ => identities.map_err(|(_, why)| why)?,
                };
                recipients.enter((policy, recipient), identities, &border);
            }
        }
        Ok(recipients)
    }

    /// Whether there are none, not even such as may not be told.
    pub(super) fn are_none(&self) -> bool {
        self.told.is_empty() && self.held.is_empty() && self.coming.is_empty()
    }

    fn enter(
        &mut self,
        (policy, recipient): (&DataPolicy, &PolicyRecipient),
        identities: Vec<String>,
        border: &Border<'_>,
    ) {
        let name = format!("{}/{}", policy.name_any(), recipient.name);
        let country = Country::parse(&recipient.country);
        let judgement = country.as_ref().map(|to| gates::transfer(border, to));
        let wake_at = judgement.as_ref().and_then(|judgement| judgement.wake_at);
        self.wake_at = self.wake_at.into_iter().chain(wake_at).min();
        // Of a country that nobody knows nobody can say that something may go there.
        if identities.is_empty() || !judgement.is_some_and(|judgement| judgement.is_open()) {
            let is_coming = !identities.is_empty() && begins(border, country.as_ref(), wake_at);
            let waits = if is_coming {
                &mut self.coming
            } else {
                &mut self.held
            };
            waits.push(name);
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
            identities,
            identity_form: recipient.identity_form.unwrap_or_default(),
        });
    }
}

/// In a Region that takes no requests nobody can read who the person is: who is not told of anything there, for a message.
pub(super) fn untold(facts: &RequestFacts, region: &Region, action: RequestAction) -> String {
    let policies = people::chosen((&facts.policies, &facts.channels), region);
    let named = policies.into_iter().flat_map(|policy| {
        let name = policy.name_any();
        let recipients = policy.spec.recipients.iter();
        recipients.map(move |recipient| format!("{name}/{}", recipient.name))
    });
    let named: Vec<String> = named.collect();
    if named.is_empty() || action == RequestAction::Copy {
        return String::new();
    }
    format!(
        ", and the kinds of identities by which recipients know persons; nobody there can be told before: {}",
        named.join(", ")
    )
}

/// Whether something may go to a country soon, and not yet.
fn begins(border: &Border<'_>, to: Option<&Country>, wake_at: Option<Timestamp>) -> bool {
    let (Some(to), Some(now)) = (to, wake_at) else {
        return false;
    };
    let then = Border {
        region: border.region,
        regions: border.regions,
        packs: border.packs,
        now,
    };
    now.duration_since(border.now) <= SOON && gates::transfer(&then, to).is_open()
}

/// The kinds by which a recipient knows persons; where the Region takes one of them not, the others, and what is wrong.
fn known(
    policy: &DataPolicy,
    recipient: &PolicyRecipient,
    region: &Region,
) -> Result<Vec<String>, (Vec<String>, Reason)> {
    let kinds = region.spec.requests.iter();
    let kinds: Vec<&str> = kinds
        .flat_map(|requests| &requests.identities)
        .map(|kind| kind.name.as_str())
        .collect();
    let all = recipient.identities.iter().cloned();
    let (known, strange): (Vec<String>, Vec<String>) =
        all.partition(|kind| kinds.contains(&kind.as_str()));
    let Some(stranger) = strange.first() else {
        return Ok(known);
    };
    let why = Word::IdentityUnknown.because(format!(
        "DataPolicy {}, recipients[{}].identities: Region {} knows no {stranger}; add it to its spec.requests.identities",
        policy.name_any(),
        recipient.name,
        region.name_any()
    ));
    Err((known, why))
}
