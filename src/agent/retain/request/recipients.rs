//! Tells recipients what was done for a person: a signed POST to each, straight from the region, and what they answered.
//!
//! In: a request whose stores are done, and the person. Out: a row for each recipient in the suppression store, with
//! counts and times and no value. Killed at any moment, the same call goes on: a recipient may be told twice, under the
//! same `webhook-id`.

mod book;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::Error;
use super::person::Person;
use super::stoppable;
use super::suppress::Suppression;
use crate::agent::connect::callback::{Callback, Ending, Reply};
use crate::agent::{Stop, error_chain};
use crate::contract::{
    Erase, IdentityForm, Recipient, RecipientState, RefusalGround, RequestKind, SubjectRequest,
    ToldRecipient,
};
use book::Standing;

/// Attempts of one pod: then the Job tries again later.
const TRIES: u32 = 3;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The person's rows are gone.
    Erased,
    /// They are hidden, and to be used for nothing.
    Restricted,
    /// They may be used again.
    Lifted,
    /// The person is to be sold and shared no more.
    OptedOut,
    /// They may be again.
    OptedIn,
}

impl News {
    /// Of a request that has been done.
    pub(super) fn of(kind: RequestKind) -> Self {
        match kind {
            RequestKind::Restriction => Self::Restricted,
            RequestKind::OptOut => Self::OptedOut,
            _ => Self::Erased,
        }
    }

    /// Of an end: what has ended.
    fn begun(self) -> Self {
        match self {
            Self::OptedIn => Self::OptedOut,
            _ => Self::Restricted,
        }
    }

    /// As the message has it, and the books.
    fn word(self) -> &'static str {
        match self {
            Self::Erased => "person.erased",
            Self::Restricted => "person.restricted",
            Self::Lifted => "person.lifted",
            Self::OptedOut => "person.optedOut",
            Self::OptedIn => "person.optedIn",
        }
    }
}

/// One message.
#[derive(Clone, Copy)]
pub(super) struct Telling<'a> {
    /// The request's reference.
    pub(super) reference: &'a str,
    /// What is told.
    pub(super) news: News,
    /// Who it is about. To lift, nobody needs to know it: the message before said who.
    pub(super) person: Option<&'a Person>,
}

/// What a recipient says in its answer's body, if it says anything.
#[derive(Deserialize)]
struct Answered {
    outcome: String,
    #[serde(default)]
    ground: Option<String>,
}

/// Whether somebody is still to be told.
pub(super) fn is_open(all: &[ToldRecipient]) -> bool {
    all.iter().any(|told| told.state == RecipientState::Pending)
}

/// How all stand of a request that has ended: nobody is told any more.
pub(super) async fn told(
    suppression: &mut Suppression,
    spec: &Erase,
    request: &SubjectRequest,
) -> Result<Vec<ToldRecipient>, Error> {
    let news = News::of(request.kind);
    let mut all = waiting(suppression, spec, (&request.reference, news)).await?;
    for recipient in &spec.recipients {
        let standing = suppression.told(&request.reference, news, &recipient.name);
        let told = standing.await?.told;
        if told.state != RecipientState::Pending {
            all.push(told);
        }
    }
    all.retain(|told| told.state != RecipientState::Pending);
    Ok(all)
}

/// Those to whom nothing may be sent today, and those to whom something may be soon.
pub(super) fn held(spec: &Erase) -> Vec<ToldRecipient> {
    let held = spec.held_recipients.iter().map(|name| ToldRecipient {
        name: name.clone(),
        state: RecipientState::Held,
        ..ToldRecipient::default()
    });
    let coming = spec.coming_recipients.iter().map(|name| ToldRecipient {
        name: name.clone(),
        state: RecipientState::Pending,
        answer: Some("no instrument yet".to_owned()),
        ..ToldRecipient::default()
    });
    held.chain(coming).collect()
}

/// The same, but for whom the books know an end: an instrument that ends later takes no answer back.
async fn waiting(
    suppression: &mut Suppression,
    spec: &Erase,
    (reference, news): (&str, News),
) -> Result<Vec<ToldRecipient>, Error> {
    let mut all = held(spec);
    for one in &mut all {
        let known = suppression.told(reference, news, &one.name).await?.told;
        if known.state != RecipientState::Pending {
            *one = known;
        }
    }
    Ok(all)
}

/// Tells whoever has not been told; answers how all stand. One that cannot be told keeps nobody else from it.
pub(super) async fn tell(
    suppression: &mut Suppression,
    spec: &Erase,
    telling: Telling<'_>,
    stop: &Stop,
) -> Result<Vec<ToldRecipient>, Error> {
    let mut all = waiting(suppression, spec, (telling.reference, telling.news)).await?;
    for recipient in &spec.recipients {
        let mut standing = suppression
            .told(telling.reference, telling.news, &recipient.name)
            .await?;
        if standing.told.state == RecipientState::Pending {
            one(suppression, recipient, telling, stop, &mut standing).await?;
        }
        all.push(standing.told);
    }
    Ok(all)
}

async fn one(
    suppression: &mut Suppression,
    recipient: &Recipient,
    telling: Telling<'_>,
    stop: &Stop,
    standing: &mut Standing,
) -> Result<(), Error> {
    if !is_concerned(suppression, recipient, telling).await? {
        standing.told.state = RecipientState::NotConcerned;
        return suppression.note(telling, standing).await;
    }
    let callback = match Callback::open(&recipient.url, &recipient.secret) {
        Ok(callback) => callback,
        Err(error) => {
            // No attempt: it is not the recipient's fault, and is never given up.
            let (name, error, word) = (&recipient.name, error_chain(&error), error.word());
            tracing::error!(recipient = name, error, "a recipient cannot be told");
            standing.told.answer = Some(word.to_owned());
            return suppression.note(telling, standing).await;
        }
    };
    let parts = [telling.reference, telling.news.word(), &recipient.name];
    let id = format!("msg_{}", suppression.key.word("message", &parts));
    let subject = format!("sub_{}", suppression.key.word("subject", &parts[..1]));
    for attempt in 1..=TRIES {
        let now = Timestamp::now().to_string();
        let mut data = json!({"id": id, "subject": subject, "region": suppression.region()});
        if let Some(person) = telling.person {
            let (field, values) = identities(person, recipient, &callback);
            data[field] = Value::Object(values);
        }
        let message = json!({"type": telling.news.word(), "timestamp": now, "data": data});
        let call = callback.call(&id, message.to_string().into_bytes(), standing.failed());
        let reply = stoppable(stop, async { Ok(call.await) }).await?;
        standing.refused += i64::from(reply.is_refusal);
        let told = &mut standing.told;
        told.attempts += 1;
        told.at = Some(now);
        (told.state, told.ground) = meant(&reply);
        tracing::info!(recipient = recipient.name, answer = reply.answer, state = ?told.state, "told a recipient");
        told.answer = Some(reply.answer);
        suppression.note(telling, standing).await?;
        if standing.told.state != RecipientState::Pending || attempt == TRIES {
            break;
        }
        let wait = async {
            tokio::time::sleep(reply.wait).await;
            Ok(())
        };
        stoppable(stop, wait).await?;
    }
    Ok(())
}

/// What an answer means. Of its words only those are kept that are on our lists.
fn meant(reply: &Reply) -> (RecipientState, Option<RefusalGround>) {
    match reply.ending {
        Ending::Again => return (RecipientState::Pending, None),
        Ending::GivenUp => return (RecipientState::Failed, None),
        Ending::Taken => {}
    }
    let Ok(answered) = serde_json::from_slice::<Answered>(&reply.body) else {
        return (RecipientState::Told, None);
    };
    match answered.outcome.as_str() {
        "Done" => (RecipientState::Done, None),
        "NoData" => (RecipientState::NoData, None),
        "Refused" => {
            let word = answered.ground.unwrap_or_default();
            let mut known = RefusalGround::ALL.into_iter();
            let ground = known.find(|ground| ground.name() == word);
            let ground = ground.unwrap_or(RefusalGround::Other);
            (RecipientState::Refused, Some(ground))
        }
        _ => (RecipientState::Told, None),
    }
}

/// Whether the request has a value by which a recipient knows the person; of an end, whether it took the beginning.
async fn is_concerned(
    suppression: &mut Suppression,
    recipient: &Recipient,
    telling: Telling<'_>,
) -> Result<bool, Error> {
    if let Some(person) = telling.person {
        let mut kinds = recipient.identities.iter();
        return Ok(kinds.any(|kind| !person.of(kind).is_empty()));
    }
    let begun = telling.news.begun();
    let before = suppression.told(telling.reference, begun, &recipient.name);
    Ok(before.await?.may_have_taken())
}

/// The person's values of the recipient's kinds, in its form, and the field that has them.
fn identities(
    person: &Person,
    recipient: &Recipient,
    callback: &Callback,
) -> (&'static str, Map<String, Value>) {
    let mut identities = Map::new();
    for kind in &recipient.identities {
        let values = person.of(kind);
        if values.is_empty() {
            continue;
        }
        let told = match recipient.identity_form {
            IdentityForm::Value => json!(values),
            IdentityForm::KeyedHash => {
                let hashes = |value: &String| callback.hashes(&format!("identity.{kind}.{value}"));
                json!(values.iter().flat_map(hashes).collect::<Vec<_>>())
            }
        };
        identities.insert(kind.clone(), told);
    }
    let field = match recipient.identity_form {
        IdentityForm::Value => "identities",
        IdentityForm::KeyedHash => "identityHashes",
    };
    (field, identities)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn of_an_answers_words_only_ours_are_kept() {
        let means = |body: &str, state, ground| {
            let reply = Reply {
                ending: Ending::Taken,
                is_refusal: false,
                answer: "200".to_owned(),
                body: body.as_bytes().to_vec(),
                wait: Duration::ZERO,
            };
            assert_eq!(meant(&reply), (state, ground), "{body}");
        };
        means("", RecipientState::Told, None);
        means("ok", RecipientState::Told, None);
        means(r#"{"outcome": "Perhaps"}"#, RecipientState::Told, None);
        means(r#"{"outcome": "Done"}"#, RecipientState::Done, None);
        means(
            r#"{"outcome": "NoData", "more": 1}"#,
            RecipientState::NoData,
            None,
        );
        for ground in RefusalGround::ALL {
            let body = json!({"outcome": "Refused", "ground": ground.name()});
            means(&body.to_string(), RecipientState::Refused, Some(ground));
        }
        for body in [
            r#"{"outcome": "Refused"}"#,
            r#"{"outcome": "Refused", "ground": "Ann still owes us money"}"#,
        ] {
            means(body, RecipientState::Refused, Some(RefusalGround::Other));
        }
    }

    #[test]
    fn what_was_not_taken_says_nothing() {
        for (ending, state) in [
            (Ending::Again, RecipientState::Pending),
            (Ending::GivenUp, RecipientState::Failed),
        ] {
            let reply = Reply {
                ending,
                is_refusal: false,
                answer: "503".to_owned(),
                body: br#"{"outcome": "Done"}"#.to_vec(),
                wait: Duration::ZERO,
            };
            assert_eq!(meant(&reply), (state, None));
        }
    }
}
