//! The tests whose outcome is the server's to decide, on a newer PostgreSQL beside Debian's: what its catalogue says, how it locks,
//! detaches, vacuums and hides. And what only the newer one has.

use super::world::{World, access, on_newer};
use super::{
    columns, fences, hold_kinds, hold_race, holds, parents, partitions, restrict, shred, stages,
    story, terms, throttle,
};
use crate::erase;
use serde_json::json;
use tradewind_dev::postgres::NEWER;

#[test]
fn the_whole_story() {
    on_newer(story::the_shop_is_previewed_approved_and_cleaned);
    on_newer(erase::story::rows_may_stay_and_lose_the_person);
    on_newer(erase::story::what_cannot_go_is_told_apart);
}

#[test]
fn partitions_go_whole_and_come_back() {
    on_newer(partitions::what_is_due_as_a_whole_is_dropped_and_the_rest_goes_in_batches);
    on_newer(partitions::a_hold_opened_on_a_detached_partition_brings_it_back);
    on_newer(parents::partitions_and_their_references_are_seen);
}

#[test]
fn the_catalogue_says_the_same() {
    on_newer(columns::each_unfit_column_is_refused_with_its_reason);
    on_newer(parents::parents_wait_for_children_of_every_kind);
}

#[test]
fn fences_and_locks_hold() {
    on_newer(columns::a_batch_that_looked_before_a_change_looks_again);
    on_newer(fences::row_security_is_off_in_every_batch);
    on_newer(fences::a_foreign_key_that_reaches_a_table_without_a_rule_is_refused_by_name);
    on_newer(fences::swapped_names_erase_nothing);
    on_newer(fences::swapped_names_of_what_refers_erase_nothing);
    on_newer(holds::no_batch_slips_past_a_hold_that_is_being_written);
    on_newer(hold_kinds::letters_of_either_case_are_held_where_their_type_says_so);
}

#[test]
fn a_hold_is_in_time_and_kills_cost_nothing() {
    on_newer(hold_race::no_row_is_erased_after_the_commit_of_its_hold);
    on_newer(terms::no_term_is_nothing_and_all_add_up_over_kills);
}

#[test]
fn space_and_slots_are_seen() {
    on_newer(stages::space_is_released_by_a_vacuum_that_began_after_the_last_reader);
    on_newer(stages::a_prepared_transaction_keeps_the_space);
    on_newer(stages::a_slot_keeps_the_space);
    on_newer(stages::erased_addresses_lie_in_the_file_until_it_is_written_anew);
    on_newer(throttle::a_slot_that_keeps_too_much_of_the_log_holds_the_run_back);
    on_newer(throttle::dead_rows_are_waited_for_where_that_is_asked);
}

#[test]
fn rows_are_hidden_and_keys_destroyed() {
    on_newer(restrict::restricted_rows_read_as_absent_until_that_is_lifted);
    on_newer(restrict::every_partition_hides_its_rows);
    on_newer(shred::a_destroyed_key_reads_nothing_and_has_a_receipt);
    on_newer(erase::restrict::a_persons_key_goes_with_a_receipt);
}

/// A column that is reckoned when it is read, a key that is a period, a foreign key that nobody enforces.
#[test]
fn what_only_the_newer_has_is_refused_or_kept() {
    on_newer(new_things);
}

fn new_things() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let version = access().await.query("postgres", "SHOW server_version").await;
        assert!(version.unwrap().starts_with(NEWER));
        let sql = "CREATE EXTENSION btree_gist;
            CREATE TABLE t (id int PRIMARY KEY, at date, mail text, upper text GENERATED ALWAYS AS (upper(mail)) VIRTUAL);
            INSERT INTO t SELECT i, '2000-01-01', 'm' || i FROM generate_series(1, 10) AS i;
            CREATE TABLE c (id int PRIMARY KEY, t int, FOREIGN KEY (t) REFERENCES t NOT ENFORCED); INSERT INTO c VALUES (1, 3);
            CREATE TABLE p (id int, during daterange, at date, PRIMARY KEY (id, during WITHOUT OVERLAPS))";
        let world = World::new("newer_things", sql).await.rule("p", "at", "P1Y");
        // Rows are told apart by equality; a period's key has another operator.
        world.run().await.expect("NoPrimaryKey");
        let mut world = World::of(&world.database, &world.role, &std::fs::read_to_string(world.dir.path().join("url")).unwrap()).rule("t", "at", "P1Y");
        world.task["spec"]["rules"][0]["method"] = "Nullify".into();
        world.task["spec"]["rules"][0]["columns"] = json!([{"name": "upper"}]);
        world.run().await.expect("ColumnGenerated");
        world.task["spec"]["rules"][0]["method"] = "Delete".into();
        world.task["spec"]["rules"][0]["columns"] = json!([]);
        // What refers keeps its row, enforced or not.
        let ran = world.run().await;
        let rule = ran.expect("Done").rule("t").clone();
        assert_eq!((rule.due, rule.erased, rule.blocked), (10, 9, 1));
    });
}
