//! Who is to be looked at again: a queue that forgets nothing, keeps nothing twice, and never grows without bound.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::api::names::{LABEL_KIND, LABEL_NAME, LABEL_NAMESPACE};

/// Distinct objects of one region that may wait; beyond it the whole region is woken instead. A region decides which
/// labels its objects carry, so without a bound a hostile one could fill the hub's memory.
const MOST_PER_REGION: usize = 10_000;

/// The kind of resource that a child was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnerKind {
    /// `SocialChannel`.
    SocialChannel,
    /// `DataPolicy`.
    DataPolicy,
    /// `LegalHold`.
    LegalHold,
    /// `DataSubjectRequest`.
    DataSubjectRequest,
    /// `Region`: what signs its evidence.
    Region,
}

impl OwnerKind {
    /// The word in the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SocialChannel => "SocialChannel",
            Self::DataPolicy => "DataPolicy",
            Self::LegalHold => "LegalHold",
            Self::DataSubjectRequest => "DataSubjectRequest",
            Self::Region => "Region",
        }
    }
}

/// Whom a child was made for; with the fleet it is the child's identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The resource's kind.
    pub kind: OwnerKind,
    /// The resource's namespace on the hub; absent for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// The resource's name.
    pub name: String,
}

impl Identity {
    /// Reads it from a child's labels. None when they don't name one of our kinds.
    #[must_use]
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Option<Self> {
        let kind = match labels.get(LABEL_KIND)?.as_str() {
            "SocialChannel" => OwnerKind::SocialChannel,
            "DataPolicy" => OwnerKind::DataPolicy,
            "LegalHold" => OwnerKind::LegalHold,
            "DataSubjectRequest" => OwnerKind::DataSubjectRequest,
            "Region" => OwnerKind::Region,
            _ => return None,
        };
        let namespace = labels.get(LABEL_NAMESPACE).filter(|n| !n.is_empty());
        let name = labels.get(LABEL_NAME).filter(|n| !n.is_empty())?;
        Some(Self {
            kind,
            namespace: namespace.cloned(),
            name: name.clone(),
        })
    }

    /// Whether labels say the same. As [`Identity::from_labels`] would, without copying: it is asked for every object.
    #[must_use]
    pub fn is_in(&self, labels: &BTreeMap<String, String>) -> bool {
        let says = |key: &str| labels.get(key).map(String::as_str).unwrap_or_default();
        says(LABEL_NAME) == self.name
            && says(LABEL_KIND) == self.kind.as_str()
            && says(LABEL_NAMESPACE) == self.namespace.as_deref().unwrap_or_default()
    }
}

/// What is to be looked at again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// A child of this resource changed in this region. The labels come from the region: check that the resource
    /// targets it before acting.
    Object {
        /// The region.
        region: String,
        /// Whom the child was made for.
        identity: Identity,
    },
    /// The region became Ready or Down, a namespace came or went, or a watch caught up: the Region and everything
    /// that targets it.
    Region(String),
}

#[derive(Default)]
struct Waiting {
    objects: BTreeMap<String, BTreeSet<Identity>>,
    regions: BTreeSet<String>,
}

/// The queue's two ends share this.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    notify: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A set stays a set whatever its last user did.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end that puts in. It never waits.
#[derive(Clone, Default)]
pub(super) struct Waker(Arc<Queue>);

impl Waker {
    /// A queue with both its ends.
    pub(super) fn new() -> (Self, Wakes) {
        let waker = Self::default();
        let out = Wakes(waker.0.clone());
        (waker, out)
    }

    /// A child changed.
    pub(super) fn object(&self, region: &str, identity: Identity) {
        {
            let mut waiting = self.0.lock();
            if waiting.regions.contains(region) {
                return;
            }
            let of_region = waiting.objects.entry(region.to_owned()).or_default();
            of_region.insert(identity);
            if of_region.len() > MOST_PER_REGION {
                waiting.objects.remove(region);
                waiting.regions.insert(region.to_owned());
            }
        }
        self.0.notify.notify_one();
    }

    /// Everything of a region is to be looked at.
    pub(super) fn region(&self, region: &str) {
        {
            let mut waiting = self.0.lock();
            waiting.objects.remove(region);
            waiting.regions.insert(region.to_owned());
        }
        self.0.notify.notify_one();
    }
}

/// The end that takes out: one consumer, who turns each into `reconcile_on` triggers.
pub struct Wakes(Arc<Queue>);

impl Wakes {
    /// The next one; waits for it. Regions before objects, and regions take turns, so that a noisy one cannot
    /// keep another's waiting.
    pub async fn next(&mut self) -> Wake {
        loop {
            if let Some(wake) = self.take() {
                return wake;
            }
            self.0.notify.notified().await;
        }
    }

    fn take(&self) -> Option<Wake> {
        let mut waiting = self.0.lock();
        if let Some(region) = waiting.regions.pop_first() {
            return Some(Wake::Region(region));
        }
        // Fewest first: with one waiting object a quiet region is served before a flood.
        let region = waiting
            .objects
            .iter()
            .min_by_key(|(_, objects)| objects.len())
            .map(|(region, _)| region.clone())?;
        let objects = waiting.objects.get_mut(&region)?;
        let identity = objects.pop_first();
        if objects.is_empty() {
            waiting.objects.remove(&region);
        }
        identity.map(|identity| Wake::Object { region, identity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str) -> Identity {
        Identity {
            kind: OwnerKind::SocialChannel,
            namespace: Some("aurora".into()),
            name: name.into(),
        }
    }

    #[tokio::test]
    async fn the_same_object_waits_once() {
        let (waker, mut queue) = Waker::new();
        for _ in 0..100 {
            waker.object("eu-west", channel("a"));
        }
        waker.object("eu-west", channel("b"));
        assert!(
            matches!(queue.next().await, Wake::Object { identity, .. } if identity.name == "a")
        );
        assert!(
            matches!(queue.next().await, Wake::Object { identity, .. } if identity.name == "b")
        );
        assert_eq!(queue.take(), None);
    }

    #[tokio::test]
    async fn a_whole_region_stands_for_its_objects() {
        let (waker, mut queue) = Waker::new();
        waker.object("eu-west", channel("a"));
        waker.region("eu-west");
        waker.object("eu-west", channel("b"));
        assert_eq!(queue.next().await, Wake::Region("eu-west".into()));
        assert_eq!(queue.take(), None);
    }

    #[tokio::test]
    async fn a_flood_of_labels_ends_as_one_region() {
        let (waker, mut queue) = Waker::new();
        for n in 0..=MOST_PER_REGION {
            waker.object("hostile", channel(&format!("c{n}")));
        }
        assert_eq!(queue.next().await, Wake::Region("hostile".into()));
        assert_eq!(queue.take(), None);
    }

    #[tokio::test]
    async fn a_noisy_region_does_not_keep_a_quiet_one_waiting() {
        let (waker, mut queue) = Waker::new();
        for n in 0..500 {
            waker.object("a-noisy", channel(&format!("c{n}")));
        }
        waker.object("z-quiet", channel("one"));
        assert!(matches!(queue.next().await, Wake::Object { region, .. } if region == "z-quiet"));
    }

    #[test]
    fn only_our_kinds_are_read_from_labels() {
        let labels = |kind: &str, name: &str| {
            BTreeMap::from([
                (LABEL_KIND.to_owned(), kind.to_owned()),
                (LABEL_NAMESPACE.to_owned(), String::new()),
                (LABEL_NAME.to_owned(), name.to_owned()),
            ])
        };
        let policy = Identity::from_labels(&labels("DataPolicy", "eu")).unwrap();
        assert_eq!(
            (policy.kind, &policy.namespace),
            (OwnerKind::DataPolicy, &None)
        );
        assert!(policy.is_in(&labels("DataPolicy", "eu")));
        assert!(!policy.is_in(&labels("DataPolicy", "us")));
        assert!(!policy.is_in(&labels("SocialChannel", "eu")));
        assert!(!policy.is_in(&BTreeMap::new()));
        assert_eq!(Identity::from_labels(&labels("Pod", "eu")), None);
        assert_eq!(Identity::from_labels(&labels("DataPolicy", "")), None);
    }
}
