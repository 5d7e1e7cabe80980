//! One cluster of a fleet, as tests and commands use it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
};

use super::{
    Error, control_plane, existing,
    kubeconfig::{self, Identity},
    node,
    record::Record,
    slot::Port,
};
use crate::{choice::Machinery, image::Image, process::Daemon};

/// A process stands still soon after it is told to, on however busy a machine.
const STOPS: Duration = Duration::from_secs(10);

/// How long tokens live: longer than any run.
const TOKEN_LIFE: &str = "24h";

/// A port-forward begins within a second.
const FORWARD_WITHIN: Duration = Duration::from_secs(30);

/// A way to a Service through the API server; ends when it is dropped.
#[derive(Debug)]
pub struct Forward {
    /// Where it begins, on this machine.
    pub address: SocketAddr,
    /// It ends when nobody takes what it says.
    _output: Option<BufReader<ChildStdout>>,
    _child: Child,
}

/// The line reads `Forwarding from 127.0.0.1:40123 -> 8080`.
fn forwarded(line: &str) -> Option<SocketAddr> {
    let rest = line.strip_prefix("Forwarding from ")?;
    rest.split_once(" -> ")?.0.parse().ok()
}

/// A running cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    fleet: Arc<Record>,
    index: usize,
    name: String,
    dir: PathBuf,
}

impl Cluster {
    pub(super) fn new(fleet: &Arc<Record>, index: usize, name: &str) -> Self {
        Self {
            fleet: Arc::clone(fleet),
            index,
            name: name.to_owned(),
            dir: fleet.dir.join(name),
        }
    }

    /// Its name: `hub`, or a region's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its part of the run directory: logs (`kube-apiserver.log`), certificates, the node's files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// An administrator's kubeconfig, for set-up and for looking; the operator gets
    /// [`service_account_kubeconfig`](Self::service_account_kubeconfig).
    #[must_use]
    pub fn kubeconfig_admin(&self) -> PathBuf {
        match &self.fleet.machinery {
            Machinery::Existing(given) => given.get(&self.name).cloned().unwrap_or_default(),
            Machinery::Built | Machinery::Assets(_) => control_plane::kubeconfig_of(self, "admin"),
        }
    }

    /// The audit log: one JSON event a line, written when a request is answered. Existing clusters have none here.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.dir.join("audit.log")
    }

    /// The control group under which its pods run, as `/proc/<pid>/cgroup` names it.
    #[must_use]
    pub fn cgroup(&self) -> String {
        node::cgroup(self)
    }

    /// The host's address for servers that this cluster's pods call, reachable from the host as well.
    #[must_use]
    pub fn host_address(&self) -> Ipv4Addr {
        self.fleet.host_address
    }

    /// The API server's URL.
    #[must_use]
    pub fn server(&self) -> String {
        format!(
            "https://{}:{}",
            self.bind_address(),
            self.port(Port::ApiServer)
        )
    }

    pub(super) fn record(&self) -> &Record {
        &self.fleet
    }

    pub(super) fn bind_address(&self) -> String {
        self.fleet.host_address.to_string()
    }

    pub(super) fn port(&self, port: Port) -> u16 {
        self.fleet.slot.port(self.index, port)
    }

    pub(super) fn pod_network(&self) -> String {
        self.fleet.slot.pod_network(self.index)
    }

    pub(super) fn daemon(&self, component: &str) -> Daemon {
        Daemon::named(component, &self.dir)
    }

    pub(super) fn file_error(&self, source: io::Error) -> Error {
        Error::Files {
            cluster: self.name.clone(),
            source,
        }
    }

    /// For a person: which components run, or that the cluster is not ours.
    #[must_use]
    pub fn state(&self) -> String {
        match (&self.fleet.machinery, self.broken()) {
            (Machinery::Existing(_), _) => "an existing cluster".into(),
            (_, None) => "running".into(),
            (_, Some(broken)) => broken,
        }
    }

    /// Which of its components do not run, if any; none of an existing cluster's is ours.
    pub(super) fn broken(&self) -> Option<String> {
        if let Machinery::Existing(_) = self.fleet.machinery {
            return None;
        }
        let nodes = self.fleet.nodes.then_some(&node::COMPONENTS);
        let down: Vec<&str> = control_plane::COMPONENTS
            .iter()
            .chain(nodes.into_iter().flatten())
            .copied()
            .filter(|component| self.daemon(component).identity().is_none())
            .collect();
        (!down.is_empty()).then(|| format!("not running: {}", down.join(", ")))
    }

    /// Stops the API server: connections are refused, data stays.
    pub async fn stop_apiserver(&self) -> Result<(), Error> {
        Ok(self.api_server()?.stop(Duration::ZERO).await?)
    }

    /// Starts it again and waits until it is ready.
    pub async fn start_apiserver(&self) -> Result<(), Error> {
        self.api_server()?;
        control_plane::start_api_server(self).await
    }

    /// Freezes the API server: connections hang and nothing answers, as behind a black hole. On return it stands still.
    pub fn freeze(&self) -> Result<(), Error> {
        let server = self.api_server()?;
        server.signal(Signal::SIGSTOP)?;
        let asked = Instant::now();
        while server.identity().is_some_and(|it| !it.stands_still()) && asked.elapsed() < STOPS {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Lets a frozen API server go on.
    pub fn thaw(&self) -> Result<(), Error> {
        Ok(self.api_server()?.signal(Signal::SIGCONT)?)
    }

    fn api_server(&self) -> Result<Daemon, Error> {
        if let Machinery::Existing(_) = self.fleet.machinery {
            return Err(Error::NotOurs {
                cluster: self.name.clone(),
            });
        }
        Ok(self.daemon(control_plane::API_SERVER))
    }

    /// Loads an image into the node, or has it loaded; pods name it with `imagePullPolicy: Never`.
    pub async fn load_image(&self, image: &Image) -> Result<(), Error> {
        if let Machinery::Existing(_) = self.fleet.machinery {
            return existing::load(self, image).await;
        }
        if !self.fleet.nodes {
            return Err(Error::NoNode {
                cluster: self.name.clone(),
            });
        }
        node::load(self, image).await
    }

    /// A `kubectl` for this cluster, as its administrator.
    #[must_use]
    pub fn kubectl_command(&self) -> Command {
        let there = self.fleet.machinery.kubectl();
        let ours = || self.fleet.programs.join("kubectl");
        let mut command = Command::new(there.unwrap_or_else(ours));
        command
            .env("KUBECONFIG", self.kubeconfig_admin())
            .env("KUBECACHEDIR", self.fleet.dir.join("kubectl-cache"))
            // It lives for a moment, and a quarter of what that took was collecting garbage.
            .env("GOGC", "off")
            .env("GOMEMLIMIT", "512MiB");
        command
    }

    /// Runs `kubectl` with these arguments and returns what it printed.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String, Error> {
        let output = self
            .kubectl_command()
            .args(args)
            .output()
            .await
            .map_err(|source| self.file_error(source))?;
        self.printed(args, &output)
    }

    /// Runs `kubectl` with a manifest on standard input, such as `kubectl_with(&["apply", "-f", "-"], yaml)`.
    pub async fn kubectl_with(&self, args: &[&str], manifest: &str) -> Result<String, Error> {
        let run = async {
            let mut child = self
                .kubectl_command()
                .args(args)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                tokio::io::AsyncWriteExt::write_all(&mut stdin, manifest.as_bytes()).await?;
            }
            child.wait_with_output().await
        };
        let output = run.await.map_err(|source| self.file_error(source))?;
        self.printed(args, &output)
    }

    /// A port of this machine's own that leads to `service/<name>` or another target of `kubectl port-forward`, where
    /// pods are not reached from here.
    pub async fn forward(
        &self,
        namespace: &str,
        target: &str,
        port: u16,
    ) -> Result<Forward, Error> {
        let mut child = self
            .kubectl_command()
            .args(["port-forward", "-n", namespace, target])
            .arg(format!(":{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| self.file_error(source))?;
        let mut line = String::new();
        let mut output = child.stdout.take().map(BufReader::new);
        if let Some(output) = &mut output {
            let _ = tokio::time::timeout(FORWARD_WITHIN, output.read_line(&mut line)).await;
        }
        if let Some(address) = forwarded(&line) {
            return Ok(Forward {
                address,
                _output: output,
                _child: child,
            });
        }
        let _ = child.start_kill();
        let output = child.wait_with_output().await.map(|output| output.stderr);
        Err(Error::Forward {
            cluster: self.name.clone(),
            target: target.to_owned(),
            output: String::from_utf8_lossy(&output.unwrap_or_default())
                .trim()
                .to_owned(),
        })
    }

    fn printed(&self, args: &[&str], output: &Output) -> Result<String, Error> {
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::Kubectl {
            cluster: self.name.clone(),
            command: args.join(" "),
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// The administrator's kubeconfig as JSON, with its certificates in it.
    ///
    /// # Errors
    ///
    /// kubectl does not answer.
    pub async fn admin_view(&self) -> Result<String, Error> {
        let flags = ["--raw", "--minify", "--flatten", "-o", "json"];
        self.kubectl(&[&["config", "view"], &flags[..]].concat())
            .await
    }

    /// A kubeconfig (JSON, which is YAML) that acts as a ServiceAccount and holds nothing but data: server,
    /// authority and a token by TokenRequest. The ServiceAccount must exist.
    pub async fn service_account_kubeconfig(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<String, Error> {
        let duration = format!("--duration={TOKEN_LIFE}");
        let token = self
            .kubectl(&["create", "token", name, "-n", namespace, &duration])
            .await?;
        let view = self.admin_view().await?;
        let read = serde_json::from_str(&view)
            .ok()
            .and_then(|view| kubeconfig::server_and_authority(&view));
        let Some((server, ca)) = read else {
            return Err(Error::NoAuthority {
                cluster: self.name.clone(),
            });
        };
        let identity = Identity::Token(token.trim());
        Ok(kubeconfig::kubeconfig(&self.name, &server, &ca, &identity).to_string())
    }
}
