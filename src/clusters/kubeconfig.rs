//! A kubeconfig from a Secret, read strictly: bytes in, a connection's configuration or one refusal out.
//!
//! A kubeconfig is a program in disguise: it can name commands to run, files to read and send away, proxies to go
//! through, and users to become. Whoever may write the Secret must not get the operator's powers by it, so nothing of
//! that is known here: no process, no file, no network, and no flag that allows them.

use kube::Config;
use serde_json::Value;

mod credentials;
mod refused;
mod rules;
mod tree;

pub use refused::Refused;
use tree::Mapping;

/// Larger ones are refused before they are looked at. Real ones have a few KiB.
pub const MOST_BYTES: usize = 256 << 10;

/// Entries in each list. Real ones have a few.
const MOST_ENTRIES: usize = 64;

/// Reads a kubeconfig. The cluster and user of `current-context` are used; every other entry is checked all the same.
pub fn parse(bytes: &[u8]) -> Result<Config, Refused> {
    let document = tree::document(bytes)?;
    let top = Mapping::new("", &document, rules::TOP)?;
    top.is_exactly("apiVersion", "v1")?;
    top.is_exactly("kind", "Config")?;

    let clusters = entries(&top, "clusters", "cluster", rules::CLUSTER, cluster)?;
    let users = entries(&top, "users", "user", rules::USER, credentials::read)?;
    let contexts = entries(&top, "contexts", "context", rules::CONTEXT, context)?;

    let current = top.text("current-context")?;
    let context = find(contexts, current, "current-context", "contexts")?;
    let cluster = find(clusters, &context.cluster, "context.cluster", "clusters")?;
    let user = find(users, &context.user, "context.user", "users")?;

    let mut config = Config::new(cluster.server);
    config.root_cert = Some(cluster.roots);
    config.auth_info = user;
    Ok(super::transport::tuned(config))
}

struct Cluster {
    server: axum::http::Uri,
    roots: Vec<Vec<u8>>,
}

struct Context {
    cluster: String,
    user: String,
}

/// Reads every entry of a list of named things.
fn entries<'v, T>(
    top: &Mapping<'v>,
    list: &'static str,
    member: &'static str,
    fields: rules::Fields,
    read: impl Fn(&Mapping<'v>) -> Result<T, Refused>,
) -> Result<Vec<(String, T)>, Refused> {
    let items = match top.field(list)? {
        Value::Array(items) if items.len() <= MOST_ENTRIES => items,
        Value::Array(_) => {
            return Err(Refused::Field {
                path: list.to_owned(),
                why: "has more than 64 entries",
                instead: "keep only the cluster that the Region means",
            });
        }
        _ => return Err(top.wrong(list, "is not a list")),
    };
    let mut out: Vec<(String, T)> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{list}[{index}]");
        let entry = Mapping::new(&path, item, rules::named(member))?;
        let name = entry.text("name")?;
        if out.iter().any(|(other, _)| other == name) {
            return Err(entry.wrong("name", "is there twice"));
        }
        let inner = Mapping::new(&format!("{path}.{member}"), entry.field(member)?, fields)?;
        out.push((name.to_owned(), read(&inner)?));
    }
    Ok(out)
}

fn find<T>(
    entries: Vec<(String, T)>,
    name: &str,
    path: &'static str,
    list: &'static str,
) -> Result<T, Refused> {
    entries
        .into_iter()
        .find(|(other, _)| other == name)
        .map(|(_, entry)| entry)
        .ok_or(Refused::Dangling { path, list })
}

fn context(mapping: &Mapping<'_>) -> Result<Context, Refused> {
    // The namespace is checked and left: Tradewind always names the namespace that it means.
    if mapping.has("namespace") {
        mapping.text("namespace")?;
    }
    Ok(Context {
        cluster: mapping.text("cluster")?.to_owned(),
        user: mapping.text("user")?.to_owned(),
    })
}

fn cluster(mapping: &Mapping<'_>) -> Result<Cluster, Refused> {
    // We never ask for compressed answers, so both values are kept.
    if mapping.has("disable-compression") && !mapping.field("disable-compression")?.is_boolean() {
        return Err(mapping.wrong("disable-compression", "is not true or false"));
    }
    let server = server(mapping)?;
    let roots = credentials::roots(mapping)?;
    Ok(Cluster { server, roots })
}

fn server(mapping: &Mapping<'_>) -> Result<axum::http::Uri, Refused> {
    let text = mapping.text("server")?;
    let uri: axum::http::Uri = text
        .parse()
        .map_err(|_| mapping.wrong("server", "is not a URL"))?;
    if uri.scheme_str() != Some("https") {
        return Err(mapping.wrong("server", "does not start with https://"));
    }
    let authority = uri
        .authority()
        .map_or("", axum::http::uri::Authority::as_str);
    if authority.contains('@') {
        return Err(mapping.wrong("server", "carries credentials"));
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(mapping.wrong("server", "names no host"));
    }
    if uri.query().is_some() || text.contains('#') {
        return Err(mapping.wrong("server", "has a query or a fragment"));
    }
    Ok(uri)
}

#[cfg(test)]
mod tests;
