//! What takes a channel's webhooks in a region: facts in, Kubernetes objects out.

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    ContainerPort, HTTPGetAction, PodTemplateSpec, Probe, Service, ServicePort, ServiceSpec,
    TopologySpreadConstraint,
};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, ServiceBackendPort,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::channel::{Site, listed};
use super::flows::Part;
use super::meta::{self, Role};
use super::pod::{Agent, Mount, Size};
use super::{ConnectorWorkloads, SecretCopy, hold_list};
use crate::api::{Connector, CredentialsLocation, IngressTarget, SinkSpec, names};
use crate::contract::{ADMIN_PORT, Connect, KEEP_UNDELIVERED, Sink, WEBHOOK_PORT, Webhook};

/// The command, and the component label.
const COMMAND: &str = "connect";
const COMPONENT: &str = "connector";
/// Folder of the platform's keys.
const PLATFORM: &str = "platform";
/// Folder of the connector's own database URL.
const STORE: &str = "store";
/// A connector keeps little in memory: events go straight to its database.
const SIZE: Size = Size {
    cpu: "50m",
    memory: "64Mi",
    memory_limit: "256Mi",
    scratch: "16Mi",
};
/// Seconds to answer the webhooks that were accepted and to let go of the ones under delivery.
const GRACE: i64 = 45;
/// Two, so that one may go without a webhook being missed.
const REPLICAS: i32 = 2;
/// Days after which a delivered event is purged.
const KEEP_DELIVERED_DAYS: i32 = 7;
/// Old ReplicaSets that stay for a look back.
const REVISIONS: i32 = 3;

/// The connector, for a channel that has one on a platform that sends webhooks.
pub(super) fn workloads(
    site: &Site<'_>,
    spec: &Connector,
    copy: Option<&SecretCopy>,
) -> Option<ConnectorWorkloads> {
    let webhook = site.platform.webhook(&meta::secret_folder(PLATFORM))?;
    let role = site.role(COMPONENT, None);
    let name = names::connector(site.name);
    let task = meta::task(COMMAND, site.region, task(site, spec, &webhook));
    let hashes = copy.map(|copy| copy.keys.clone()).unwrap_or_default();
    let agent = Agent {
        command: COMMAND,
        role: role.clone(),
        config_map: &name,
        hash: meta::config_hash(&task, &hashes),
        service_account: names::agent(site.name),
        mounts: mounts(site, spec, &webhook, copy),
        size: SIZE,
        grace: GRACE,
    };
    let mut template = agent.template(&site.facts.settings, &site.place.spec);
    hold_list::mount(&mut template, &names::connector_holds(site.name));
    let target = spec.ingress.as_ref().and(site.place.spec.ingress.as_ref());
    Some(ConnectorWorkloads {
        hold_list: listed::config_map(site.facts, site.place),
        config_map: meta::config_map(&role, site.namespace, &name, task),
        deployment: deployment(site, &role, &name, spec, template),
        service: service(site, &role, &name),
        ingress: target.map(|target| ingress(site, &role, &name, target)),
        disruption_budget: disruption_budget(site, &role, &name),
        callback_url: target.map(|target| {
            let host = names::host(site.name, site.namespace, &target.domain);
            format!("https://{host}{}", path(site))
        }),
    })
}

fn path(site: &Site<'_>) -> String {
    names::webhook_path(site.namespace, site.name)
}

fn task(site: &Site<'_>, spec: &Connector, webhook: &Webhook) -> Connect {
    let days = spec
        .store
        .keep_delivered_days
        .unwrap_or(KEEP_DELIVERED_DAYS);
    let undelivered = spec.store.keep_undelivered_days;
    let mut events = spec.events.clone();
    events.sort_unstable();
    Connect {
        channel: site.channel(),
        platform: site.facts.channel.spec.platform.name.clone(),
        settings: site.settings(),
        path: path(site),
        webhook: webhook.clone(),
        rules: site.platform.event_rules(),
        events,
        store: meta::secret_file(STORE, &spec.store.secret_ref.key),
        sinks: sinks(site, false).map(|sink| open(site, sink)).collect(),
        held_sinks: sinks(site, true).map(|sink| sink.name.clone()).collect(),
        keep_delivered: format!("P{days}D"),
        keep_undelivered: undelivered
            .map_or_else(|| KEEP_UNDELIVERED.to_owned(), |days| format!("P{days}D")),
        hold_list: Some(hold_list::bound(&site.place.spec.hold_list())),
    }
}

/// The sinks that are held, or those that are not.
fn sinks<'a>(site: &'a Site<'_>, held: bool) -> impl Iterator<Item = &'a SinkSpec> {
    let sinks = site.facts.channel.spec.sinks.iter();
    sinks.filter(move |sink| site.is_held(&Part::Sink(sink.name.clone())) == held)
}

/// A sink that may be sent events. When its instrument ends is told to the agent, which then stops though the hub is away.
fn open(site: &Site<'_>, sink: &SinkSpec) -> Sink {
    let flow = site.flow(&Part::Sink(sink.name.clone()));
    let until = flow.and_then(|flow| flow.judgement.until);
    Sink {
        name: sink.name.clone(),
        url: sink.http.url.clone(),
        secret: meta::secret_file(&sink_mount(&sink.name), &sink.http.secret_ref.key),
        sale_or_sharing: sink.sale_or_sharing.unwrap_or_default(),
        until: until.map(|until| until.to_string()),
    }
}

fn sink_mount(sink: &str) -> String {
    format!("sink-{sink}")
}

fn mounts(
    site: &Site<'_>,
    spec: &Connector,
    webhook: &Webhook,
    copy: Option<&SecretCopy>,
) -> Vec<Mount> {
    let credentials = site.facts.channel.spec.credentials_ref.as_ref();
    let location = credentials.and_then(|it| it.location).unwrap_or_default();
    let secret = match (location, copy) {
        (CredentialsLocation::Hub, Some(copy)) => copy.name.clone(),
        (CredentialsLocation::Hub | CredentialsLocation::Region, _) => {
            credentials.map(|it| it.name.clone()).unwrap_or_default()
        }
    };
    let mut mounts = vec![
        Mount {
            name: PLATFORM.to_owned(),
            secret,
            required: key_names(webhook),
            optional: Vec::new(),
        },
        Mount::key(
            STORE,
            &spec.store.secret_ref.name,
            &spec.store.secret_ref.key,
        ),
    ];
    // A held sink's key isn't even mounted.
    mounts.extend(sinks(site, false).map(|sink| {
        let secret = &sink.http.secret_ref;
        Mount::key(sink_mount(&sink.name), &secret.name, &secret.key)
    }));
    mounts
}

/// The keys that the scheme reads: no other is mounted, whatever else the Secret holds.
fn key_names(webhook: &Webhook) -> Vec<String> {
    let files = match webhook {
        Webhook::MetaHubSignature {
            app_secret,
            verify_token,
        } => vec![app_secret, verify_token],
        Webhook::StandardWebhooks { secret } => vec![secret],
    };
    files
        .into_iter()
        .filter_map(|file| Some(file.file_name()?.to_str()?.to_owned()))
        .collect()
}

fn deployment(
    site: &Site<'_>,
    role: &Role<'_>,
    name: &str,
    spec: &Connector,
    template: PodTemplateSpec,
) -> Deployment {
    Deployment {
        metadata: role.meta(site.namespace, name),
        spec: Some(DeploymentSpec {
            replicas: Some(spec.replicas.as_ref().map_or(REPLICAS, |r| r.min)),
            revision_history_limit: Some(REVISIONS),
            selector: role.selector(),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                // A new pod first: a single one is replaced without a gap too.
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            template: serving(template, role),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// Ports, probes and spread of pods that serve.
fn serving(mut template: PodTemplateSpec, role: &Role<'_>) -> PodTemplateSpec {
    let Some(pod) = template.spec.as_mut() else {
        return template;
    };
    pod.topology_spread_constraints = Some(
        ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
            .into_iter()
            .map(|key| TopologySpreadConstraint {
                max_skew: 1,
                topology_key: key.to_owned(),
                // A cluster of one node runs them all the same.
                when_unsatisfiable: "ScheduleAnyway".to_owned(),
                label_selector: Some(role.selector()),
                ..TopologySpreadConstraint::default()
            })
            .collect(),
    );
    if let Some(container) = pod.containers.first_mut() {
        let port = |name: &str, number: u16| ContainerPort {
            name: Some(name.to_owned()),
            container_port: i32::from(number),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        };
        container.ports = Some(vec![
            port("webhooks", WEBHOOK_PORT),
            port("admin", ADMIN_PORT),
        ]);
        container.readiness_probe = Some(probe("/readyz", 5));
        container.liveness_probe = Some(probe("/healthz", 10));
    }
    template
}

fn probe(path: &str, period: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("admin".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(3),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}

fn service(site: &Site<'_>, role: &Role<'_>, name: &str) -> Service {
    Service {
        metadata: role.meta(site.namespace, name),
        spec: Some(ServiceSpec {
            selector: Some(role.labels()),
            ports: Some(vec![ServicePort {
                name: Some("webhooks".to_owned()),
                port: 80,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String("webhooks".to_owned())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn ingress(site: &Site<'_>, role: &Role<'_>, name: &str, target: &IngressTarget) -> Ingress {
    let host = names::host(site.name, site.namespace, &target.domain);
    Ingress {
        metadata: role.meta(site.namespace, name),
        spec: Some(IngressSpec {
            ingress_class_name: Some(target.class_name.clone()),
            rules: Some(vec![IngressRule {
                host: Some(host.clone()),
                http: Some(HTTPIngressRuleValue {
                    paths: vec![HTTPIngressPath {
                        path: Some(path(site)),
                        path_type: "Exact".to_owned(),
                        backend: IngressBackend {
                            service: Some(IngressServiceBackend {
                                name: name.to_owned(),
                                port: Some(ServiceBackendPort {
                                    name: Some("webhooks".to_owned()),
                                    number: None,
                                }),
                            }),
                            resource: None,
                        },
                    }],
                }),
            }]),
            tls: Some(vec![IngressTLS {
                hosts: Some(vec![host]),
                secret_name: target.tls_secret_name.clone(),
            }]),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    }
}

fn disruption_budget(site: &Site<'_>, role: &Role<'_>, name: &str) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: role.meta(site.namespace, name),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(role.selector()),
            // A pod that isn't ready serves nobody: it must not stop a node from being drained.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}
