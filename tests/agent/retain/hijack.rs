//! Whatever the database's own users made, retention reaches the server's functions, operators and catalogue.

use super::world::{World, access};

/// A schema that the role looks into before the server's own, full of things that tell on whoever uses them: a
/// clock that is never too young, an operator that calls everything due, a catalogue that leads elsewhere.
const EVIL: &str = r#"
CREATE SCHEMA evil; CREATE TABLE evil.used (what text);
CREATE TABLE evil.good (id int PRIMARY KEY, at date); INSERT INTO evil.good VALUES (1, '2000-01-01');
CREATE TABLE kept (id bigint PRIMARY KEY, code text, at timestamptz);
INSERT INTO kept SELECT i, 'k' || i, now() - i * interval '1 hour' FROM generate_series(1, 1000) AS i;
CREATE TABLE child (id int PRIMARY KEY, kept bigint REFERENCES kept);
INSERT INTO child SELECT i, 900 + i FROM generate_series(1, 10) AS i;
CREATE INDEX ON child (kept);
CREATE TABLE seen (id bigint);
CREATE FUNCTION evil.tell(what text) RETURNS void LANGUAGE sql SECURITY DEFINER AS
  $$ INSERT INTO evil.used VALUES (what) $$;
CREATE FUNCTION evil.yes(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('<='); RETURN true; END $$;
CREATE OPERATOR evil.<= (FUNCTION = evil.yes, LEFTARG = timestamptz, RIGHTARG = timestamptz);
CREATE FUNCTION evil.no(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('='); RETURN false; END $$;
CREATE OPERATOR evil.= (FUNCTION = evil.no, LEFTARG = bigint, RIGHTARG = bigint);
CREATE FUNCTION evil.same(bigint[], bigint[]) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('= of arrays'); RETURN true; END $$;
CREATE OPERATOR evil.= (FUNCTION = evil.same, LEFTARG = bigint[], RIGHTARG = bigint[]);
CREATE FUNCTION evil.isfinite(timestamptz) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('isfinite'); RETURN true; END $$;
CREATE FUNCTION evil.quote_ident(name) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('quote_ident'); RETURN 'id'; END $$;
CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('set_config'); RETURN $2; END $$;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('clock_timestamp'); RETURN '2099-01-01'; END $$;
CREATE FUNCTION evil.to_char(timestamp, text) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('to_char'); RETURN '2099-01-01T00:00:00Z'; END $$;
CREATE FUNCTION evil.unnest(bigint[]) RETURNS SETOF bigint LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('unnest'); RETURN NEXT 1; END $$;
CREATE FUNCTION evil.unnest(tid[]) RETURNS SETOF tid LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('unnest of places'); RETURN NEXT '(0,1)'; END $$;
CREATE FUNCTION evil.array_send(bigint[]) RETURNS bytea LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('array_send'); RETURN ''; END $$;
CREATE FUNCTION evil.string_agg_step(bytea, bytea, bytea) RETURNS bytea LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('string_agg'); RETURN ''; END $$;
CREATE AGGREGATE evil.string_agg(bytea, bytea) (SFUNC = evil.string_agg_step, STYPE = bytea);
CREATE FUNCTION evil.count_step(bigint) RETURNS bigint LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('count'); RETURN 0; END $$;
CREATE AGGREGATE evil.count(*) (SFUNC = evil.count_step, STYPE = bigint, INITCOND = '0');
CREATE FUNCTION evil.agg_step(bigint[], bigint) RETURNS bigint[] LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('array_agg'); RETURN '{}'; END $$;
CREATE AGGREGATE evil.array_agg(bigint) (SFUNC = evil.agg_step, STYPE = bigint[]);
CREATE FUNCTION evil.row_security_active(oid) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('row_security_active'); RETURN false; END $$;
CREATE FUNCTION evil.pg_advisory_lock(bigint) RETURNS void LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('pg_advisory_lock'); END $$;
CREATE FUNCTION evil.gen_random_uuid() RETURNS uuid LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.tell('gen_random_uuid'); RETURN '00000000-0000-0000-0000-000000000000'; END $$;
CREATE TABLE evil.pg_class (oid oid, relname name, relnamespace oid, relkind "char");
CREATE TABLE evil.pg_namespace (oid oid, nspname name);
CREATE TABLE evil.pg_constraint (oid oid, contype "char", conrelid oid, confrelid oid);
CREATE TABLE evil.pg_settings (name text);
-- A trigger of the merchant's that looks its tables up as every program does.
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
  $$ BEGIN INSERT INTO seen VALUES (OLD.id); RETURN OLD; END $$;
CREATE TRIGGER note BEFORE DELETE ON kept FOR EACH ROW EXECUTE FUNCTION note();
GRANT USAGE ON SCHEMA evil TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA evil TO PUBLIC"#;

#[tokio::test]
async fn what_shadows_the_servers_own_is_never_reached() {
    for (database, path) in [
        ("hij_first", "evil, pg_catalog, public"),
        ("hij_last", "evil, public"),
    ] {
        let mut world = World::new(database, EVIL).await.rule("kept", "at", "P30D");
        let set = format!("ALTER ROLE {} SET search_path = {path}", world.role);
        access().await.query(database, &set).await.unwrap();
        world.set("mode", "DryRun");
        let seen = world.run().await;
        world.set("mode", "Enforce");
        let ran = world.run().await;
        // 1,000 hours; from the 721st on they are due, ten of them are referred to.
        let due = ran.expect("Done").rule("kept").due;
        assert!((280..=281).contains(&due), "{due}");
        let rule = ran.rule("kept");
        assert_eq!((rule.erased, rule.blocked), (due - 10, 10), "{rule:?}");
        let rule = seen.expect("Previewed").rule("kept");
        assert_eq!((rule.rows, rule.blocked), (1000, 10), "{rule:?}");
        let used = "SELECT string_agg(DISTINCT what, ', ') FROM evil.used";
        assert_eq!(world.sql(used).await, "", "{database}");
        let noted = "SELECT count(*) FROM seen";
        assert_eq!(world.sql(noted).await, (due - 10).to_string());
    }
}

/// A name without a schema is the role's own search path's affair, as it is in the merchant's programs.
#[tokio::test]
async fn a_name_without_a_schema_is_found_as_the_role_finds_it() {
    let sql = "CREATE SCHEMA shop; CREATE SCHEMA archive;
        CREATE TABLE shop.orders (id int PRIMARY KEY, at date); INSERT INTO shop.orders VALUES (1, '2000-01-01');
        CREATE TABLE archive.orders (id int PRIMARY KEY, at date); INSERT INTO archive.orders VALUES (1, '2000-01-01')";
    let world = World::new("hij_path", sql)
        .await
        .rule("orders", "at", "P1Y");
    let grants = format!(
        "GRANT USAGE ON SCHEMA shop, archive TO {0}; GRANT SELECT, DELETE ON shop.orders, archive.orders TO {0};
        ALTER ROLE {0} SET search_path = shop, archive",
        world.role
    );
    world.sql(&grants).await;
    assert_eq!(world.run().await.expect("Done").rule("orders").erased, 1);
    let left = "SELECT (SELECT count(*) FROM shop.orders), (SELECT count(*) FROM archive.orders)";
    assert_eq!(world.sql(left).await, "0|1");
}

/// Keys whose equality is an extension's or a type's own.
#[tokio::test]
async fn keys_are_told_apart_as_their_constraints_do() {
    let sql = "CREATE EXTENSION citext; CREATE TYPE size AS ENUM ('s', 'm', 'l'); CREATE DOMAIN code AS text;
        CREATE TABLE parent (mail citext PRIMARY KEY, at date);
        INSERT INTO parent VALUES ('Ann@x', '2000-01-01'), ('Bob@x', '2000-01-01'), ('cyd@x', '2000-01-01');
        CREATE TABLE child (id int PRIMARY KEY, parent citext REFERENCES parent); INSERT INTO child VALUES (1, 'ann@X');
        CREATE TABLE sized (size size, code code, day date, at timestamp, PRIMARY KEY (size, code, day));
        INSERT INTO sized SELECT s, c, date '2000-01-01' + d, CASE WHEN d > 5 THEN now() ELSE '2000-01-01' END
          FROM unnest(enum_range(NULL::size)) AS s, unnest(ARRAY['a', 'B', 'b ', '']) AS c, generate_series(1, 10) AS d";
    let world = World::new("hij_keys", sql)
        .await
        .rule("parent", "at", "P1Y")
        .rule("sized", "at", "P1Y");
    let ran = world.run().await;
    let parent = ran.expect("Done").rule("parent").clone();
    assert_eq!((parent.erased, parent.blocked), (2, 1), "{parent:?}");
    let sized = ran.rule("sized").clone();
    assert_eq!((sized.rows, sized.erased), (120, 60), "{sized:?}");
    assert_eq!(world.sql("SELECT count(*) FROM sized").await, "60");
}
