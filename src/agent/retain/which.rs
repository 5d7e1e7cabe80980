//! Which database a store leads to: two stores of a Region that say the same may be one, by two Secrets.
//!
//! In: a session. Out: a word that stands for the database and tells nothing of it. Reads what everybody in a database may
//! read.

use sha2::{Digest as _, Sha256};
use sqlx::Row as _;

use super::site::Site;
use crate::contract::StoreDatabase;

/// The server's own number, which a copy of its files has too; the branch of its history, which is another once such a copy
/// was recovered or promoted; the database's number there.
const WHICH: &str = "
SELECT concat_ws(' ', s.system_identifier, c.timeline_id, d.oid)
FROM pg_control_system() AS s, pg_control_checkpoint() AS c, pg_database AS d WHERE d.datname = current_database()";

/// Enough to tell the databases of a Region apart.
const BYTES: usize = 8;

/// What each store's server says, of those that say anything: some services let no role ask.
pub(super) async fn told(sites: &mut [Site]) -> Vec<StoreDatabase> {
    let mut all = Vec::new();
    for site in sites {
        let store = &mut site.store;
        let row = sqlx::query(WHICH).fetch_one(&mut store.connection).await;
        if let Ok(text) = row.and_then(|row| row.try_get::<String, _>(0)) {
            all.push(StoreDatabase {
                store: store.name.clone(),
                database: word(&text),
            });
        } else {
            tracing::debug!(
                store = store.name,
                "the server does not say which it is: that another store leads to it is not seen"
            );
        }
    }
    all
}

fn word(text: &str) -> String {
    let hash: Vec<u8> = Sha256::digest(text).into_iter().take(BYTES).collect();
    hex::encode(hash)
}
