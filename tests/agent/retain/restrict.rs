//! Rows that stay and are hidden: Restrict, and how it is lifted.

use serde_json::{Value, json};
use tradewind::contract::LiftReport;

use super::world::{Ran, World, access};

/// A shop whose application owns its tables, and reads one of them through a view. Half of the letters are due.
const SHOP: &str = "CREATE SCHEMA shop AUTHORIZATION $APP; SET ROLE $APP;
    CREATE TABLE shop.customers (id int PRIMARY KEY, since date);
    CREATE TABLE shop.letters (id int PRIMARY KEY, customer int REFERENCES shop.customers ON DELETE CASCADE, at date, body text);
    CREATE VIEW shop.inbox AS SELECT id, body FROM shop.letters;
    INSERT INTO shop.customers SELECT i, '2000-01-01' FROM generate_series(1, 10) AS i;
    INSERT INTO shop.letters SELECT i, 1 + i % 10, CASE WHEN i <= 1000 THEN date '2000-01-01' ELSE current_date END, 'b' || i
      FROM generate_series(1, 2000) AS i; RESET ROLE";

struct Shop {
    world: World,
    app: String,
}

impl Shop {
    async fn new(database: &str) -> Self {
        let app = format!("{database}_app");
        access().await.create_role(&app, "secret").await.unwrap();
        let world = World::new(database, &SHOP.replace("$APP", &app)).await;
        world
            .sql(&format!(
                "GRANT USAGE ON SCHEMA shop TO {0}; GRANT SELECT (id, at, ctid) ON shop.letters TO {0}",
                world.role
            ))
            .await;
        let mut world = world.rule("letters", "at", "P1Y");
        let rule = &mut world.task["spec"]["rules"][0];
        rule["table"] = "shop.letters".into();
        rule["method"] = "Restrict".into();
        Self { world, app }
    }

    /// Runs what the agent says is missing, as an administrator would.
    async fn prepare(&self) {
        let ran = self.world.run().await;
        ran.expect("RestrictionUnprepared");
        self.world.sql(&said(&ran)).await;
    }

    async fn as_app(&self, sql: &str) -> Result<String, tradewind_dev::postgres::Error> {
        let sql = format!("SET ROLE {}; {sql}", self.app);
        access().await.query(&self.world.database, &sql).await
    }

    async fn seen(&self) -> String {
        let seen = "SELECT (SELECT count(*) FROM shop.letters), (SELECT count(*) FROM shop.inbox), (SELECT min(id) FROM shop.inbox)";
        self.as_app(seen).await.unwrap()
    }

    async fn lift(&self) -> Ran<LiftReport> {
        let running = self.world.start_task("lift", &self.world.task, &["--lift"]);
        running.finish_as().await
    }
}

/// The SQL in the log's whole message.
pub(crate) fn said(ran: &Ran) -> String {
    let line = ran.log.lines().find(|line| line.contains("does not hide"));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    let message = line["message"].as_str().unwrap();
    message
        .split_once("restricted rows: ")
        .unwrap()
        .1
        .to_owned()
}

#[tokio::test]
pub(crate) async fn restricted_rows_read_as_absent_until_that_is_lifted() {
    let shop = Shop::new("rst_story").await;
    shop.prepare().await;
    let world = &shop.world;
    world.set_up_books().await;
    world.sql("SELECT tradewind.open_hold('case', 'g', 'ann', NULL, '[{\"table\": \"shop.letters\", \"column\": \"id\", \"values\": [7]}]')").await;
    let before = "SELECT md5(string_agg(id || body || at, ' ' ORDER BY id)) FROM shop.letters";
    let rows = world.sql(before).await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("letters").clone();
    assert_eq!((rule.rows, rule.due), (2000, 1000), "{rule:?}");
    assert_eq!((rule.restricted, rule.held, rule.erased), (999, 1, 0));
    assert_eq!(rule.space, None);
    // The application's role, the tables' owner, reads neither rows nor marks, through its own view neither.
    assert_eq!(shop.seen().await, "1001|1001|7");
    assert_eq!(world.sql(before).await, rows, "nothing is lost");
    for write in [
        "UPDATE shop.letters SET body = '' WHERE id = 1",
        "UPDATE shop.letters SET restricted_by = NULL",
        "DELETE FROM shop.letters WHERE id = 1",
    ] {
        shop.as_app(write).await.unwrap();
    }
    let taken = shop.as_app("INSERT INTO shop.letters VALUES (1)").await;
    assert!(taken.unwrap_err().to_string().contains("duplicate key"));
    assert_eq!(
        world.sql(before).await,
        rows,
        "nobody reaches what is hidden"
    );
    // Again: only the one that is held is due.
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("letters").clone();
    assert_eq!((rule.due, rule.held, rule.restricted), (1, 1, 0));
    let lifted = shop.lift().await;
    assert_eq!(lifted.report.reason, "Lifted", "{}", lifted.log);
    assert_eq!(lifted.report.body.unwrap().tables[0].rows, 999);
    assert_eq!(shop.seen().await, "2000|2000|1");
    assert_eq!(shop.lift().await.report.body.unwrap().tables[0].rows, 0);
    let books = "SELECT by, relation, sum(rows) FROM tradewind.lifted GROUP BY 1, 2";
    assert_eq!(
        world.sql(books).await,
        "policy/eu-customers/letters|shop.letters|999"
    );
}

/// Two that restrict one row: it is seen when both are lifted. Another policy deletes what is hidden, and no law keeps.
#[tokio::test]
async fn each_lifts_its_own_and_a_later_rule_deletes() {
    let mut shop = Shop::new("rst_two").await;
    shop.prepare().await;
    shop.world.set("batchRows", 100);
    shop.world.run().await.expect("Done");
    shop.world.set("policy", "second");
    assert_eq!(
        shop.world
            .run()
            .await
            .expect("Done")
            .rule("letters")
            .restricted,
        1000
    );
    assert_eq!(shop.lift().await.report.body.unwrap().tables[0].rows, 1000);
    assert_eq!(shop.seen().await, "1000|1000|1001");
    let grant = format!("GRANT DELETE ON shop.letters TO {}", shop.world.role);
    shop.world.sql(&grant).await;
    shop.world.set("policy", "third");
    shop.world.task["spec"]["rules"][0]["method"] = "Delete".into();
    // What a law keeps stays, hidden as it is, and goes when that is over.
    shop.world.task["spec"]["rules"][0]["keeps"] =
        json!([{"clock": "at", "for": "P90Y", "reference": "AO 147(3)", "policy": "tax"}]);
    let kept = shop.world.run().await;
    let rule = kept.expect("Done").rule("letters").clone();
    assert_eq!((rule.due, rule.erased), (0, 0), "{rule:?}");
    assert_eq!(shop.seen().await, "1000|1000|1001");
    shop.world.task["spec"]["rules"][0]["keeps"] = json!([]);
    assert_eq!(
        shop.world.run().await.expect("Done").rule("letters").erased,
        1000
    );
    assert_eq!(
        shop.world.sql("SELECT count(*) FROM shop.letters").await,
        "1000"
    );
}

/// A policy that is dropped in the midst, or a table that shows marked rows in another way, ends the run: what is visible is never
/// called restricted.
#[tokio::test]
async fn nothing_is_called_restricted_that_can_be_seen() {
    let mut shop = Shop::new("rst_fence").await;
    // A view whose owner no policy binds.
    shop.world
        .sql("CREATE VIEW public.all_letters AS SELECT * FROM shop.letters; CREATE VIEW public.few AS SELECT id FROM public.all_letters")
        .await;
    let ran = shop.world.run().await;
    let sql = said(&ran);
    for view in ["public.all_letters", "public.few"] {
        let mend = format!("ALTER VIEW {view} SET (security_invoker = true);");
        assert!(sql.contains(&mend), "{sql}");
    }
    shop.prepare().await;
    shop.world.set("batchRows", 100);
    super::methods::slow_updates_of(&shop.world, "shop.letters", 0.1).await;
    let rows = shop.world.ledger_rows().await;
    let running = shop.world.start("run");
    shop.world.wait_for_ledger(rows + 2).await;
    shop.world
        .sql("ALTER TABLE shop.letters NO FORCE ROW LEVEL SECURITY")
        .await;
    let ran = running.finish().await;
    ran.expect("SchemaDrift");
    let ran = shop.world.run().await;
    ran.expect("RestrictionUnprepared");
    assert_eq!(
        said(&ran),
        "ALTER TABLE shop.letters ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
    );
    shop.world.task["spec"]["rules"][0]["columns"] = json!([{"name": "body"}]);
    shop.world.run().await.expect("TaskInvalid");
}

/// Partitions of which one was added later, and shows its rows.
#[tokio::test]
pub(crate) async fn every_partition_hides_its_rows() {
    let sql = "CREATE TABLE t (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE old PARTITION OF t FOR VALUES FROM ('2000-01-01') TO ('2010-01-01');
        CREATE TABLE older PARTITION OF t FOR VALUES FROM (MINVALUE) TO ('2000-01-01');
        INSERT INTO t SELECT i, date '1995-01-01' + i FROM generate_series(1, 3000) AS i";
    let mut world = World::new("rst_parts", sql).await.rule("t", "at", "P1Y");
    world.task["spec"]["rules"][0]["method"] = "Restrict".into();
    let ran = world.run().await;
    ran.expect("RestrictionUnprepared");
    world.sql(&said(&ran)).await;
    let ran = world.run().await;
    assert_eq!(ran.expect("Done").rule("t").restricted, 3000);
    let seen =
        "CREATE ROLE rst_reader; GRANT SELECT ON t, old, older TO rst_reader; SET ROLE rst_reader;
        SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM old), (SELECT count(*) FROM older)";
    assert_eq!(world.sql(seen).await, "0|0|0");
    world
        .sql("CREATE TABLE new PARTITION OF t FOR VALUES FROM ('2010-01-01') TO (MAXVALUE)")
        .await;
    let ran = world.run().await;
    ran.expect("RestrictionUnprepared");
    assert!(said(&ran).contains("ON public.new AS RESTRICTIVE"));
    world
        .sql(&format!("GRANT SELECT, UPDATE ON t TO {}", world.role))
        .await;
    let lifted = world.start_task("lift", &world.task, &["--lift"]);
    let lifted: Ran<LiftReport> = lifted.finish_as().await;
    assert_eq!(lifted.report.body.unwrap().tables[0].rows, 3000);
}
