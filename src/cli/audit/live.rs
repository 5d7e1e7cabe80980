//! Evidence as a hub has it now. It is read, and nothing else: what is made of it is what an export would be.

use std::path::Path;

use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Error as Asked};
use serde_json::{Value as Json, json};

use super::listed;
use crate::cli::input::Error;
use crate::clusters::kubeconfig;

/// Records that are read at a time: each may have a quarter of a mebibyte.
const PAGE: u32 = 200;

/// The lines of a hub's records, by a kubeconfig with its data inline that may list them.
pub(super) fn lines(file: &Path) -> Result<Vec<u8>, Error> {
    let bytes = std::fs::read(file).map_err(|source| Error::File {
        field: "--live",
        file: file.to_owned(),
        source,
    })?;
    let config = kubeconfig::parse(&bytes).map_err(|source| Error::Kubeconfig {
        file: file.to_owned(),
        source,
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|source| Error::File {
        field: "--live",
        file: file.to_owned(),
        source,
    })?;
    let list = runtime.block_on(async { list(Client::try_from(config)?).await });
    let list = list.map_err(|source| Error::Hub(Box::new(source)))?;
    Ok(listed::lines(list.to_string().into_bytes()))
}

/// As `kubectl get evidencerecords -o json` prints it.
async fn list(hub: Client) -> Result<Json, Asked> {
    let kind = GroupVersionKind::gvk("tradewind.dev", "v1alpha1", "EvidenceRecord");
    // Not as our own kind: what does not fit that is to be judged too.
    let api: Api<DynamicObject> = Api::all_with(hub, &ApiResource::from_gvk(&kind));
    let mut params = ListParams::default().limit(PAGE);
    let mut items: Vec<Json> = Vec::new();
    loop {
        let page = api.list(&params).await?;
        items.extend(page.items.into_iter().map(|object| object.data));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(json!({"items": items})),
        }
    }
}
