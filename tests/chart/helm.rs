//! Helm, as it is built for the tests, and what it renders as objects.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize as _;
use serde_json::Value;
use tradewind_dev::build::{self, What};

pub(crate) struct Helm {
    program: PathBuf,
    /// Its own home: no plugin, repository or setting of whoever runs the tests counts.
    home: tempfile::TempDir,
}

impl Helm {
    pub(crate) async fn built() -> Self {
        let binaries = build::build(&[What::Helm]).await.unwrap();
        Self {
            program: binaries.helm(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// What it prints, or what it complains about.
    pub(crate) fn run(
        &self,
        args: &[&str],
        chart: &Path,
        values: &[&str],
    ) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.args(args).arg(chart).env_clear();
        command.env("HOME", self.home.path());
        for value in values {
            command.args(["--set", value]);
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stdout) + &text(&output.stderr))
        }
    }

    /// What the chart of this checkout renders in the namespace tradewind-system.
    pub(crate) fn objects(&self, values: &[&str]) -> Vec<Value> {
        self.objects_of(&checkout().join("charts/tradewind"), values)
    }

    pub(crate) fn objects_of(&self, chart: &Path, values: &[&str]) -> Vec<Value> {
        documents(&self.template(chart, values).unwrap())
    }

    pub(crate) fn template(&self, chart: &Path, values: &[&str]) -> Result<String, String> {
        let args = ["template", "tradewind", "--namespace", "tradewind-system"];
        self.run(&args, chart, values)
    }
}

pub(crate) fn checkout() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The documents of a YAML text; empty ones are none.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap())
        .filter(|document| !document.is_null())
        .collect()
}

pub(crate) fn of_kind(objects: &[Value], kind: &str) -> Vec<Value> {
    objects
        .iter()
        .filter(|object| object["kind"] == kind)
        .cloned()
        .collect()
}

pub(crate) fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}
