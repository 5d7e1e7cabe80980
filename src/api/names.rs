//! Every name that Tradewind uses in a cluster: labels, annotations, finalizer, field managers, object names.

use sha2::{Digest, Sha256};

/// The finalizer on the kinds that people write: what was made in the regions is removed (or orphaned) first.
pub const FINALIZER: &str = "tradewind.dev/cleanup";

/// Field manager of children in the regions.
pub const FIELD_MANAGER: &str = "tradewind";
/// Field manager of status on the hub.
pub const STATUS_MANAGER: &str = "tradewind-status";

/// Whose objects these are: `tradewind`.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The role of an object: `connector`, `feed`, `retention`, `hold`, `request`, `requests`, `evidence`.
pub const LABEL_COMPONENT: &str = "app.kubernetes.io/component";
/// The fleet that made the object; with kind, namespace and name it is the object's identity.
pub const LABEL_FLEET: &str = "tradewind.dev/fleet";
/// The kind of the resource that the object was made for: `SocialChannel`, `DataPolicy`, `LegalHold`, `DataSubjectRequest` or `Region`.
pub const LABEL_KIND: &str = "tradewind.dev/kind";
/// The hub namespace of that resource; empty for cluster-scoped kinds.
pub const LABEL_NAMESPACE: &str = "tradewind.dev/namespace";
/// The name of that resource.
pub const LABEL_NAME: &str = "tradewind.dev/name";
/// The feed that the object was made for.
pub const LABEL_FEED: &str = "tradewind.dev/feed";
/// Kubernetes' own label on a Job's pods.
pub const LABEL_JOB: &str = "batch.kubernetes.io/job-name";
/// Hash of the task and secrets in a pod template: pods are rolled when it changes.
pub const ANNOTATION_CONFIG_HASH: &str = "tradewind.dev/config-hash";
/// On a retention Job: `DryRun` or `Enforce`, as its task said when it was made.
pub const ANNOTATION_MODE: &str = "tradewind.dev/mode";
/// On a retention Job: the hash of what binds the policy in the region, as it was then.
pub const ANNOTATION_SPEC_HASH: &str = "tradewind.dev/spec-hash";
/// On a retention Job: the hash of the preview that was approved for the region then; absent without one.
pub const ANNOTATION_APPROVED: &str = "tradewind.dev/approved";
/// The task version that wrote an object, for upgrades.
pub const MANAGED_BY: &str = "tradewind";

/// A new value asks for a reconcile now; acknowledged in `status.lastHandledReconcileAt`.
pub const ANNOTATION_RECONCILE_AT: &str = "tradewind.dev/reconcile-at";
/// A new value asks for one run of every feed, of the retention, or of the hold, in every region now;
/// acknowledged per region in `status.regions[].lastHandledRunAt`. A region that joins later is not asked.
/// On a Region: its evidence is signed now.
pub const ANNOTATION_RUN_AT: &str = "tradewind.dev/run-at";
/// On a Region: a new value asks for another key that signs its evidence; acknowledged in
/// `status.evidence.lastHandledRotateAt` once that key signs.
pub const ANNOTATION_ROTATE_AT: &str = "tradewind.dev/rotate-key-at";
/// On a Region whose stores were restored: a new value asks that whoever was erased is erased again; acknowledged in
/// `status.requests.lastHandledReapply` once that is done.
pub const ANNOTATION_REAPPLY: &str = "tradewind.dev/reapply";

/// Annotations may have 256 KiB, and status repeats them: a longer value than this is acknowledged by its hash.
const ACKNOWLEDGED: usize = 128;

/// How status acknowledges an annotation's value: as it is, or `sha256-<hex>` of one with more than 128 bytes.
#[must_use]
pub fn acknowledged(value: &str) -> String {
    if value.len() <= ACKNOWLEDGED {
        return value.to_owned();
    }
    format!("sha256-{}", hex::encode(Sha256::digest(value)))
}

/// The first `digits` hexadecimal digits of a SHA-256 over the parts, joined by a byte that no name contains.
#[must_use]
pub fn short_hash(parts: &[&str], digits: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut text = hex::encode(hash.finalize());
    text.truncate(digits);
    text
}

/// Name of the ServiceAccount of a channel's pods (at most 46 characters).
#[must_use]
pub fn agent(channel: &str) -> String {
    format!("{channel}-agent")
}

/// Name of the copy of a channel's platform credentials in a region (at most 52 characters).
#[must_use]
pub fn credentials(channel: &str) -> String {
    format!("{channel}-credentials")
}

/// Name of a channel's connector objects: `<channel>-connector` (at most 50 characters).
#[must_use]
pub fn connector(channel: &str) -> String {
    format!("{channel}-connector")
}

/// Name of the ConfigMap beside a channel's connector that says when the hub last saw all LegalHolds: pods mount nothing from
/// another namespace, and a namespace may have several channels.
#[must_use]
pub fn connector_holds(channel: &str) -> String {
    format!("{channel}-connector-holds")
}

/// Name of a feed's objects. A CronJob's name may have 52 characters, so a long one is cut and told apart by a hash.
#[must_use]
pub fn feed(channel: &str, feed: &str) -> String {
    bounded(&format!("{channel}-feed-{feed}"), &[channel, feed])
}

/// Name of a policy's objects in a region's run namespace.
#[must_use]
pub fn retention(policy: &str) -> String {
    bounded(&format!("{policy}-retention"), &[policy])
}

/// Name of the ServiceAccount of a hold's pods in a region's run namespace (at most 45 characters).
#[must_use]
pub fn hold(hold: &str) -> String {
    format!("{hold}-hold")
}

/// Name of the ConfigMap with a hold's task, and of its Job: it follows from the task, so that a second create answers
/// 409, and another task makes another Job (at most 52 characters).
#[must_use]
pub fn hold_task(hold: &str, task: &str) -> String {
    let cut: String = hold.chars().take(36).collect();
    let cut = cut.trim_end_matches(['-', '.']);
    format!("{cut}-hold-{}", short_hash(&[hold, task], 10))
}

/// Name of the ConfigMap with the task of the Job that keeps a region's key for requests, and of that Job.
#[must_use]
pub fn keeper_task(task: &str) -> String {
    format!("{REQUESTS}-key-{}", short_hash(&[REQUESTS, task], 10))
}

/// Name of the ServiceAccount of the pods that do all erasures over again in a region.
pub const REAPPLY: &str = "tradewind-reapply";

/// Name of the ConfigMap with the task of the Job that does all erasures over again, and of that Job: another task makes
/// another Job, and so does another value of the annotation.
#[must_use]
pub fn reapply_task(task: &str, asked: &str) -> String {
    format!("{REAPPLY}-{}", short_hash(&[REAPPLY, task, asked], 10))
}

/// Name of the ServiceAccount of a request's pods in a region's run namespace (at most 48 characters).
#[must_use]
pub fn request(request: &str) -> String {
    format!("{request}-request")
}

/// Name of the ConfigMap with a request's task and ciphertext, and of its Job: it follows from both (at most 52
/// characters).
#[must_use]
pub fn request_task(request: &str, task: &str, ciphertext: &str) -> String {
    let cut: String = request.chars().take(33).collect();
    let cut = cut.trim_end_matches(['-', '.']);
    let hash = short_hash(&[request, task, ciphertext], 10);
    format!("{cut}-request-{hash}")
}

/// A hold's id in every database: the same after the hub was restored, another in every fleet. No fleet's id has a
/// slash.
#[must_use]
pub fn hold_id(fleet: &str, hold: &str) -> String {
    format!("{fleet}/{hold}")
}

/// Name of everything that signs a region's evidence in its run namespace: what the operator makes there (the task, the
/// schedule), what the chart makes (the ServiceAccount and its Role), and the Secret that the agent makes for its key.
pub const SIGNING: &str = "tradewind-evidence";

/// Name of everything in a region's run namespace that keeps the key of its requests: what the operator makes (the task,
/// the Job), what the chart makes (the ServiceAccount and its Role), and the Secret that the agent makes.
pub const REQUESTS: &str = "tradewind-requests";
/// The key of that Secret with the private half of the `age` key.
pub const REQUESTS_IDENTITY: &str = "identity.key";
/// The key of that Secret with the key of the hashes in the suppression store.
pub const REQUESTS_HASHES: &str = "suppression.key";
/// Name of the ConfigMap in a region's run namespace that says when the hub last saw all LegalHolds.
pub const HOLD_LIST: &str = "tradewind-holds";

/// Name of the Job that a run-at annotation asks for: deterministic, so that a second create answers 409.
#[must_use]
pub fn run_job(cron_job: &str, requested: &str) -> String {
    format!("{cron_job}-{}", short_hash(&[cron_job, requested], ASKED))
}

/// Digits of the hash that such a name ends in; a CronJob's own Jobs end in fewer, the minutes since 1970.
const ASKED: usize = 10;

/// Whether a Job is one that a run-at annotation asked for.
#[must_use]
pub fn is_asked_for(job: &str) -> bool {
    let end = job.rsplit_once('-').map(|(_, end)| end);
    end.is_some_and(|end| end.len() == ASKED && end.bytes().all(|it| it.is_ascii_hexdigit()))
}

/// The end of the name of a Job that reads a run's ledger back.
const READ_BACK: &str = "-read-back";

/// Name of the Job that reads the ledger back after `lost` left no report.
#[must_use]
pub fn read_back_job(cron_job: &str, lost: &str) -> String {
    // The longest that a Job's name may be, less the longest CronJob's name and a hash.
    format!(
        "{cron_job:.42}-{}{READ_BACK}",
        short_hash(&[cron_job, lost], 10)
    )
}

/// Whether a Job only reads a ledger back: a CronJob's own end in digits, and those that were asked for in a hash.
#[must_use]
pub fn is_read_back(job: &str) -> bool {
    job.ends_with(READ_BACK)
}

/// A channel's host below the Region's domain. The hash keeps `a-b` in `c` and `a` in `b-c` apart.
#[must_use]
pub fn host(channel: &str, namespace: &str, domain: &str) -> String {
    let label = format!("{channel}-{namespace}");
    let cut: String = label.chars().take(52).collect();
    format!(
        "{}-{}.{domain}",
        cut.trim_end_matches('-'),
        short_hash(&[channel, namespace], 8)
    )
}

/// The path that takes a channel's webhooks.
#[must_use]
pub fn webhook_path(namespace: &str, channel: &str) -> String {
    format!("/webhooks/{namespace}/{channel}")
}

fn bounded(name: &str, parts: &[&str]) -> String {
    if name.len() <= 52 {
        return name.to_owned();
    }
    let cut: String = name.chars().take(43).collect();
    format!("{}-{}", cut.trim_end_matches('-'), short_hash(parts, 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_job_names_fit_and_differ() {
        let long = "a".repeat(40);
        let one = feed(&long, "full-catalogue-a");
        let two = feed(&long, "full-catalogue-b");
        assert!(one.len() <= 52, "{one}");
        assert_ne!(one, two);
        assert!(run_job(&one, "x").len() <= 63);
        let read_back = read_back_job(&one, "x");
        assert!(read_back.len() <= 63 && is_read_back(&read_back));
        assert!(!is_read_back(&run_job(&one, "x")));
        assert!(is_asked_for(&run_job(&one, "x")) && !is_asked_for(&read_back));
        // As the CronJob's controller names them.
        assert!(!is_asked_for(&format!("{one}-29737560")) && !is_asked_for(&one));
        assert_ne!(read_back, read_back_job(&one, "y"));
    }

    #[test]
    fn a_long_value_is_acknowledged_by_its_hash() {
        let fits = "2".repeat(128);
        assert_eq!(acknowledged(&fits), fits);
        let (one, two) = ("x".repeat(129), "x".repeat(262_000));
        assert_ne!(acknowledged(&one), acknowledged(&two));
        assert_eq!(acknowledged(&two).len(), 71);
    }

    #[test]
    fn hold_names_fit_and_follow_from_the_task() {
        let long = format!("{}-.{}", "a".repeat(35), "b".repeat(3));
        let name = hold_task(&long, "{}");
        assert!(
            name.len() <= 52 && !name.contains("-.") && !name.contains("--"),
            "{name}"
        );
        assert!(run_job(&name, "x").len() <= 63);
        assert_eq!(name, hold_task(&long, "{}"));
        assert_ne!(name, hold_task(&long, "{ }"), "another task");
        assert_ne!(name, hold_task(&format!("{long}b"), "{}"), "another hold");
        assert_eq!(hold_id("aurora", "case-7"), "aurora/case-7");
    }

    #[test]
    fn hosts_of_different_tenants_differ() {
        assert_ne!(
            host("a-b", "c", "example.org"),
            host("a", "b-c", "example.org")
        );
    }
}
