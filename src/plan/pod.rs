//! The pods that run the agent: restricted Pod Security, a task, the secrets' files, and nothing else.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, EmptyDirVolumeSource, KeyToPath,
    LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec, ProjectedVolumeSource,
    ResourceRequirements, SeccompProfile, SecretProjection, SecretVolumeSource, SecurityContext,
    Toleration, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Settings;
use super::meta::{self, Role};
use crate::api::{RegionSpec, Workloads, names};
use crate::contract;

/// The agent in the image.
const AGENT: &str = "/usr/local/bin/tradewind-agent";
/// The one container of every pod; the Job's pod failure policy names it.
pub(super) const CONTAINER: &str = "agent";
/// `nonroot` of the usual slim images: every image has room for it, none gives it rights.
const USER: i64 = 65532;
/// Secrets are readable to the pod's group and to nobody else: 0440.
const SECRET_MODE: i32 = 0o440;

/// A Secret's keys as files below `contract::SECRETS_PATH`.
#[derive(Clone, Debug)]
pub(super) struct Mount {
    /// The folder's name.
    pub(super) name: String,
    /// The Secret's name.
    pub(super) secret: String,
    /// Keys that must be there: the pod does not start without.
    pub(super) required: Vec<String>,
    /// Keys that may be there.
    pub(super) optional: Vec<String>,
}

impl Mount {
    /// A mount of one key.
    pub(super) fn key(name: impl Into<String>, secret: &str, key: &str) -> Self {
        Self {
            name: name.into(),
            secret: secret.to_owned(),
            required: vec![key.to_owned()],
            optional: Vec::new(),
        }
    }
}

/// What a pod may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// CPU that it is given at least.
    pub(super) cpu: &'static str,
    /// Memory that it is given at least.
    pub(super) memory: &'static str,
    /// Memory at which it is killed.
    pub(super) memory_limit: &'static str,
    /// `/tmp`.
    pub(super) scratch: &'static str,
}

/// One kind of agent pod.
#[derive(Clone, Debug)]
pub(super) struct Agent<'a> {
    /// `connect`, `feed` or `retain`.
    pub(super) command: &'static str,
    /// Whose it is.
    pub(super) role: Role<'a>,
    /// Name of the ConfigMap with the task.
    pub(super) config_map: &'a str,
    /// [`meta::config_hash`].
    pub(super) hash: String,
    /// Name of the ServiceAccount.
    pub(super) service_account: String,
    /// The secrets' files.
    pub(super) mounts: Vec<Mount>,
    /// What it may use.
    pub(super) size: Size,
    /// How long it may take to end, in seconds.
    pub(super) grace: i64,
}

impl Agent<'_> {
    /// The pod template, without what only some kinds have (ports, probes, spread, restart policy).
    pub(super) fn template(&self, settings: &Settings, region: &RegionSpec) -> PodTemplateSpec {
        let none = Workloads::default();
        let workloads = region.workloads.as_ref().unwrap_or(&none);
        PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(self.role.labels()),
                annotations: Some(BTreeMap::from([(
                    names::ANNOTATION_CONFIG_HASH.to_owned(),
                    self.hash.clone(),
                )])),
                ..ObjectMeta::default()
            }),
            spec: Some(PodSpec {
                service_account_name: Some(self.service_account.clone()),
                automount_service_account_token: Some(false),
                // An environment variable for every Service of the namespace is noise, and may name other tenants.
                enable_service_links: Some(false),
                termination_grace_period_seconds: Some(self.grace),
                security_context: Some(pod_security()),
                image_pull_secrets: some(
                    workloads
                        .image_pull_secrets
                        .iter()
                        .map(|name| LocalObjectReference { name: name.clone() })
                        .collect(),
                ),
                tolerations: some(workloads.tolerations.iter().map(toleration).collect()),
                containers: vec![self.container(settings, workloads)],
                volumes: Some(self.volumes()),
                ..PodSpec::default()
            }),
        }
    }

    fn container(&self, settings: &Settings, workloads: &Workloads) -> Container {
        Container {
            name: CONTAINER.to_owned(),
            image: Some(image(&settings.image, workloads.registry.as_deref())),
            image_pull_policy: settings.image_pull_policy.clone(),
            command: Some(vec![AGENT.to_owned()]),
            args: Some(vec![
                self.command.to_owned(),
                "--task".to_owned(),
                contract::TASK_PATH.to_owned(),
            ]),
            resources: Some(resources(self.size)),
            security_context: Some(container_security()),
            termination_message_path: Some(contract::REPORT_PATH.to_owned()),
            termination_message_policy: Some("File".to_owned()),
            volume_mounts: Some(self.volume_mounts()),
            ..Container::default()
        }
    }

    fn volume_mounts(&self) -> Vec<VolumeMount> {
        let mount = |name: &str, path: String, read_only| VolumeMount {
            name: name.to_owned(),
            mount_path: path,
            read_only,
            ..VolumeMount::default()
        };
        let mut mounts = vec![
            mount("task", meta::task_folder().to_owned(), Some(true)),
            mount("tmp", "/tmp".to_owned(), None),
        ];
        mounts.extend(self.mounts.iter().map(|m| {
            let folder = format!("{}/{}", contract::SECRETS_PATH, m.name);
            mount(&volume_name(m), folder, Some(true))
        }));
        mounts
    }

    fn volumes(&self) -> Vec<Volume> {
        let mut volumes = vec![
            Volume {
                name: "task".to_owned(),
                config_map: Some(ConfigMapVolumeSource {
                    name: self.config_map.to_owned(),
                    items: Some(vec![path(meta::task_file())]),
                    ..ConfigMapVolumeSource::default()
                }),
                ..Volume::default()
            },
            Volume {
                name: "tmp".to_owned(),
                empty_dir: Some(EmptyDirVolumeSource {
                    size_limit: Some(Quantity(self.size.scratch.to_owned())),
                    ..EmptyDirVolumeSource::default()
                }),
                ..Volume::default()
            },
        ];
        volumes.extend(self.mounts.iter().map(secret_volume));
        volumes
    }
}

fn volume_name(mount: &Mount) -> String {
    format!("secret-{}", mount.name)
}

fn path(key: &str) -> KeyToPath {
    KeyToPath {
        key: key.to_owned(),
        path: key.to_owned(),
        ..KeyToPath::default()
    }
}

/// Only the keys that are needed. A plain volume when all must be there, so that its form is the usual one.
fn secret_volume(mount: &Mount) -> Volume {
    let items = mount.required.iter().map(|key| path(key)).collect();
    let mut volume = Volume {
        name: volume_name(mount),
        ..Volume::default()
    };
    if mount.optional.is_empty() {
        volume.secret = Some(SecretVolumeSource {
            secret_name: Some(mount.secret.clone()),
            items: Some(items),
            default_mode: Some(SECRET_MODE),
            ..SecretVolumeSource::default()
        });
        return volume;
    }
    let project = |items: Vec<KeyToPath>, optional| VolumeProjection {
        secret: Some(SecretProjection {
            name: mount.secret.clone(),
            items: Some(items),
            optional,
        }),
        ..VolumeProjection::default()
    };
    let mut sources = Vec::new();
    // A source that names no key would mount them all.
    if !mount.required.is_empty() {
        sources.push(project(items, None));
    }
    // `optional` speaks for a whole source, so each key that may be missing is one of its own.
    sources.extend(
        mount
            .optional
            .iter()
            .map(|key| project(vec![path(key)], Some(true))),
    );
    volume.projected = Some(ProjectedVolumeSource {
        sources: Some(sources),
        default_mode: Some(SECRET_MODE),
    });
    volume
}

fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            ..Capabilities::default()
        }),
        ..SecurityContext::default()
    }
}

fn resources(size: Size) -> ResourceRequirements {
    let quantities = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned())))
            .collect()
    };
    ResourceRequirements {
        requests: Some(quantities(&[("cpu", size.cpu), ("memory", size.memory)])),
        limits: Some(quantities(&[
            ("cpu", CPU_LIMIT),
            ("memory", size.memory_limit),
        ])),
        ..ResourceRequirements::default()
    }
}

/// One core: no agent uses more, and namespaces with quotas ask for a limit.
const CPU_LIMIT: &str = "1";

fn toleration(of: &crate::api::Toleration) -> Toleration {
    Toleration {
        key: Some(of.key.clone()),
        operator: Some(
            if of.value.is_some() {
                "Equal"
            } else {
                "Exists"
            }
            .to_owned(),
        ),
        value: of.value.clone(),
        effect: of.effect.clone(),
        ..Toleration::default()
    }
}

/// The image, from the region's registry when it has one of its own.
fn image(image: &str, registry: Option<&str>) -> String {
    let Some(registry) = registry else {
        return image.to_owned();
    };
    let name = match image.split_once('/') {
        // As container engines read it: a first part with a dot, a port or `localhost` is a registry.
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => rest,
        _ => image,
    };
    format!("{registry}/{name}")
}

/// An empty list and an absent one are the same to the API server; the absent one declares nothing.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

#[cfg(test)]
mod tests {
    use super::image;

    #[test]
    fn a_registry_replaces_the_images_own() {
        for (given, registry, wanted) in [
            ("ghcr.io/t/agent:1", None, "ghcr.io/t/agent:1"),
            ("ghcr.io/t/agent:1", Some("r.eu"), "r.eu/t/agent:1"),
            ("localhost:5000/agent:1", Some("r.eu"), "r.eu/agent:1"),
            ("localhost/agent", Some("r.eu"), "r.eu/agent"),
            ("t/agent@sha256:ab", Some("r.eu"), "r.eu/t/agent@sha256:ab"),
            ("agent:1", Some("r.eu:5000"), "r.eu:5000/agent:1"),
        ] {
            assert_eq!(image(given, registry), wanted);
        }
    }
}
