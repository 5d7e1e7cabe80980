//! The API on a real API server: the CRDs install within its cost budget, and every field is walked: set, change,
//! revert, remove, worst legal value, illegal value with its message. A new field without a case fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    reason = "the helpers of tests are tests as well, and a scenario reads best in one piece"
)]

#[path = "api/approval.rs"]
mod approval;
#[path = "api/case.rs"]
mod case;
#[path = "api/data_policy.rs"]
mod data_policy;
#[path = "api/evidence_record.rs"]
mod evidence_record;
#[path = "api/examples.rs"]
mod examples;
#[path = "api/kept_columns.rs"]
mod kept_columns;
#[path = "api/legal_hold.rs"]
mod legal_hold;
#[path = "api/region.rs"]
mod region;
#[path = "api/schema.rs"]
mod schema;
#[path = "api/server.rs"]
mod server;
#[path = "api/social_channel.rs"]
mod social_channel;
#[path = "api/status.rs"]
mod status;
#[path = "api/subject_request.rs"]
mod subject_request;
#[path = "api/walk.rs"]
mod walk;

use server::Server;

/// One API server for all: it takes seconds to start.
#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_what_is_legal_and_refuses_the_rest_with_its_reason() {
    let fleet = server::start().await;
    let server = Server::connect(&fleet).await;
    server.install().await;

    let kinds = [
        region::kind(),
        social_channel::kind(),
        data_policy::kind(),
        legal_hold::kind(),
        subject_request::kind(),
    ];
    let mut faults = Vec::new();
    for kind in &kinds {
        let walked = walk::walk(&server, kind, &mut faults).await;
        eprintln!("{}: {walked} fields walked", kind.name);
    }
    subject_request::together(&server, &mut faults).await;
    status::walk(&server, &mut faults).await;
    examples::walk(&server, &kinds, &mut faults).await;
    evidence_record::walk(&server, &mut faults).await;
    approval::walk(&server, &fleet).await;
    fleet.stop().await.unwrap();
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
