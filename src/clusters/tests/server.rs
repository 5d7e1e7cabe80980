//! An API server in memory, for faults that a real one can't be asked for.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body as Answer, Bytes};
use axum::http::{Method, Request, Response, Uri};
use futures::StreamExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::watch;

/// What a server does with requests whose path starts so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// Never answers.
    Hang,
    /// Answers with this status.
    Status(u16),
    /// Answers watches, and only those, with this status.
    WatchStatus(u16),
    /// Answers a watch and never sends anything.
    Silent,
    /// Begins an answer and never ends it.
    Drip,
    /// Answers with so many bytes.
    Huge(usize),
    /// Answers a watch with a line of so many bytes that never ends.
    Endless(usize),
    /// Lists nothing, and answers watches with 410.
    Empty,
}

#[derive(Debug, Default)]
struct World {
    version: u64,
    /// Collection path, then name.
    objects: BTreeMap<String, BTreeMap<String, Value>>,
    /// Everything that ever happened: version, collection, event.
    log: Vec<(u64, String, Value)>,
    faults: BTreeMap<String, Fault>,
    requests: Vec<String>,
}

/// The server; clones are the same one.
#[derive(Clone)]
pub(super) struct Server {
    world: Arc<Mutex<World>>,
    news: watch::Sender<u64>,
}

pub(super) const NAMESPACES: &str = "/api/v1/namespaces";

/// The path of a collection.
pub(super) fn collection(group: &str, namespace: &str, plural: &str) -> String {
    format!("{group}/namespaces/{namespace}/{plural}")
}

impl Server {
    /// One with these namespaces besides `kube-system`.
    pub(super) fn new(id: &str, namespaces: &[&str]) -> Self {
        let server = Self {
            world: Arc::default(),
            news: watch::channel(0).0,
        };
        server.namespace("kube-system", id);
        for name in namespaces {
            server.namespace(name, name);
        }
        server
    }

    pub(super) fn namespace(&self, name: &str, uid: &str) {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": uid}});
        self.put(NAMESPACES, object);
    }

    /// Creates or changes an object.
    pub(super) fn put(&self, collection: &str, mut object: Value) {
        let mut world = self.world.lock().unwrap();
        world.version += 1;
        let version = world.version;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let objects = world.objects.entry(collection.to_owned()).or_default();
        let before = objects.insert(name, object.clone());
        let kind = if before.is_some() {
            "MODIFIED"
        } else {
            "ADDED"
        };
        let event = json!({"type": kind, "object": object});
        world.log.push((version, collection.to_owned(), event));
        drop(world);
        self.news.send_replace(version);
    }

    pub(super) fn delete(&self, collection: &str, name: &str) {
        let mut world = self.world.lock().unwrap();
        world.version += 1;
        let version = world.version;
        let mut object = world
            .objects
            .get_mut(collection)
            .unwrap()
            .remove(name)
            .unwrap();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let event = json!({"type": "DELETED", "object": object});
        world.log.push((version, collection.to_owned(), event));
        drop(world);
        self.news.send_replace(version);
    }

    /// Requests whose path starts so get this fault; watches under way end.
    pub(super) fn fault(&self, path: &str, fault: Fault) {
        let mut world = self.world.lock().unwrap();
        world.faults.insert(path.to_owned(), fault);
        drop(world);
        self.news.send_modify(|_| {});
    }

    pub(super) fn heal(&self) {
        self.world.lock().unwrap().faults.clear();
        self.news.send_modify(|_| {});
    }

    /// All requests since the last question: `GET path?query`.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.world.lock().unwrap().requests)
    }

    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            let (parts, _) = request.into_parts();
            async move { Ok::<_, Infallible>(server.answer(&parts.method, &parts.uri).await) }
        });
        Client::new(service, "default")
    }

    fn fault_of(&self, path: &str) -> Option<Fault> {
        let world = self.world.lock().unwrap();
        let found = world
            .faults
            .iter()
            .rev()
            .find(|(prefix, _)| path.starts_with(*prefix));
        found.map(|(_, fault)| *fault)
    }

    async fn answer(&self, method: &Method, uri: &Uri) -> Response<Answer> {
        let path = uri.path().to_owned();
        let query = uri.query().unwrap_or_default().to_owned();
        let line = format!("{method} {path}?{query}");
        self.world.lock().unwrap().requests.push(line);
        let is_watch = query.contains("watch=true");
        match self.fault_of(&path) {
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Status(code)) => return refusal(code),
            Some(Fault::WatchStatus(code)) if is_watch => return refusal(code),
            Some(Fault::Silent) if is_watch => {
                return Response::new(Answer::from_stream(futures::stream::pending::<
                    Result<Bytes, Infallible>,
                >()));
            }
            Some(Fault::Drip) => {
                let first = futures::stream::iter([Ok::<_, Infallible>(Bytes::from("{"))]);
                let never = futures::stream::pending();
                return Response::new(Answer::from_stream(first.chain(never)));
            }
            Some(Fault::Huge(size)) => return Response::new(Answer::from(vec![b' '; size])),
            Some(Fault::Endless(size)) if is_watch => {
                let chunk = Ok::<_, Infallible>(Bytes::from(vec![b' '; 1 << 20]));
                let line = futures::stream::iter(vec![chunk; size >> 20]);
                let never = futures::stream::pending();
                return Response::new(Answer::from_stream(line.chain(never)));
            }
            Some(Fault::Empty) if is_watch => return refusal(410),
            Some(Fault::Empty) if self.is_collection(&path) => return self.read("/none"),
            Some(Fault::WatchStatus(_) | Fault::Silent | Fault::Endless(_) | Fault::Empty)
            | None => {}
        }
        if path == "/version" {
            return answer_json(&version());
        }
        if is_watch {
            return self.watch(path, &query);
        }
        self.read(&path)
    }

    fn is_collection(&self, path: &str) -> bool {
        self.world.lock().unwrap().objects.contains_key(path)
    }

    fn read(&self, path: &str) -> Response<Answer> {
        let world = self.world.lock().unwrap();
        if let Some((collection, name)) = path.rsplit_once('/')
            && let Some(object) = world.objects.get(collection).and_then(|all| all.get(name))
        {
            return answer_json(object);
        }
        let items: Vec<Value> = world
            .objects
            .get(path)
            .map(|all| all.values().cloned().collect())
            .unwrap_or_default();
        answer_json(&json!({
            "apiVersion": "v1", "kind": "List", "items": items,
            "metadata": {"resourceVersion": world.version.to_string()},
        }))
    }

    /// What happened since a version, and what happens, until the client's timeout or a fault.
    fn watch(&self, path: String, query: &str) -> Response<Answer> {
        let parameter = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name));
            pair.and_then(|value| value.parse::<u64>().ok())
        };
        let since = parameter("resourceVersion=").unwrap_or(0);
        let life = Duration::from_secs(parameter("timeoutSeconds=").unwrap_or(60));
        let (server, news) = (self.clone(), self.news.subscribe());
        let events = futures::stream::unfold((since, news), move |(since, mut news)| {
            let (server, path) = (server.clone(), path.clone());
            async move {
                loop {
                    if server.fault_of(&path).is_some() {
                        return None;
                    }
                    if let Some((version, line)) = server.next_event(&path, since) {
                        return Some((Ok::<_, Infallible>(Bytes::from(line)), (version, news)));
                    }
                    news.changed().await.ok()?;
                }
            }
        });
        let bounded = events.take_until(Box::pin(tokio::time::sleep(life)));
        Response::new(Answer::from_stream(bounded))
    }

    fn next_event(&self, path: &str, since: u64) -> Option<(u64, String)> {
        let world = self.world.lock().unwrap();
        let found = world.log.iter().find(|(v, of, _)| *v > since && of == path);
        found.map(|(version, _, event)| (*version, format!("{event}\n")))
    }
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "37", "gitVersion": "v1.37.1", "gitCommit": "", "gitTreeState": "",
        "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
    })
}

fn answer_json(value: &Value) -> Response<Answer> {
    Response::new(Answer::from(value.to_string()))
}

fn refusal(code: u16) -> Response<Answer> {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": "Fault", "message": "the test says so",
    });
    Response::builder()
        .status(code)
        .header("retry-after", "86400")
        .body(Answer::from(body.to_string()))
        .unwrap()
}
