//! What becomes of a value, for each `set` and the types that it is for.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::methods::world;

/// A type, what a column of it is set to, and values with what becomes of them.
type Sets = (&'static str, Value, Vec<(&'static str, &'static str)>);

fn sets() -> Vec<Sets> {
    let null = json!({"set": "Null"});
    let constant = |value: &str| json!({"set": "Constant", "value": value});
    let first = |length: u32| json!({"set": "Truncate", "length": length});
    let month = json!({"set": "Generalise", "to": "Month"});
    let year = json!({"set": "Generalise", "to": "Year"});
    let step = |step: u32| json!({"set": "Generalise", "step": step});
    vec![
        ("text", null.clone(), vec![("ann", "")]),
        ("json", null.clone(), vec![(r#"{"a": 1}"#, "")]),
        ("int[]", null.clone(), vec![("{1,2}", "")]),
        ("pair", null, vec![("(1,)", ""), ("(,)", "")]),
        ("text", constant(""), vec![("ann", ""), ("NULL", "")]),
        (
            "text",
            constant("Gone"),
            vec![("gone", "Gone"), ("NULL", "Gone")],
        ),
        ("citext", constant("Gone"), vec![("GONE", "Gone")]),
        ("varchar(4)", constant("gone"), vec![("ann", "gone")]),
        ("char(6)", constant("gone"), vec![("ann", "gone")]),
        (
            "jsonb",
            constant(r#"{"now": []}"#),
            vec![(r#"{"a": 1}"#, r#"{"now": []}"#)],
        ),
        (
            "mood",
            constant("fine"),
            vec![("sad", "fine"), ("NULL", "fine")],
        ),
        (
            "uuid",
            constant("00000000-0000-0000-0000-000000000000"),
            vec![(
                "12345678-1234-1234-1234-123456789012",
                "00000000-0000-0000-0000-000000000000",
            )],
        ),
        ("inet", constant("0.0.0.0"), vec![("192.0.2.7", "0.0.0.0")]),
        ("bytea", constant("\\x00"), vec![("\\xff", "\\x00")]),
        ("boolean", constant("f"), vec![("true", "f")]),
        (
            "date",
            constant("1900-01-01"),
            vec![("1987-05-06", "1900-01-01")],
        ),
        ("numeric(5,2)", constant("01.5"), vec![("3.14", "1.50")]),
        ("interval", constant("1 mon"), vec![("30 days", "1 mon")]),
        (
            "text",
            first(2),
            vec![("straße", "st"), ("ß", "ß"), ("", ""), ("NULL", "")],
        ),
        ("varchar(9)", first(3), vec![("SW1A 2AA", "SW1")]),
        ("char(6)", first(3), vec![("ab cd", "ab"), ("abcd", "abc")]),
        ("citext", first(1), vec![("Ann", "A")]),
        ("code", first(3), vec![("12345", "123")]),
        (
            "date",
            month.clone(),
            vec![
                ("2024-02-29", "2024-02-01"),
                ("infinity", "infinity"),
                ("NULL", ""),
            ],
        ),
        (
            "date",
            year.clone(),
            vec![
                ("1987-05-06", "1987-01-01"),
                ("0044-03-15 BC", "0044-01-01 BC"),
            ],
        ),
        ("day", year.clone(), vec![("1987-05-06", "1987-01-01")]),
        (
            "timestamp",
            month.clone(),
            vec![("2024-02-29 23:59:59.9", "2024-02-01 00:00:00")],
        ),
        (
            "timestamp(0)",
            year.clone(),
            vec![
                ("2024-02-29 23:59", "2024-01-01 00:00:00"),
                ("-infinity", "-infinity"),
            ],
        ),
        // Berlin is two hours ahead of UTC in summer, one in winter.
        (
            "timestamptz",
            month,
            vec![
                ("2024-06-30 22:30Z", "2024-06-30 22:00:00+00"),
                ("2024-06-30 21:30Z", "2024-05-31 22:00:00+00"),
            ],
        ),
        (
            "timestamptz",
            year,
            vec![("2024-06-30 22:30Z", "2023-12-31 23:00:00+00")],
        ),
        (
            "int",
            step(10),
            vec![
                ("37", "30"),
                ("-37", "-30"),
                ("-2147483648", "-2147483640"),
                ("9", "0"),
                ("NULL", ""),
            ],
        ),
        ("smallint", step(100_000), vec![("-32768", "0")]),
        (
            "bigint",
            step(7),
            vec![
                ("9223372036854775807", "9223372036854775807"),
                ("9223372036854775806", "9223372036854775800"),
            ],
        ),
        (
            "numeric",
            step(10),
            vec![
                (
                    "9.99999999999999999999999999999",
                    "0.00000000000000000000000000000",
                ),
                ("NaN", "NaN"),
            ],
        ),
        ("numeric(6,2)", step(3), vec![("1234.56", "1233.00")]),
    ]
}

#[tokio::test]
async fn each_set_makes_of_each_type_what_it_says() {
    let mut sql = "CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'fine'); CREATE TYPE pair AS (a int, b int);
        CREATE DOMAIN code AS varchar(9) CHECK (length(value) > 2); CREATE DOMAIN day AS date; CREATE DOMAIN birthday AS day;\n"
        .to_owned();
    let mut expected = String::new();
    let mut due = 0;
    // Rules are sixteen at most, and tables one each: the columns of one type after the other.
    let mut columns = Vec::new();
    let mut definitions = String::new();
    let mut rows = Vec::new();
    for (nth, (kind, set, values)) in sets().into_iter().enumerate() {
        let mut column = set;
        column["name"] = format!("c{nth}").into();
        columns.push(column);
        write!(definitions, ", c{nth} {kind}").unwrap();
        for (before, after) in values {
            rows.push((nth, before, after));
        }
    }
    writeln!(
        sql,
        "CREATE TABLE t (id int PRIMARY KEY, at date{definitions});"
    )
    .unwrap();
    for (id, (nth, before, after)) in rows.iter().enumerate() {
        let value = if *before == "NULL" {
            "NULL".to_owned()
        } else {
            format!("'{before}'")
        };
        for (id, at) in [(id, "2000-01-01"), (1000 + id, "infinity")] {
            writeln!(
                sql,
                "INSERT INTO t (id, at, c{nth}) VALUES ({id}, '{at}', {value});"
            )
            .unwrap();
        }
        writeln!(expected, "{id} {after}").unwrap();
        due += 1;
    }
    let world = world("met_sets", &sql, "Anonymise", Value::Array(columns)).await;
    let young = "SELECT string_agg(x::text, ' ' ORDER BY id) FROM t AS x WHERE id >= 1000";
    let kept = world.sql(young).await;
    let ran = world.run().await;
    let rule = ran.expect("Done").rule("t").clone();
    assert_eq!(
        (rule.rows, rule.due, rule.erased),
        (2 * due, due, due),
        "{rule:?}"
    );
    assert_eq!(serde_json::to_value(rule.method).unwrap(), "Anonymise");
    let mut found = String::new();
    for (id, (nth, ..)) in rows.iter().enumerate() {
        let value = format!("SET TIME ZONE 'UTC'; SELECT c{nth} FROM t WHERE id = {id}");
        writeln!(found, "{id} {}", world.sql(&value).await).unwrap();
    }
    assert_eq!(found, expected);
    assert_eq!(world.sql(young).await, kept, "what is not due is as it was");
    // Nothing is left to do: no row is due, none is old.
    let again = world.run().await;
    let rule = again.expect("Done").rule("t").clone();
    assert_eq!((rule.due, rule.erased, rule.late), (0, 0, 0), "{rule:?}");
    assert_eq!(rule.oldest_kept, None);
    let books = "SELECT string_agg(method, ' ') FROM tradewind.rule";
    assert_eq!(world.sql(books).await, "Anonymise Anonymise");
}
