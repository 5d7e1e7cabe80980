//! `tradewind`: the operator and what belongs to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tradewind::api::{crd, docs};
use tradewind::archive::Archive;
use tradewind::cli::{self, Printed, audit, clock, hold, regimes, request, signature};
use tradewind::evidence::KeyId;
use tradewind::plan::Settings;
use tradewind::run::{self, Options};
use tradewind::status::Rule;
use tradewind::telemetry::{self, LogFormat};

/// Keeps connectors, feeds and retention true to YAML on a hub, in every regional cluster.
#[derive(Parser)]
#[command(
    name = "tradewind",
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  tradewind crds | kubectl apply --server-side -f -
  tradewind run --help    what the operator needs; charts/tradewind gives it all of that"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the operator until SIGTERM.
    #[command(after_help = "Examples:
  In a cluster, as the chart does:
    tradewind run --fleet=aurora --namespace=tradewind-system --image=ghcr.io/aurora/tradewind:0.1.0
  On your machine, against a hub:
    tradewind run --fleet=try --namespace=tradewind-system --image=tradewind:dev --kubeconfig=hub.kubeconfig \\
      --listen=127.0.0.1:8080 --log-format=human

Exit codes: 0 stopped as asked; 1 could not start, or lost the lease (start it again).")]
    Run(Box<RunArgs>),
    /// Prints the CustomResourceDefinitions, or writes them into a folder.
    #[command(after_help = "Examples:
  tradewind crds | kubectl apply --server-side -f -
  tradewind crds --dir crds --reference docs/reference.md")]
    Crds {
        /// The folder: one file per kind. Printed when absent.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// A file for the API reference as Markdown, made from the same schemas.
        #[arg(long)]
        reference: Option<PathBuf>,
    },
    /// Prints every deadline of a request or a breach, with its law and its counting.
    #[command(after_help = "Examples:
  A request for erasure in Germany, with the holidays of Hesse:
    tradewind clock --regime eu-gdpr --kind erasure --received 2026-03-31T23:30:00+02:00 --zone Europe/Berlin \\
      --holidays hesse.txt
  A British request that stood still while the person was asked, for a program:
    tradewind clock --regime uk-gdpr --kind access --received 2026-03-02T09:00:00Z --zone Europe/London \\
      --paused 2026-03-10/2026-03-17 --output json

A file of holidays has a date a line: `2026-12-25 Christmas Day`. An unconfirmed rule never gives time.
Exit codes: 0 printed; 1 an argument or a file is wrong, and the message names it.")]
    Clock(Box<clock::Arguments>),
    /// Works on regime packs: what the law asks, as data.
    #[command(
        subcommand,
        after_help = "Example:
  tradewind regimes diff builtin regimes.yaml --cases open-cases.yaml"
    )]
    Regimes(Regimes),
    /// Verifies evidence, or makes a report of it.
    #[command(
        subcommand,
        after_help = "Examples:
  tradewind audit verify --from evidence/ --trust trust.yaml
  tradewind audit export --from evidence/ --trust trust.yaml --period 2026-Q4 --format html --out 2026-Q4.html"
    )]
    Audit(Audit),
    /// Works on requests of data subjects.
    #[command(
        subcommand,
        after_help = "Example:
  kubectl get regions -o yaml > regions.yaml
  tradewind request create --name dsr-2026-17 --kind erasure --received 2026-03-31T23:30:00+02:00 --zone Europe/Berlin \\
    --jurisdiction DE --region eu-west --regions regions.yaml < identity.txt > request.json"
    )]
    Request(RequestCommand),
    /// Works on legal holds.
    #[command(
        subcommand,
        after_help = "Example:
  kubectl get regions -o yaml > regions.yaml
  tradewind hold values --name claim-2026-117 --key customers.age --region eu-west --regions regions.yaml < ids.txt > secret.json"
    )]
    Hold(HoldCommand),
    /// Prints the version.
    #[command(after_help = "Example:
  tradewind version")]
    Version,
}

#[derive(Subcommand)]
enum RequestCommand {
    /// Encrypts who the person is to each region's own key, and prints the request as JSON for kubectl; no cluster is asked.
    #[command(after_help = "Examples:
  An erasure; the identity is typed and ended with Ctrl-D, a line for each value, email=... or customerId=...:
    tradewind request create --name dsr-2026-17 --kind erasure --received 2026-03-31T23:30:00+02:00 --zone Europe/Berlin \\
      --jurisdiction DE --region eu-west --regions regions.yaml > request.json
  A copy, readable with the key of whoever hands it over:
    tradewind request create --name dsr-2026-18 --kind access --received 2026-03-31T23:30:00+02:00 --zone Europe/Berlin \\
      --jurisdiction DE --region eu-west --regions regions.yaml --identity identity.json \\
      --to s3://copies --prefix {region} --credentials copies-s3 --reader age1... --expires P30D > request.json

Exit codes: 0 printed; 1 an argument or a file is wrong, and the message names it, without a value of the person.")]
    Create(Box<request::Arguments>),
}

#[derive(Subcommand)]
enum HoldCommand {
    /// Encrypts the values by which a scope holds rows to a region's own key, and prints the Secret as JSON for kubectl; no cluster is asked.
    #[command(after_help = "Examples:
  Customers by their numbers, one a line; whoever runs the region applies what is printed, and cannot read it:
    tradewind hold values --name claim-2026-117 --key customers.age --region eu-west --regions regions.yaml < ids.txt > secret.json
    kubectl --context eu-west apply -f secret.json

Each region has a key of its own: run it once for each.
Exit codes: 0 printed; 1 an argument or a file is wrong, and the message names it, without a value.")]
    Values(hold::Arguments),
}

#[derive(Subcommand)]
enum Audit {
    /// Says what is wrong with evidence, by name; no cluster is asked but by --live.
    #[command(after_help = "Examples:
  An export, with keys that were written down elsewhere:
    tradewind audit verify --from evidence.jsonl --trust trust.yaml
  What a hub has now, and the archive beside it:
    tradewind audit verify --live hub.kubeconfig --from archive/ --trust trust.yaml
  One that was made on New Year's Day, for a program:
    tradewind audit verify --from 2026/ --trust trust.yaml --at 2027-01-01T09:00:00Z --format json

A trust file, which must not come with the evidence:
  fleet: aurora
  regions:
    eu-west: {keys: [ed25519-...], noted: {sequence: 412, head: sha256-...}}   # noted: how far it went last time

Exit codes: 0 no fault found; 1 a fault, or an argument or a file is wrong, and the message names it.")]
    Verify(audit::Verify),
    /// Writes what an auditor asks for: register, deletion concept, runs, approvals, holds, coverage.
    #[command(after_help = "Examples:
  The last quarter, as one page to read or print:
    tradewind audit export --from evidence/ --trust trust.yaml --period 2026-Q4 --format html --out 2026-Q4.html
  A month as tables for a spreadsheet:
    tradewind audit export --from evidence/ --period 2026-10 --format csv --out october/

The same evidence makes the same bytes.
Exit codes: 0 written; 1 written, and the evidence has a fault; or an argument or a file is wrong.")]
    Export(audit::Export),
}

#[derive(Subcommand)]
enum Regimes {
    /// Prints what another pack would change, and which deadlines of open cases it would move.
    #[command(after_help = "Examples:
  Before a new pack takes the place of the one that this release ships:
    tradewind regimes diff builtin regimes.yaml --cases open-cases.yaml

A file of cases:
  cases:
    - {name: r-17, regime: eu-gdpr, kind: erasure, received: 2026-03-31T23:30:00+02:00, zone: Europe/Berlin,
       holidays: [2026-05-01], paused: [2026-04-02/2026-04-09]}

Exit codes: 0 nothing differs; 2 something does; 1 an argument or a file is wrong, and the message names it.")]
    Diff(regimes::Arguments),
    /// Signs a pack, and prints the line for the ConfigMap's key `regimes.yaml.sig`.
    #[command(after_help = "Examples:
  A key of your own, to be kept where only whoever answers for the law can read it:
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \\n' > pack.key
  The pack with its signature as a ConfigMap:
    tradewind regimes sign --key pack.key regimes.yaml > regimes.yaml.sig
    kubectl create configmap house-packs -n tradewind-system --from-file=regimes.yaml --from-file=regimes.yaml.sig

Exit codes: 0 signed; 1 an argument or a file is wrong, and the message names it.")]
    Sign(signature::Sign),
    /// Says who signed a pack, and whether it is the text that they signed.
    #[command(after_help = "Example:
  tradewind regimes verify --trusted-key ed25519-... --signature regimes.yaml.sig regimes.yaml

Exit codes: 0 a trusted key signed it; 1 not so, or an argument or a file is wrong, and the message names it.")]
    Verify(signature::Verify),
}

#[derive(Args)]
struct RunArgs {
    /// The fleet's id, in the labels of everything that is made; never change it.
    #[arg(long, env = "TRADEWIND_FLEET_ID", value_parser = fleet)]
    fleet: String,
    /// Tradewind's own namespace on the hub: the Lease, the packs, the kubeconfig Secrets of Regions.
    #[arg(long, env = "TRADEWIND_NAMESPACE")]
    namespace: String,
    /// The agent's image, which pods in the regions run.
    #[arg(long, env = "TRADEWIND_IMAGE")]
    image: String,
    /// `Always`, `IfNotPresent` or `Never`, for the agent's image; Kubernetes' own default when absent.
    #[arg(long, value_parser = ["Always", "IfNotPresent", "Never"])]
    image_pull_policy: Option<String>,
    /// A ConfigMap in the namespace with platforms.yaml or regimes.yaml that replaces the built-in pack.
    #[arg(long)]
    packs_configmap: Option<String>,
    /// A public key, `ed25519-` and 64 hexadecimal digits, by which packs of that ConfigMap must be signed; may be given several times. Unsigned ones
    /// are taken when absent.
    #[arg(long, value_name = "KEY", requires = "packs_configmap")]
    packs_trusted_key: Vec<KeyId>,
    /// Takes a signed pack that is older, by its asOf, than one that was in force. Absent: it is refused.
    #[arg(long, requires = "packs_trusted_key")]
    packs_may_go_back: bool,
    /// Where records of evidence go once they are old: `s3://bucket/folder`, or a volume as `file:///folder`. They stay on
    /// the hub when absent. Never another one, unless all of it was moved there.
    #[arg(long)]
    evidence_archive: Option<String>,
    /// A folder with accessKeyId, secretAccessKey and, if needed, endpoint and region of the bucket.
    #[arg(long, requires = "evidence_archive")]
    evidence_archive_credentials: Option<PathBuf>,
    /// How old records are before they are sealed, in days or hours.
    #[arg(long, default_value = "P90D", value_parser = age)]
    evidence_seal_after: jiff::SignedDuration,
    /// How many records a segment has.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=4000))]
    evidence_segment: u64,
    /// A kubeconfig for the hub, with its data inline; inside a cluster the pod's own ServiceAccount is used.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Where /healthz, /readyz and /metrics are answered.
    #[arg(long, default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// How log lines look; what is logged is said by RUST_LOG.
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// How long other replicas wait for a leader that went silent.
    #[arg(long, default_value = "15s", value_parser = duration)]
    lease_duration: Duration,
    /// How long a leader goes on without a renewal.
    #[arg(long, default_value = "10s", value_parser = duration)]
    lease_renew_deadline: Duration,
    /// Between tries to renew or to take the lease.
    #[arg(long, default_value = "2s", value_parser = duration)]
    lease_retry_period: Duration,
}

fn main() -> ExitCode {
    // A bucket's client asks the process for it; an answer means that it is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Not clap's own 2: that is a difference here.
        Err(error) => {
            let told = error.print().is_ok() && !error.use_stderr();
            return if told {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            };
        }
    };
    let done = match cli.command {
        Command::Run(args) => operate(*args),
        Command::Crds { dir, reference } => crds(dir.as_deref(), reference.as_deref()),
        Command::Clock(args) => show(clock::run(&args, jiff::Timestamp::now())),
        Command::Regimes(Regimes::Diff(args)) => show(regimes::diff(&args, jiff::Timestamp::now())),
        Command::Regimes(Regimes::Sign(args)) => show(signature::sign(&args)),
        Command::Regimes(Regimes::Verify(args)) => show(signature::verify(&args)),
        Command::Audit(Audit::Verify(args)) => told(audit::verify(&args, jiff::Timestamp::now())),
        Command::Audit(Audit::Export(args)) => told(audit::export(&args)),
        Command::Request(RequestCommand::Create(args)) => {
            request::create(&args, jiff::Timestamp::now())
                .map_err(Failure::from)
                .and_then(|made| {
                    for region in &made.unasked {
                        eprintln!(
                            "tradewind: {region} is not asked; add `--region {region}` if the person may be known there"
                        );
                    }
                    print(&made.text)
                })
        }
        Command::Hold(HoldCommand::Values(args)) => hold::values(&args)
            .map_err(Failure::from)
            .and_then(|text| print(&text)),
        Command::Version => print(concat!("tradewind ", env!("CARGO_PKG_VERSION"), "\n")),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tradewind: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  caused by: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error>;

fn operate(args: RunArgs) -> Result<ExitCode, Failure> {
    telemetry::start(args.log_format, std::env::var("RUST_LOG").ok().as_deref())?;
    let rule = Rule {
        after: args.evidence_seal_after,
        records: args.evidence_segment,
    };
    let credentials = args.evidence_archive_credentials.as_deref();
    let archive = args.evidence_archive.filter(|url| !url.is_empty());
    let archive = archive.map(|url| Archive::open(&url, credentials));
    let options = Options {
        archive: archive.transpose()?.map(|archive| (archive, rule)),
        namespace: args.namespace,
        settings: Settings {
            fleet: args.fleet,
            image: args.image,
            image_pull_policy: args.image_pull_policy,
        },
        packs: args.packs_configmap.filter(|name| !name.is_empty()),
        packs_trust: args.packs_trusted_key,
        packs_may_go_back: args.packs_may_go_back,
        kubeconfig: args.kubeconfig,
        listen: args.listen,
        lease: (
            args.lease_duration,
            args.lease_renew_deadline,
            args.lease_retry_period,
        ),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(run::run(options));
    // A task that hangs must not keep a process alive that may no longer write.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended?;
    Ok(ExitCode::SUCCESS)
}

fn crds(dir: Option<&Path>, reference: Option<&Path>) -> Result<ExitCode, Failure> {
    if let Some(reference) = reference {
        std::fs::write(reference, docs::markdown())?;
    }
    for crd in crd::all() {
        let text = format!("---\n{}", serde_yaml::to_string(&crd)?);
        match dir {
            Some(dir) => {
                std::fs::create_dir_all(dir)?;
                std::fs::write(dir.join(format!("{}.yaml", crd.spec.names.plural)), text)?;
            }
            None if reference.is_none() => {
                print(&text)?;
            }
            None => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what there is; 2 says that something differs.
fn show(printed: Result<Printed, cli::Error>) -> Result<ExitCode, Failure> {
    let printed = printed?;
    print(&printed.text)?;
    Ok(if printed.differs {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

/// Prints what there is; 1 says that evidence has a fault.
fn told(audited: Result<audit::Audited, cli::Error>) -> Result<ExitCode, Failure> {
    let audited = audited?;
    print(&audited.text)?;
    Ok(if audited.clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// To standard output; a reader that has seen enough is no failure.
fn print(text: &str) -> Result<ExitCode, Failure> {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// A label's value.
fn fleet(text: &str) -> Result<String, String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = (1..=40).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if good {
        Ok(text.to_owned())
    } else {
        Err("1 to 40 of a-z, 0-9 and -, neither first nor last a -".to_owned())
    }
}

/// An age in days or hours: a day has 24 hours.
fn age(text: &str) -> Result<jiff::SignedDuration, String> {
    let form = || "an age such as P90D or PT12H".to_owned();
    let span: jiff::Span = text.parse().map_err(|_| form())?;
    let relative = jiff::SpanRelativeTo::days_are_24_hours();
    let age = span.to_duration(relative).map_err(|_| form())?;
    if age.is_negative() {
        Err(form())
    } else {
        Ok(age)
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>();
    let positive = parsed
        .ok()
        .and_then(|d| Duration::try_from(d).ok())
        .filter(|d| !d.is_zero());
    positive.ok_or_else(|| "a positive time such as `15s` or `1m30s`".to_owned())
}
