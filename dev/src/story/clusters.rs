//! The clusters of the story: what they would be made of, whether they are there already, and their start.

use super::{Error, Result};
use crate::{
    build::{self, What},
    choice::Machinery,
    fleet::{self, Fleet, FleetSpec},
    progress::say,
    setup::{self, Part},
};

const REGIONS: [&str; 2] = ["eu-west", "us-east"];

/// The fleet of this name, whole: found, or started. Refuses before anything is installed, built or started, and does
/// no more of these than what was chosen needs.
pub(super) async fn ensure(name: &str) -> Result<Fleet> {
    let spec = FleetSpec::new(name, &REGIONS);
    let choice = Fleet::choose(&spec)?;
    if !choice.nodes {
        return Err(Error::NoNodes {
            why: choice.why.join("; "),
        });
    }
    let parts: &[Part] = match choice.machinery {
        Machinery::Existing(_) => {
            fleet::given_host_address()?;
            &[Part::Story]
        }
        Machinery::Built | Machinery::Assets(_) => &[Part::Story, Part::Nodes],
    };
    let found = whole(name, &choice.machinery).await?;
    setup::setup(parts).await?;
    build::build(&[What::ObjectStore]).await?;
    match found {
        Some(fleet) => {
            say(&format!(
                "clusters: fleet {name} is there already; finishing what is missing"
            ));
            Ok(fleet)
        }
        // It builds the programs of its clusters itself.
        None => Ok(Fleet::start(spec).await?),
    }
}

/// The fleet of this name if all of it runs. What is left of one that died, or whose start was interrupted, goes.
async fn whole(name: &str, would: &Machinery) -> Result<Option<Fleet>> {
    let fleet = match Fleet::attach(name) {
        Ok(fleet) => fleet,
        Err(fleet::Error::NoFleet { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !fleet.has_nodes() {
        return Err(without_nodes(&fleet));
    }
    if fleet.machinery() != would {
        return Err(Error::Another {
            name: name.to_owned(),
            is: words(fleet.machinery()),
            would: words(would),
        });
    }
    let broken = fleet.broken();
    if !broken.is_empty() {
        say(&format!(
            "clusters: fleet {name} is not whole ({}); it is cleared away and started anew",
            broken.join("; ")
        ));
        fleet.stop().await?;
        return Ok(None);
    }
    Ok(Some(fleet))
}

pub(super) fn without_nodes(fleet: &Fleet) -> Error {
    let name = fleet.name();
    Error::NoNodes {
        why: format!(
            "the fleet `{name}` was started without nodes; stop it (`dev down --name {name}`), or choose another name"
        ),
    }
}

fn words(machinery: &Machinery) -> String {
    match machinery {
        Machinery::Built => "our own build of Kubernetes".into(),
        Machinery::Assets(dir) => format!("the API servers in {}", dir.display()),
        Machinery::Existing(given) => {
            let given = given
                .iter()
                .map(|(name, path)| format!("{name}={}", path.display()));
            format!(
                "the existing clusters {}",
                given.collect::<Vec<_>>().join(",")
            )
        }
    }
}
