//! Regional clusters for real: connections, credentials, outages and election against real API servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    reason = "the helpers of tests are tests as well, and a scenario reads best in one piece"
)]
#![cfg(feature = "operator")]

#[path = "regions/election.rs"]
mod election;
#[path = "regions/hostile.rs"]
mod hostile;
#[path = "regions/outage.rs"]
mod outage;
#[path = "regions/rotation.rs"]
mod rotation;
#[path = "regions/sight.rs"]
mod sight;
#[path = "regions/world.rs"]
mod world;

use tradewind_dev::fleet::{Fleet, FleetSpec};

use crate::world::World;

/// One fleet for all: each step leaves it as the next one needs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn regions_are_reached_lost_and_found_again() {
    let spec = FleetSpec::for_test("regions", &["eu-west", "us-east"]).without_nodes();
    let fleet = Fleet::start(spec).await.unwrap();
    let mut world = World::new(&fleet).await;

    sight::a_region_is_known_with_no_more_rights_than_the_chart_gives(&mut world).await;
    sight::a_missing_right_is_told_and_its_return_noticed(&mut world).await;
    rotation::a_dead_token_is_noticed_and_a_new_one_taken_without_restart(&mut world).await;
    rotation::another_cluster_is_refused(&mut world).await;
    // Before the outages: an API server that has just started forbids for a moment what it will allow.
    sight::the_audit_logs_show_nothing_but_what_was_allowed(&world);
    outage::a_frozen_region_costs_the_others_nothing(&mut world).await;
    outage::a_stopped_api_server_is_refused_and_found_again(&mut world).await;
    world.clusters.shutdown().await;

    election::of_three_one_leads_through_death_hang_and_goodbye(&fleet).await;
    fleet.stop().await.unwrap();
}
