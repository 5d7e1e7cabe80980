//! The agent's own tables, as data sets: what each says of a person, and when that goes. The rules are built in: what they say
//! the agent does by itself, and no policy need name it.

/// A table of the agent's own, or several that go by one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnTables {
    /// In which database.
    pub database: OwnDatabase,
    /// The tables' names.
    pub tables: &'static [&'static str],
    /// What they say of a person.
    pub holds: &'static str,
    /// When that goes.
    pub period: &'static str,
    /// Why then, or why never.
    pub ground: &'static str,
}

/// In which database a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnDatabase {
    /// Every data store in which a run, a request or a hold was.
    DataStore,
    /// The region's suppression store.
    Suppression,
    /// A connector's own database.
    Connector,
}

impl OwnDatabase {
    /// As a reader is told of it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::DataStore => "each data store",
            Self::Suppression => "suppression store",
            Self::Connector => "connector's database",
        }
    }

    /// The schema that the tables are in.
    #[must_use]
    pub fn schema(self) -> &'static str {
        match self {
            Self::DataStore | Self::Suppression => "tradewind",
            Self::Connector => "tradewind_connect",
        }
    }
}

const FOR_EVER: &str = "for ever";

/// All of them. `docs/retention.md` has the same list.
pub const OWN_TABLES: &[OwnTables] = &[
    OwnTables {
        database: OwnDatabase::DataStore,
        tables: &["pin"],
        holds: "keys of due rows",
        period: "when its rule is closed, at the latest when its run ends; of one that nobody goes on with a week after its window, with the next run of another policy there",
        ground: "by then every row of it has a fate",
    },
    OwnTables {
        database: OwnDatabase::DataStore,
        tables: &["run", "rule", "ledger", "partition", "lifted"],
        holds: "nothing: counts, dates, names of tables, references of requests, and the salts that open counts",
        period: FOR_EVER,
        ground: "a verifier may ask for the salt of any count that a record tells as few",
    },
    OwnTables {
        database: OwnDatabase::DataStore,
        tables: &["stop"],
        holds: "of staff: the role that stopped the runs, and why, as they wrote it",
        period: "when somebody deletes the row, by which runs go on",
        ground: "it stops runs for as long, and says whom to ask",
    },
    OwnTables {
        database: OwnDatabase::DataStore,
        tables: &["shredded"],
        holds: "nothing: hashes of keys, which are random",
        period: FOR_EVER,
        ground: "it is the receipt of keys that were destroyed",
    },
    OwnTables {
        database: OwnDatabase::DataStore,
        tables: &["hold_scope"],
        holds: "the values that are held",
        period: "with the hold's release; what is no value stays for ever",
        ground: "what is held is found by them; what was held is told without them",
    },
    OwnTables {
        database: OwnDatabase::DataStore,
        tables: &["hold", "released_scope"],
        holds: "of staff: who opened and who released it, and the grounds as they wrote them, which are to name no person; dates, and how many values were held",
        period: FOR_EVER,
        ground: "what was held, when, why and at whose word is the ground for what was not erased",
    },
    OwnTables {
        database: OwnDatabase::DataStore,
        tables: &[
            "request",
            "request_table",
            "request_row",
            "erasure",
            "erasure_head",
        ],
        holds: "keyed hashes of rows' keys, by suppression.key; a request's reference",
        period: FOR_EVER,
        ground: "an answer, and a restore that is found out; with the key destroyed no hash can be told from another person's",
    },
    OwnTables {
        database: OwnDatabase::Suppression,
        tables: &["suppressed", "acknowledged"],
        holds: "keyed hashes of values, by suppression.key",
        period: FOR_EVER,
        ground: "they keep a restore from bringing anybody back",
    },
    OwnTables {
        database: OwnDatabase::Suppression,
        tables: &["suppressed_subject"],
        holds: "hashes of subjects, by the key of a connector's database",
        period: FOR_EVER,
        ground: "they keep a restore from bringing events back",
    },
    OwnTables {
        database: OwnDatabase::Suppression,
        tables: &["request_store"],
        holds: "nothing: a request's reference, the stores that it was begun in, and the counts that were told",
        period: FOR_EVER,
        ground: "a request that is ended in its midst is ended where it was begun",
    },
    OwnTables {
        database: OwnDatabase::Suppression,
        tables: &["request", "told"],
        holds: "the values, as ciphertext to the region's key; a keyed hash of what was given; who was told",
        period: "the ciphertext when the request has ended; the rest for ever",
        ground: "a pod that was killed goes on by it; a reference stays one person's",
    },
    OwnTables {
        database: OwnDatabase::Connector,
        tables: &["event", "outbox", "lane"],
        holds: "the event's body; a keyed hash of its subject",
        period: "keepDeliveredDays (7) after every sink has it, keepUndeliveredDays (90) where none took it; sooner with the person's erasure",
        ground: "it is delivered until then, or replayed",
    },
    OwnTables {
        database: OwnDatabase::Connector,
        tables: &["seen"],
        holds: "a hash of the event's id",
        period: "keepDeliveredDays, and 8 days at least",
        ground: "platforms send again",
    },
    OwnTables {
        database: OwnDatabase::Connector,
        tables: &["opt_out", "opt_out_sink"],
        holds: "a keyed hash of the subject; a request's reference",
        period: "when the opt-out is lifted",
        ground: "it keeps the person from being sold",
    },
    OwnTables {
        database: OwnDatabase::Connector,
        tables: &["opt_out_key"],
        holds: "nothing: the key of those hashes",
        period: "when somebody destroys it",
        ground: "without it nobody is told from another",
    },
    OwnTables {
        database: OwnDatabase::Connector,
        tables: &["erasure"],
        holds: "nothing: counts of events by run and channel, and the salts that open them",
        period: FOR_EVER,
        ground: "an answer that is given again",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_table_has_one_rule_and_every_migration_makes_tables_that_have_one() {
        let mut known = BTreeSet::new();
        for own in OWN_TABLES {
            let database = match own.database {
                OwnDatabase::DataStore => "store",
                OwnDatabase::Suppression => "suppression",
                OwnDatabase::Connector => "connector",
            };
            for table in own.tables {
                let name = format!("{}.{table}", own.database.schema());
                assert!(known.insert((database, name)), "{table}");
            }
        }
        let mut made = BTreeSet::new();
        for (folder, database) in [
            ("retain", "store"),
            ("erase", "store"),
            ("suppress", "suppression"),
            ("connect", "connector"),
        ] {
            let path = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
            for file in std::fs::read_dir(path).unwrap() {
                let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
                let tables = text
                    .lines()
                    .filter_map(|line| line.strip_prefix("CREATE TABLE "));
                made.extend(tables.map(|line| {
                    let name = line.split_whitespace().next().unwrap();
                    (database, name.to_owned())
                }));
            }
        }
        assert!(made.len() > 20);
        assert_eq!(known, made);
    }

    #[test]
    fn the_chapter_on_retention_has_every_table() {
        let path = format!("{}/docs/retention.md", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let (_, section) = text
            .split_once("## What Tradewind's own tables keep")
            .unwrap();
        for table in OWN_TABLES.iter().flat_map(|own| own.tables) {
            let named = [format!("`{table}`"), format!(".{table}`")];
            assert!(named.iter().any(|name| section.contains(name)), "{table}");
        }
    }
}
