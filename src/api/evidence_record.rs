//! `EvidenceRecord`: what happened in a region, chained and never changed.
#![allow(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each struct inside a function"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evidence::{About, Checkpoint, Countersignature, Hash, Kind, Record, Tip, canonical};

/// What happened in a region: one link of the region's chain.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tradewind.dev",
    version = "v1alpha1",
    kind = "EvidenceRecord",
    status = "EvidenceRecordStatus",
    shortname = "evr",
    derive = "PartialEq",
    doc = "What happened in a region, written once by the operator: each record carries the hash of the one before it. Nobody changes or deletes one.",
    selectable = ".spec.region",
    selectable = ".spec.kind",
    validation = Rule::new("!has(self.status) || !has(self.status.sealedIn) || (self.status.sealedIn.startsWith(self.spec.region + '-') && size(self.status.sealedIn) == size(self.spec.region) + 31 && int(self.status.sealedIn.substring(size(self.spec.region) + 1, size(self.spec.region) + 11)) <= self.spec.sequence && self.spec.sequence <= int(self.status.sealedIn.substring(size(self.spec.region) + 12, size(self.spec.region) + 22)))").message("status.sealedIn: a segment of the record's own region that it has a place in"),
    validation = Rule::new("size(self.metadata.name) == size(self.spec.region) + 11 && self.metadata.name.startsWith(self.spec.region + '-') && self.metadata.name.substring(size(self.spec.region) + 1).matches('^[0-9]{10}$') && int(self.metadata.name.substring(size(self.spec.region) + 1)) == self.spec.sequence").message("metadata.name: the region and the sequence in ten digits, eu-west-0000000042, so that two records of one place in a chain cannot both exist"),
    validation = Rule::new("self.spec == oldSelf.spec").message("spec: a record is evidence and cannot be changed; what was wrong is told by a later record"),
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.kind"),
    printcolumn(name = "About", type_ = "string", json_path = ".spec.about.name"),
    printcolumn(name = "At", type_ = "string", json_path = ".spec.at"),
    printcolumn(name = "Signed", type_ = "date", json_path = ".status.checkpoints[0].at", description = "When the region's key signed the chain up to this record; empty when it signed it with a later one"),
    printcolumn(name = "Hash", type_ = "string", json_path = ".spec.hash", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceRecordSpec {
    /// The version of the record's form.
    #[schemars(range(min = 1, max = 1000))]
    pub version: i32,
    /// The Region in whose chain it stands.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub region: String,
    /// Its place in the chain, from 1.
    #[schemars(range(min = 1, max = 9_999_999_999_i64))]
    pub sequence: i64,
    /// The hash of the record before it; of the first, the chain's own, made of the fleet's id and the region.
    #[schemars(length(min = 71, max = 71), regex(pattern = r"^sha256-[0-9a-f]{64}$"))]
    pub previous: String,
    /// What it tells.
    pub kind: Kind,
    /// When it was written, RFC 3339.
    #[schemars(
        length(min = 20, max = 40),
        regex(pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$")
    )]
    pub at: String,
    /// What it is about.
    pub about: EvidenceAbout,
    /// What makes it the only one of its kind: a Job's UID, a policy's UID and generation.
    #[schemars(length(min = 1, max = 256))]
    pub source: String,
    /// What happened, as the JSON text that the hash is over: sorted keys, no white space, no fractions, no nulls.
    #[schemars(length(min = 2, max = 262_144), regex(pattern = r"^\{"))]
    pub body: String,
    /// The hash over all of the above.
    #[schemars(length(min = 71, max = 71), regex(pattern = r"^sha256-[0-9a-f]{64}$"))]
    pub hash: String,
}

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceAbout {
    /// A resource's kind: `DataPolicy`, `Region`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Z][A-Za-z]*$"))]
    pub kind: String,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace on the hub; absent for what has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// What was said of a record afterwards: the only part that is written later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceRecordStatus {
    /// The region's signatures over the chain up to this record, when it was the last one then: the newest of each key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    pub checkpoints: Vec<SignedCheckpoint>,
    /// Other regions' signatures over the chain up to this record: the newest of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["by".into()]))]
    pub countersignatures: Vec<SignedCountersignature>,
    /// The segment of the archive that holds the record: it is about to be deleted here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 30, max = 80),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?-[0-9]{10}-[0-9]{10}\.jsonl\.gz$")
    )]
    pub sealed_in: Option<String>,
}

/// A region's signature over its chain up to a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedCheckpoint {
    /// When it was signed, by the region's clock, RFC 3339.
    pub at: String,
    /// The public key, `ed25519-` and 64 hexadecimal digits.
    pub key: String,
    /// The signature over region, sequence, hash, key and time, hexadecimal.
    pub signature: String,
}

/// Another region's signature over a chain up to a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedCountersignature {
    /// The region that signed.
    pub by: String,
    /// When, by its clock, RFC 3339.
    pub at: String,
    /// Its public key, `ed25519-` and 64 hexadecimal digits.
    pub key: String,
    /// What it had countersigned of this chain before. Absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<CountersignedBefore>,
    /// The signature over all of that, region, sequence and hash, hexadecimal.
    pub signature: String,
}

/// A place in a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountersignedBefore {
    /// The record's place.
    pub sequence: i64,
    /// Its hash.
    pub head: String,
}

impl SignedCountersignature {
    /// From what a region signed.
    #[must_use]
    pub fn of(made: &Countersignature) -> Self {
        let before = |tip: &Tip| CountersignedBefore {
            sequence: i64::try_from(tip.sequence).unwrap_or(i64::MAX),
            head: tip.head.to_string(),
        };
        Self {
            by: made.by.clone(),
            at: made.at.to_string(),
            key: made.key.to_string(),
            previous: made.previous.as_ref().map(before),
            signature: made.signature.to_string(),
        }
    }

    fn made(&self, region: &str, tip: Tip) -> Option<Countersignature> {
        let previous = match &self.previous {
            None => None,
            Some(before) => Some(Tip {
                head: before.head.parse().ok()?,
                sequence: u64::try_from(before.sequence).ok()?,
            }),
        };
        let made = Countersignature {
            at: self.at.parse().ok()?,
            by: self.by.clone(),
            key: self.key.parse().ok()?,
            previous,
            region: region.to_owned(),
            signature: self.signature.parse().ok()?,
            tip,
        };
        made.is_signed().then_some(made)
    }
}

impl SignedCheckpoint {
    /// From what a region signed.
    #[must_use]
    pub fn of(checkpoint: &Checkpoint) -> Self {
        Self {
            at: checkpoint.at.to_string(),
            key: checkpoint.key.to_string(),
            signature: checkpoint.signature.to_string(),
        }
    }
}

impl EvidenceRecord {
    /// The name of the object at a place in a region's chain.
    #[must_use]
    pub fn name_of(region: &str, sequence: u64) -> String {
        format!("{region}-{sequence:010}")
    }

    /// The object for a record; none for a place or version that the schema has no room for.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        let body = String::from_utf8(canonical::encode(&record.body)).ok()?;
        let spec = EvidenceRecordSpec {
            version: i32::try_from(record.version).ok()?,
            region: record.region.clone(),
            sequence: i64::try_from(record.sequence).ok()?,
            previous: record.previous.to_string(),
            kind: record.kind,
            at: record.at.to_string(),
            about: EvidenceAbout {
                kind: record.about.kind.clone(),
                name: record.about.name.clone(),
                namespace: record.about.namespace.clone(),
            },
            source: record.source.clone(),
            body,
            hash: record.hash().to_string(),
        };
        let name = Self::name_of(&record.region, record.sequence);
        Some(Self::new(&name, spec))
    }

    /// The record; none when the object is none, or has another hash than it says.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        let spec = &self.spec;
        let about = About {
            kind: spec.about.kind.clone(),
            name: spec.about.name.clone(),
            namespace: spec.about.namespace.clone(),
        };
        let record = Record {
            about,
            at: spec.at.parse().ok()?,
            body: canonical::parse(spec.body.as_bytes()).ok()?,
            kind: spec.kind,
            previous: spec.previous.parse().ok()?,
            region: spec.region.clone(),
            sequence: u64::try_from(spec.sequence).ok()?,
            source: spec.source.clone(),
            version: u32::try_from(spec.version).ok()?,
        };
        let is_whole = record.version == crate::evidence::VERSION
            && record.at.to_string() == spec.at
            && spec.hash.parse::<Hash>() == Ok(record.hash());
        is_whole.then_some(record)
    }

    /// Other regions' signatures over the chain up to this record: those that their keys made.
    #[must_use]
    pub fn countersignatures(&self) -> Vec<Countersignature> {
        let Some(record) = self.record() else {
            return Vec::new();
        };
        let tip = Tip::of(&record);
        let told = self.status.iter().flat_map(|s| &s.countersignatures);
        told.filter_map(|told| told.made(&self.spec.region, tip))
            .collect()
    }

    /// The region's signatures over the chain up to this record: those that their keys made.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<Checkpoint> {
        let Some(record) = self.record() else {
            return Vec::new();
        };
        let of = |told: &SignedCheckpoint| {
            let checkpoint = Checkpoint {
                at: told.at.parse().ok()?,
                key: told.key.parse().ok()?,
                region: self.spec.region.clone(),
                signature: told.signature.parse().ok()?,
                tip: Tip::of(&record),
            };
            checkpoint.is_signed().then_some(checkpoint)
        };
        let told = self.status.iter().flat_map(|s| &s.checkpoints);
        told.filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Entry, Signer, checkpoint};

    fn record() -> Record {
        let entry = Entry {
            kind: Kind::Run,
            at: "2026-11-26T12:00:00.123456789Z".parse().unwrap(),
            about: About::cluster("DataPolicy", "eu-customers"),
            source: "uid".to_owned(),
            body: canonical::parse(br#"{"due":3}"#).unwrap(),
        };
        entry.append("eu-west", &Tip::genesis("aurora", "eu-west"))
    }

    type Change = fn(&mut EvidenceRecordSpec);

    #[test]
    fn an_object_is_its_record_and_nothing_else() {
        let object = EvidenceRecord::of(&record()).unwrap();
        assert_eq!(object.metadata.name.as_deref(), Some("eu-west-0000000001"));
        assert_eq!(object.record(), Some(record()));
        let changes: [Change; 10] = [
            |spec| spec.version = 2,
            |spec| spec.region.push('x'),
            |spec| spec.sequence += 1,
            |spec| spec.previous.replace_range(70..71, "0"),
            |spec| spec.kind = Kind::Hold,
            |spec| spec.at = "2026-11-26T12:00:00.1234567890Z".to_owned(),
            |spec| spec.about.namespace = Some("aurora".to_owned()),
            |spec| spec.source.push('x'),
            |spec| spec.body = r#"{"due":4}"#.to_owned(),
            |spec| spec.body = r#"{"due": 3}"#.to_owned(),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut other = object.clone();
            change(&mut other.spec);
            if other.spec != object.spec {
                assert_eq!(other.record(), None, "change {index}");
            }
        }
    }

    #[test]
    fn a_checkpoint_is_of_this_very_record() {
        let signer = Signer::new(&[7; 32]);
        let mut object = EvidenceRecord::of(&record()).unwrap();
        assert_eq!(object.checkpoints(), []);
        let signed = checkpoint(&signer, "eu-west", Tip::of(&record()), record().at).unwrap();
        let status = |checkpoint: &Checkpoint| EvidenceRecordStatus {
            checkpoints: vec![SignedCheckpoint::of(checkpoint)],
            ..EvidenceRecordStatus::default()
        };
        object.status = Some(status(&signed));
        assert_eq!(object.checkpoints(), std::slice::from_ref(&signed));
        let genesis = Tip::genesis("aurora", "eu-west");
        let other = checkpoint(&signer, "eu-west", genesis, record().at).unwrap();
        object.status = Some(status(&other));
        assert_eq!(object.checkpoints(), []);
    }

    /// Of other regions' signatures those count that their keys made, over this very record.
    #[test]
    fn a_countersignature_is_of_this_very_record() {
        let signer = Signer::new(&[8; 32]);
        let genesis = Tip::genesis("aurora", "eu-west");
        let made = |previous: Option<Tip>, tip: Tip| {
            let witness = crate::evidence::Witness {
                by: "us-east",
                region: "eu-west",
                previous,
            };
            crate::evidence::countersign(&signer, witness, tip, record().at).unwrap()
        };
        let read = |made: &Countersignature, change: fn(&mut SignedCountersignature)| {
            let mut object = EvidenceRecord::of(&record()).unwrap();
            let mut told = SignedCountersignature::of(made);
            change(&mut told);
            object.status = Some(EvidenceRecordStatus {
                countersignatures: vec![told],
                ..EvidenceRecordStatus::default()
            });
            object.countersignatures()
        };
        let tip = Tip::of(&record());
        for previous in [None, Some(genesis)] {
            let good = made(previous, tip);
            assert_eq!(read(&good, |_| {}), std::slice::from_ref(&good));
            assert_eq!(read(&good, |told| told.by.push('x')), []);
            assert_eq!(read(&made(previous, genesis), |_| {}), []);
        }
        assert_eq!(
            read(&made(Some(genesis), tip), |told| told.previous = None),
            []
        );
    }

    /// A hash that was worked out for what is written is still none of a record that is spelled otherwise.
    #[test]
    fn another_spelling_or_version_is_no_record_under_its_own_hash_either() {
        let whole = |version: u32, at: &str| {
            let mut other = record();
            other.version = version;
            let mut object = EvidenceRecord::of(&other).unwrap();
            at.clone_into(&mut object.spec.at);
            object.record().is_some()
        };
        assert!(whole(1, "2026-11-26T12:00:00.123456789Z"));
        assert!(!whole(2, "2026-11-26T12:00:00.123456789Z"));
        assert!(!whole(1, "2026-11-26T13:00:00.123456789+01:00"));
    }
}
