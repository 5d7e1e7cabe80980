//! A real API server, and what is asked of it.

use std::path::Path;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams, ValidationDirective,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Client, Config};
use serde_json::{Value, json};
use tradewind_dev::fleet::{Fleet, FleetSpec, HUB};

use crate::case::Kind;

pub(crate) const API_VERSION: &str = "tradewind.dev/v1alpha1";
const MANAGER: &str = "walker";

/// A hub without nodes: no pod runs here.
pub(crate) async fn start() -> Fleet {
    Fleet::start(FleetSpec::for_test("api", &[]).without_nodes())
        .await
        .unwrap()
}

async fn admin(fleet: &Fleet) -> Config {
    let hub = fleet.cluster(HUB).unwrap();
    let kubeconfig = Kubeconfig::read_from(hub.kubeconfig_admin()).unwrap();
    let options = KubeConfigOptions::default();
    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap()
}

/// The API server with an administrator's client.
pub(crate) struct Server {
    client: Client,
}

/// What the API server said to an object that it refused.
pub(crate) type Refusal = String;

/// What is installed, by the names of the files.
const KINDS: [&str; 6] = [
    "regions",
    "socialchannels",
    "datapolicies",
    "legalholds",
    "datasubjectrequests",
    "evidencerecords",
];

impl Server {
    pub(crate) async fn connect(fleet: &Fleet) -> Self {
        Self {
            client: Client::try_from(admin(fleet).await).unwrap(),
        }
    }

    /// Somebody's client, with the rights that this name was given and no other.
    pub(crate) async fn of_user(fleet: &Fleet, name: &str) -> Client {
        let mut config = admin(fleet).await;
        config.auth_info.impersonate = Some(name.to_owned());
        Client::try_from(config).unwrap()
    }

    /// Installs the checked-in files, as the chart does.
    pub(crate) async fn install(&self) {
        let crds: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        for kind in KINDS {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("crds/{kind}.yaml"));
            let text = std::fs::read_to_string(file).unwrap();
            let crd: CustomResourceDefinition = serde_saphyr::from_str(&text).unwrap();
            let made = crds.create(&PostParams::default(), &crd).await;
            made.unwrap_or_else(|error| panic!("{kind}: {error}"));
        }
        for _ in 0..600 {
            let all = crds.list(&kube::api::ListParams::default()).await.unwrap();
            let conditions = |crd: &CustomResourceDefinition, wanted: &str| {
                let status = crd.status.as_ref().and_then(|s| s.conditions.as_ref());
                status
                    .is_some_and(|all| all.iter().any(|c| c.type_ == wanted && c.status == "True"))
            };
            assert!(!all.iter().any(|crd| conditions(crd, "NonStructuralSchema")));
            if all
                .iter()
                .filter(|crd| conditions(crd, "Established"))
                .count()
                == KINDS.len()
            {
                let spaces: Api<Namespace> = Api::all(self.client.clone());
                let space =
                    serde_json::from_value(json!({"metadata": {"name": "aurora"}})).unwrap();
                spaces.create(&PostParams::default(), &space).await.unwrap();
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        panic!("the CRDs were not established");
    }

    /// The checked-in CRD of a kind, as the API server gives it back.
    pub(crate) async fn crd(&self, kind: &Kind) -> CustomResourceDefinition {
        let crds: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        crds.get(&format!("{}.tradewind.dev", kind.plural))
            .await
            .unwrap()
    }

    /// The administrator's client.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    fn api(&self, kind: &Kind) -> Api<DynamicObject> {
        let resource = ApiResource {
            group: "tradewind.dev".into(),
            version: "v1alpha1".into(),
            api_version: API_VERSION.into(),
            kind: kind.name.into(),
            plural: kind.plural.into(),
        };
        match kind.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// Applies a spec by server-side apply, as GitOps does: a field that is no longer there is removed.
    pub(crate) async fn apply(
        &self,
        kind: &Kind,
        name: &str,
        spec: &Value,
    ) -> Result<Value, Refusal> {
        let params = PatchParams {
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::apply(MANAGER).force()
        };
        let object = object(kind, name, spec);
        let done = self
            .api(kind)
            .patch(name, &params, &Patch::Apply(&object))
            .await;
        spec_of(done)
    }

    /// Whether the object could be made; it is not kept. A member that the schema doesn't know is refused.
    pub(crate) async fn could_create(
        &self,
        kind: &Kind,
        name: &str,
        spec: &Value,
    ) -> Result<Value, Refusal> {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let body = serde_json::to_vec(&object(kind, name, spec)).unwrap();
        let url = self.api(kind).resource_url().to_owned();
        let mut request = kube::core::Request::new(url).create(&params, body).unwrap();
        let strict = format!("{}&fieldValidation=Strict", request.uri());
        *request.uri_mut() = strict.parse().unwrap();
        spec_of(self.client.request::<DynamicObject>(request).await)
    }

    /// The object as it is.
    pub(crate) async fn get(&self, kind: &Kind, name: &str) -> Value {
        serde_json::to_value(self.api(kind).get(name).await.unwrap()).unwrap()
    }

    /// Applies a status, as the operator does.
    pub(crate) async fn apply_status(
        &self,
        kind: &Kind,
        name: &str,
        status: &Value,
    ) -> Result<Value, Refusal> {
        let params = PatchParams {
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::apply("walker-status").force()
        };
        let object = json!({
            "apiVersion": API_VERSION, "kind": kind.name, "metadata": {"name": name}, "status": status,
        });
        let done = self
            .api(kind)
            .patch_status(name, &params, &Patch::Apply(&object))
            .await;
        done.map(|object| object.data["status"].clone())
            .map_err(|error| error.to_string())
    }
}

/// Installs an admission policy of the chart's, with its binding.
pub(crate) async fn guard(client: &Client, file: &str) {
    let path = format!("charts/tradewind/files/{file}.yaml");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    for document in text.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document).unwrap();
        let kind = object["kind"].as_str().unwrap();
        let plural = if kind == "ValidatingAdmissionPolicy" {
            "validatingadmissionpolicies"
        } else {
            "validatingadmissionpolicybindings"
        };
        let gvk = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let name = object["metadata"]["name"].as_str().unwrap();
        let params = PatchParams::apply(MANAGER).force().validation_strict();
        api.patch(name, &params, &Patch::Apply(&object))
            .await
            .unwrap();
    }
}

fn object(kind: &Kind, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": API_VERSION, "kind": kind.name, "metadata": {"name": name}, "spec": spec})
}

fn spec_of(done: Result<DynamicObject, kube::Error>) -> Result<Value, Refusal> {
    done.map(|object| object.data["spec"].clone())
        .map_err(|error| error.to_string())
}
