//! Plans and statuses as text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use tradewind::api::condition::ConditionType;
use tradewind::api::{InventoryEntry, Region};
use tradewind::contract::{
    AttestReport, FeedReport, HoldReport, Report, ReportedStore, RetainReport,
};
use tradewind::plan::{
    self, ChannelWorkloads, ConnectorWorkloads, FeedWorkloads, HoldWorkloads, KeyWorkloads, Plan,
    PolicyWorkloads, Reason, RegionPlan, RequestWorkloads, SigningWorkloads, Verdict,
};
use tradewind::status::{
    self, Chain, ChannelObserved, ClusterObserved, HoldJob, HoldObserved, OneJob, PolicyObserved,
    RequestObserved, RunEnd, RunMarks, RunObserved, Running, Seen, SigningObserved, Statement,
    Statements, Trouble, Written,
};

use super::world::{Look, World};

/// The shown resources with their text.
pub(crate) fn shown(world: &World) -> Vec<(String, String)> {
    all(world)
        .into_iter()
        .map(|(name, value)| (name, serde_yaml::to_string(&value).unwrap()))
        .collect()
}

/// Every word that the shown resources give as a reason.
pub(crate) fn reasons(world: &World) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for (_, value) in all(world) {
        collect(&value, &mut words);
    }
    words
}

/// Every check that the shown policies have a finding of.
pub(crate) fn checks(world: &World) -> BTreeSet<String> {
    let of = |(_, value): &(String, Value)| -> Vec<String> {
        let findings = value
            .pointer("/status/written/findings")
            .and_then(Value::as_array);
        let findings = findings.into_iter().flatten();
        findings
            .map(|finding| finding["check"].as_str().unwrap().to_owned())
            .collect()
    };
    all(world).iter().flat_map(of).collect()
}

fn collect(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(word) if key == "reason" => {
                        words.insert(word.to_owned());
                    }
                    _ => collect(value, words),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
        _ => {}
    }
}

fn all(world: &World) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    for (key, region) in world.regions() {
        let plan = plan::region(&world.fleet_facts(&key, &region), world.now);
        let seen = ClusterObserved {
            cluster_id: Some(format!(
                "uid-of-{}",
                region.metadata.name.as_deref().unwrap()
            )),
            version: Some("v1.37.1".into()),
        };
        let (signing, signed) = signing(world, &key, &region);
        let keys = if world.evidence {
            (Some(signed.status), signed.requests)
        } else {
            (None, None)
        };
        let written = status::region(&plan, &seen, &region, keys, world.now);
        let mut told = json!({
            "verdict": verdict(&plan.verdict),
            "left": plan.left,
            "wakeAt": time(plan.wake_at),
        });
        if world.evidence {
            told["signing"] = signing;
        }
        out.push((key, json!({"plan": told, "status": whole(&written)})));
    }
    for (key, channel) in world.channels() {
        let plan = plan::channel(&world.channel_facts(&key, &channel), world.now);
        let seen = looks(world, &key, &plan, channel_children, channel_objects);
        let written = status::channel(&plan, &seen, &channel, world.now);
        let told = told(world, &plan, channel_objects);
        let mut shown = json!({"plan": told, "status": whole(&written)});
        if world.evidence {
            let facts = world.channel_facts(&key, &channel);
            let regions = status::channel_statements(&plan, &channel, facts.regions.keys());
            shown["evidence"] = evidence(&Statements {
                regions,
                wake_at: None,
            });
        }
        out.push((key, shown));
    }
    for (key, policy) in world.policies() {
        let mut plan = plan::policy(&world.policy_facts(&key, &policy), world.now);
        let seen = looks(world, &key, &plan, policy_children, policy_objects);
        let facts = world.policy_facts(&key, &policy);
        let recorded = world.recorded(&key);
        status::ask_unseen(&mut plan, &policy, &seen, &recorded, world.now);
        let stated = status::statements(&facts, &plan, &seen, world.now);
        let stale = status::stale(&plan, &policy, &recorded, world.now);
        plan::stale_evidence(&facts, &mut plan, &stale, world.now);
        let written = status::policy(&plan, &seen, &policy, &recorded, world.now);
        let told = told(world, &plan, policy_objects);
        let mut shown = json!({"plan": told, "status": whole(&written)});
        if world.evidence {
            shown["evidence"] = evidence(&stated);
        }
        out.push((key, shown));
    }
    for (key, hold) in world.holds() {
        let plan = plan::legal_hold(&world.hold_facts(&key, &hold), world.now);
        let seen = looks(world, &key, &plan, hold_children, hold_objects);
        let written = status::legal_hold(&plan, &seen, &hold, world.now);
        let told = told(world, &plan, hold_objects);
        let mut shown = json!({"plan": told, "status": whole(&written)});
        if world.evidence {
            let regions = status::hold_statements(&plan, &hold, &written.status);
            let stated = Statements {
                regions,
                wake_at: None,
            };
            shown["evidence"] = evidence(&stated);
        }
        out.push((key, shown));
    }
    for (key, request) in world.requests() {
        let facts = world.request_facts(&key, &request);
        let plan = plan::subject_request(&facts, world.now);
        let clocks = plan::clocks(&request, &facts.packs, world.now);
        let children = |look: &Look, workloads: Option<&RequestWorkloads>| RequestObserved {
            jobs: workloads
                .map(|it| one_job(look, it.job.metadata.name.as_ref().unwrap()))
                .unwrap_or_default(),
        };
        let seen = looks(world, &key, &plan, children, hold_objects);
        let written = status::subject_request(&plan, &clocks, &seen, &request, world.now);
        let told = told(world, &plan, hold_objects);
        let mut shown = json!({"plan": told, "status": whole(&written)});
        if world.evidence {
            let request = request.as_ref();
            let count = |asked: &_| plan::clocks(asked, &facts.packs, world.now);
            let regions = status::request_statements(request, count, &written.status);
            shown["evidence"] = evidence(&Statements {
                regions,
                wake_at: None,
            });
        }
        out.push((key, shown));
    }
    out.retain(|(key, _)| world.objects || world.show.contains(key));
    for key in &world.show {
        assert!(out.iter().any(|(shown, _)| shown == key), "no {key}");
    }
    out
}

/// What signs a region's evidence, and what it signed: of a chain that is empty.
fn signing(world: &World, key: &str, region: &Arc<Region>) -> (Value, status::Signed) {
    let facts = world.signing_facts(key, region);
    let plan = plan::signing(&facts, world.now);
    let children = |look: &Look, workloads: Option<&SigningWorkloads>| SigningObserved {
        run: look
            .run
            .as_ref()
            .map(run::<AttestReport>)
            .unwrap_or_default(),
        keeper: workloads
            .and_then(|it| it.keeper.as_ref())
            .map(|it| one_job(&parted(look, false), it.job.metadata.name.as_ref().unwrap()))
            .unwrap_or_default(),
        reapply: workloads
            .and_then(|it| it.reapply.as_ref())
            .map(|it| one_job(&parted(look, true), it.job.metadata.name.as_ref().unwrap()))
            .unwrap_or_default(),
    };
    let seen = looks(world, key, &plan, children, signing_objects);
    let name = region.metadata.name.as_deref().unwrap();
    let chain = Chain::new(&facts.settings.fleet, name);
    let mut signed = status::signing(&plan, seen.get(name), &chain, region);
    let mut told = told(world, &plan, signing_objects);
    if let Some(again) = signed.reapplied.take() {
        let regions = BTreeMap::from([(name.to_owned(), vec![again])]);
        told["evidence"] = evidence(&Statements {
            regions,
            wake_at: None,
        });
    }
    told["left"] = json!(signed.left);
    (told, signed)
}

/// The Jobs of a Region that erase again, which stand under `again`, or the others.
fn parted(look: &Look, again: bool) -> Look {
    let mut look = look.clone();
    let one = look.jobs.remove("again");
    if again {
        look.jobs = one
            .map(|job| ("planned".to_owned(), job))
            .into_iter()
            .collect();
    }
    look
}

fn signing_objects(workloads: &SigningWorkloads) -> Vec<Value> {
    let SigningWorkloads {
        hold_list,
        config_map,
        cron_job,
        run_now,
        keeper,
        reapply,
        reapply_asked: _,
        reapply_times: _,
        reapply_problem: _,
    } = workloads;
    let mut out: Vec<Value> = hold_list.iter().map(object).collect();
    out.extend([object(config_map), object(cron_job)]);
    out.extend(run_now.as_ref().map(object));
    if let Some(KeyWorkloads { config_map, job }) = keeper {
        out.extend([object(config_map), object(job)]);
    }
    out.extend(reapply.iter().flat_map(hold_objects));
    out
}

/// What is to stand in each region's chain.
fn evidence(stated: &Statements) -> Value {
    let of = |(region, all): (&String, &Vec<Statement>)| {
        let told = |one: &Statement| {
            json!({
                "kind": one.kind, "about": one.about.to_string(), "source": one.source,
                "when": format!("{:?}", one.when), "body": one.body,
            })
        };
        (region.clone(), all.iter().map(told).collect::<Vec<_>>())
    };
    let regions: BTreeMap<String, Vec<Value>> = stated.regions.iter().map(of).collect();
    json!({"regions": regions, "wakeAt": time(stated.wake_at)})
}

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| at.to_string().into())
}

fn whole<S: Serialize>(written: &Written<S>) -> Value {
    json!({
        "written": written.status,
        "wakeAt": time(written.wake_at),
        "finished": written.finished,
    })
}

fn verdict(verdict: &Verdict) -> Value {
    let (word, why) = match verdict {
        Verdict::Accepted => return "Accepted".into(),
        Verdict::Invalid(why) => ("Invalid", why),
        Verdict::Waiting(why) => ("Waiting", why),
        Verdict::Suspended(why) => ("Suspended", why),
    };
    json!({"is": word, "reason": why.word, "message": why.message})
}

fn told<W>(world: &World, plan: &Plan<W>, objects: fn(&W) -> Vec<Value>) -> Value {
    let show = |workloads: &W| -> Value {
        if world.objects {
            return objects(workloads).into();
        }
        let names = objects(workloads);
        let names: Vec<String> = names.iter().map(named).collect();
        names.into()
    };
    let because =
        |is: &str, why: &Reason| json!({"is": is, "reason": why.word, "message": why.message});
    let regions: BTreeMap<&String, Value> = plan
        .regions
        .iter()
        .map(|(name, decided)| {
            let mut told = match decided {
                RegionPlan::Run(workloads) => json!({"is": "Run", "objects": show(workloads)}),
                RegionPlan::Pause(why) => because("Pause", why),
                RegionPlan::Keep(why) => because("Keep", why),
                RegionPlan::Hold(why) => because("Hold", why),
                RegionPlan::Withdraw(why) => because("Withdraw", why),
                RegionPlan::Leave(why) => because("Leave", why),
            };
            let note = &plan.notes[name];
            told["chosen"] = note.chosen.into();
            let asked = note.untold.iter().flat_map(|untold| &untold.lost);
            let asked: Vec<&String> = asked.collect();
            if matches!(decided, RegionPlan::Pause(_)) && !asked.is_empty() {
                told["reads back"] = json!(asked);
            }
            (name, told)
        })
        .collect();
    let findings: Vec<Value> = plan
        .findings
        .iter()
        .map(|found| {
            json!({
                "condition": ConditionType::as_str(found.condition),
                "region": found.region,
                "holds": found.holds,
                "reason": found.reason.word,
                "message": found.reason.message,
            })
        })
        .collect();
    json!({
        "verdict": verdict(&plan.verdict),
        "deleting": plan.deleting.map(|policy| format!("{policy:?}")),
        "regions": regions,
        "findings": findings,
        "wakeAt": time(plan.wake_at),
    })
}

/// An object as it is applied; a task is shown as the file that it is.
fn object<K: Serialize>(object: &K) -> Value {
    let mut value = serde_json::to_value(object).unwrap();
    if let Some(task) = value.pointer("/data/task.json").and_then(Value::as_str) {
        let task: Value = serde_json::from_str(task).unwrap();
        value["data"]["task.json"] = task;
    }
    value
}

fn named(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    format!(
        "{} {}/{}",
        text("/kind").unwrap(),
        text("/metadata/namespace").unwrap(),
        text("/metadata/name").unwrap()
    )
}

fn channel_objects(workloads: &ChannelWorkloads) -> Vec<Value> {
    let ChannelWorkloads {
        service_account,
        credentials,
        connector,
        feeds,
    } = workloads;
    let mut out = vec![object(service_account)];
    out.extend(credentials.as_ref().map(|copy| {
        json!({
            "kind": "Secret",
            "metadata": {"namespace": copy.namespace, "name": copy.name, "labels": copy.labels},
            "copied from": copy.from,
            "keys with hashes": copy.keys,
        })
    }));
    if let Some(connector) = connector {
        let ConnectorWorkloads {
            hold_list,
            config_map,
            deployment,
            service,
            ingress,
            disruption_budget,
            callback_url: _, // in status
        } = connector;
        out.extend(hold_list.as_ref().map(object));
        out.extend([object(config_map), object(deployment), object(service)]);
        out.extend(ingress.as_ref().map(object));
        out.push(object(disruption_budget));
    }
    for feed in feeds.values() {
        let FeedWorkloads {
            config_map,
            cron_job,
            run_now,
        } = feed;
        out.extend([object(config_map), object(cron_job)]);
        out.extend(run_now.as_ref().map(object));
    }
    out
}

fn policy_objects(workloads: &PolicyWorkloads) -> Vec<Value> {
    let PolicyWorkloads {
        service_account,
        config_map,
        cron_job,
        run_now,
        read_back,
        permit: _, // in the marks of the runs
    } = workloads;
    let mut out = vec![
        object(service_account),
        object(config_map),
        object(cron_job),
    ];
    out.extend(run_now.as_ref().map(object));
    out.extend(read_back.iter().map(object));
    out
}

fn hold_objects(workloads: &HoldWorkloads) -> Vec<Value> {
    let HoldWorkloads {
        service_account,
        config_map,
        job,
    } = workloads;
    vec![object(service_account), object(config_map), object(job)]
}

fn looks<W, O: Default>(
    world: &World,
    key: &str,
    plan: &Plan<W>,
    children: fn(&Look, Option<&W>) -> O,
    objects: fn(&W) -> Vec<Value>,
) -> BTreeMap<String, Seen<O>> {
    let given = world.seen.get(key);
    plan.regions
        .iter()
        .filter_map(|(region, decided)| {
            let workloads = decided.workloads();
            let look = match given.and_then(|given| given.get(region)) {
                Some(look) => look.clone(),
                None if world.well && !matches!(decided, RegionPlan::Hold(_)) => Look::default(),
                None => return None,
            };
            if let Some(silence) = &look.unknown {
                let seen = Seen::Unknown {
                    since: silence.since,
                    reason: silence.reason.clone(),
                    message: silence.message.clone(),
                };
                return Some((region.clone(), seen));
            }
            let planned = workloads.map(objects).unwrap_or_default();
            let seen = Seen::Known {
                children: children(&look, workloads),
                inventory: look.inventory.clone().unwrap_or_else(|| entries(&planned)),
                troubles: look
                    .troubles
                    .iter()
                    .map(|(object, reason, message)| Trouble {
                        object: object.clone(),
                        reason: reason.clone(),
                        message: message.clone(),
                    })
                    .collect(),
            };
            Some((region.clone(), seen))
        })
        .collect()
}

fn entries(planned: &[Value]) -> Vec<InventoryEntry> {
    planned
        .iter()
        .map(|object| {
            let text = |pointer: &str| {
                object
                    .pointer(pointer)
                    .unwrap()
                    .as_str()
                    .unwrap()
                    .to_owned()
            };
            InventoryEntry {
                kind: text("/kind"),
                namespace: text("/metadata/namespace"),
                name: text("/metadata/name"),
                uid: format!("uid-{}", text("/metadata/name")),
            }
        })
        .collect()
}

fn channel_children(look: &Look, workloads: Option<&ChannelWorkloads>) -> ChannelObserved {
    let planned = workloads.and_then(|workloads| workloads.connector.as_ref());
    let replicas = planned.and_then(|c| c.deployment.spec.as_ref()?.replicas);
    ChannelObserved {
        connector: look.connector.or(replicas.map(|all| (all, all))),
        connector_waits: look.waits.clone(),
        feeds: look
            .feeds
            .iter()
            .map(|(name, value)| (name.clone(), run::<FeedReport>(value)))
            .collect(),
    }
}

fn policy_children(look: &Look, _: Option<&PolicyWorkloads>) -> PolicyObserved {
    PolicyObserved {
        run: look
            .run
            .as_ref()
            .map(run::<RetainReport>)
            .unwrap_or_default(),
    }
}

/// Where all is well, the planned Job has done what its task says in every store.
fn hold_children(look: &Look, workloads: Option<&HoldWorkloads>) -> HoldObserved {
    let Some(workloads) = workloads else {
        return HoldObserved::default();
    };
    let planned = workloads.job.metadata.name.clone().unwrap();
    if look.jobs.is_empty() {
        let task = &workloads.config_map.data.as_ref().unwrap()["task.json"];
        let task: Value = serde_json::from_str(task).unwrap();
        let is_release = task["spec"].get("release").is_some();
        let stores = task["spec"]["stores"].as_array().unwrap().iter();
        let store = |store: &Value| ReportedStore {
            store: store["store"].as_str().unwrap().to_owned(),
            in_force_since: Some("2026-11-22T09:00:00.123456Z".into()),
            released_at: is_release.then(|| "2026-11-22T09:30:00Z".into()),
            ..ReportedStore::default()
        };
        let report = json!({
            "version": 1, "command": "hold", "outcome": "Done", "reason": "InForce", "message": "done",
            "startedAt": "2026-11-22T09:00:00Z", "finishedAt": "2026-11-22T09:00:01Z",
            "body": HoldReport { stores: stores.map(store).collect() },
        });
        let job = HoldJob {
            succeeded: Some(true),
            report: Some(serde_json::from_value(report).unwrap()),
            waits: None,
        };
        return HoldObserved {
            jobs: BTreeMap::from([(planned, job)]),
        };
    }
    HoldObserved {
        jobs: one_job(look, &planned),
    }
}

/// `{running: [job, at], last: {job, uid, scheduled, started, at, succeeded, report}, before: [{...}], readBack: {...} or [...],
/// jobs: [...], modes: {job: mode}, marks: {job: {specHash, approved}}}`.
fn run<B: serde::de::DeserializeOwned + Default>(value: &Value) -> RunObserved<B> {
    let at = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let end = |end: &Value| RunEnd {
        job: text(&end["job"]),
        uid: end.get("uid").map(text).unwrap_or_default(),
        scheduled: end.get("scheduled").map(at),
        started: end.get("started").map(at),
        at: at(&end["at"]),
        succeeded: end["succeeded"].as_bool().unwrap(),
        report: end.get("report").map(|report| {
            serde_json::from_value::<Report<B>>(report.clone())
                .unwrap_or_else(|error| panic!("{report}: {error}"))
        }),
    };
    RunObserved {
        running: value.get("running").map(|running| Running {
            job: text(&running[0]),
            uid: running.get(2).map(text).unwrap_or_default(),
            started: at(&running[1]),
        }),
        last: value.get("last").map(end),
        ended: value
            .get("before")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .chain(value.get("last"))
            .map(end)
            .collect(),
        read_back: match value.get("readBack") {
            Some(Value::Array(all)) => all.iter().map(end).collect(),
            one => one.map(end).into_iter().collect(),
        },
        jobs: value
            .get("jobs")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(text)
            .collect(),
        modes: value.get("modes").map_or_else(BTreeMap::new, |modes| {
            serde_json::from_value(modes.clone()).unwrap()
        }),
        marks: value
            .get("marks")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(job, marks)| {
                let marks = RunMarks {
                    spec_hash: text(&marks["specHash"]),
                    approved: marks.get("approved").map(text),
                };
                (job.clone(), marks)
            })
            .collect(),
    }
}

/// The Jobs that a case tells of, by `planned` or by their names.
fn one_job<B: serde::de::DeserializeOwned + Default>(
    look: &Look,
    planned: &str,
) -> BTreeMap<String, OneJob<B>> {
    let job = |(name, value): (&String, &Value)| {
        let name = if name == "planned" { planned } else { name };
        let job = OneJob {
            succeeded: value.get("succeeded").and_then(Value::as_bool),
            report: value
                .get("report")
                .map(|report| serde_json::from_value(report.clone()).unwrap()),
            waits: value
                .get("waits")
                .map(|why| why.as_str().unwrap().to_owned()),
        };
        (name.to_owned(), job)
    };
    look.jobs.iter().map(job).collect()
}
