//! From the plan's workloads to the objects that are written. Taken apart without `..`: a workload that nobody applies
//! does not compile.

use super::child::{Child, ChildKind};
use super::live::Live;
use super::secret;
use super::steps::{Declared, Group};
use crate::plan::{
    ChannelWorkloads, ConnectorWorkloads, FeedWorkloads, HoldWorkloads, KeyWorkloads,
    PolicyWorkloads, SecretCopy, SigningWorkloads,
};

/// What can be applied in a region.
pub trait Workloads {
    /// The objects, in the order in which they are written: what is read before what reads it.
    fn declare(&self) -> Result<Declared, serde_json::Error>;

    /// The credentials that are copied from the hub.
    fn copy(&self) -> Option<&SecretCopy>;

    /// Whether a run under way does what it no longer may.
    fn forbids(&self, run: &Live) -> bool;
}

impl Workloads for ChannelWorkloads {
    fn declare(&self) -> Result<Declared, serde_json::Error> {
        let Self {
            service_account,
            credentials,
            connector,
            feeds,
        } = self;
        // How old the list of holds is comes first: no other trouble may make it older to the pods that run.
        let listed = connector.iter().filter_map(|it| it.hold_list.as_ref());
        let listed = listed.map(|map| Child::new(ChildKind::ConfigMap, map));
        let mut shared = listed.collect::<Result<Vec<_>, _>>()?;
        shared.push(Child::new(ChildKind::ServiceAccount, service_account)?);
        shared.extend(credentials.as_ref().map(secret::child));
        let mut groups = Vec::new();
        if let Some(connector) = connector {
            groups.push(of_connector(connector)?);
        }
        for feed in feeds.values() {
            groups.push(of_feed(feed)?);
        }
        let shared = Group { children: shared };
        Ok(Declared { shared, groups })
    }

    fn copy(&self) -> Option<&SecretCopy> {
        self.credentials.as_ref()
    }

    // A feed that was changed is written by the next run.
    fn forbids(&self, _: &Live) -> bool {
        false
    }
}

/// The task before the pods that mount it; the address before the pods, so that they find each other; the way in last.
fn of_connector(workloads: &ConnectorWorkloads) -> Result<Group, serde_json::Error> {
    let ConnectorWorkloads {
        hold_list: _, // before all else
        config_map,
        deployment,
        service,
        ingress,
        disruption_budget,
        callback_url: _, // said in status, not applied
    } = workloads;
    let mut children = vec![
        Child::new(ChildKind::ConfigMap, config_map)?,
        Child::new(ChildKind::Service, service)?,
        Child::new(ChildKind::PodDisruptionBudget, disruption_budget)?,
        Child::new(ChildKind::Deployment, deployment)?,
    ];
    if let Some(ingress) = ingress {
        children.push(Child::new(ChildKind::Ingress, ingress)?);
    }
    Ok(Group { children })
}

/// The task before the schedule that starts pods with it, and the schedule before the run that belongs to it.
fn of_feed(workloads: &FeedWorkloads) -> Result<Group, serde_json::Error> {
    let FeedWorkloads {
        config_map,
        cron_job,
        run_now,
    } = workloads;
    let mut children = vec![
        Child::new(ChildKind::ConfigMap, config_map)?,
        Child::new(ChildKind::CronJob, cron_job)?,
    ];
    if let Some(job) = run_now {
        children.push(Child::new(ChildKind::Job, job)?);
    }
    Ok(Group { children })
}

impl Workloads for SigningWorkloads {
    fn declare(&self) -> Result<Declared, serde_json::Error> {
        let Self {
            hold_list,
            config_map,
            cron_job,
            run_now,
            keeper,
            reapply,
            reapply_asked: _,   // said in status, not applied
            reapply_times: _,   // as is this
            reapply_problem: _, // and this
        } = self;
        let mut children = vec![
            Child::new(ChildKind::ConfigMap, config_map)?,
            Child::new(ChildKind::CronJob, cron_job)?,
        ];
        if let Some(job) = run_now {
            children.push(Child::new(ChildKind::Job, job)?);
        }
        let listed = hold_list.iter();
        let listed = listed.map(|map| Child::new(ChildKind::ConfigMap, map));
        let mut groups = vec![
            Group {
                children: listed.collect::<Result<_, _>>()?,
            },
            Group { children },
        ];
        if let Some(KeyWorkloads { config_map, job }) = keeper {
            let children = vec![
                Child::new(ChildKind::ConfigMap, config_map)?,
                Child::new(ChildKind::Job, job)?,
            ];
            groups.push(Group { children });
        }
        if let Some(reapply) = reapply {
            let mut declared = reapply.declare()?;
            groups.push(declared.shared);
            groups.append(&mut declared.groups);
        }
        Ok(Declared {
            shared: Group::default(),
            groups,
        })
    }

    fn copy(&self) -> Option<&SecretCopy> {
        None
    }

    // It signs what it was told when it began: the next run goes on from there.
    fn forbids(&self, _: &Live) -> bool {
        false
    }
}

impl Workloads for PolicyWorkloads {
    fn declare(&self) -> Result<Declared, serde_json::Error> {
        let Self {
            service_account,
            config_map,
            cron_job,
            run_now,
            read_back,
            permit: _, // asked of runs under way, not applied
        } = self;
        let shared = Group {
            children: vec![Child::new(ChildKind::ServiceAccount, service_account)?],
        };
        let mut children = vec![
            Child::new(ChildKind::ConfigMap, config_map)?,
            Child::new(ChildKind::CronJob, cron_job)?,
        ];
        for job in run_now.iter().chain(read_back) {
            children.push(Child::new(ChildKind::Job, job)?);
        }
        let groups = vec![Group { children }];
        Ok(Declared { shared, groups })
    }

    fn copy(&self) -> Option<&SecretCopy> {
        None
    }

    fn forbids(&self, run: &Live) -> bool {
        !self.permit.allows(|key| run.annotation(key))
    }
}

impl Workloads for HoldWorkloads {
    fn declare(&self) -> Result<Declared, serde_json::Error> {
        let Self {
            service_account,
            config_map,
            job,
        } = self;
        let shared = Group {
            children: vec![Child::new(ChildKind::ServiceAccount, service_account)?],
        };
        let children = vec![
            Child::new(ChildKind::ConfigMap, config_map)?,
            Child::new(ChildKind::Job, job)?,
        ];
        let groups = vec![Group { children }];
        Ok(Declared { shared, groups })
    }

    fn copy(&self) -> Option<&SecretCopy> {
        None
    }

    // What a hold's Job does ends by itself, and takes nothing away.
    fn forbids(&self, _: &Live) -> bool {
        false
    }
}
