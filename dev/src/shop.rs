//! A sample shop in a database of its own: ten years of customers, orders, invoices and messages.
//!
//! In: a running server, and how large the shop is. Out: the URLs of its roles. The same seed, size and last
//! day give the same rows on every machine.

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use crate::postgres::{Access, Result, SUPERUSER};

/// The role that owns the shop's tables, as the merchant's own programs do.
pub const OWNER: &str = "shop_owner";

/// The role that retention logs in as.
pub const RETAIN: &str = "tradewind_retain";

const TABLES: &str = include_str!("shop.sql");

/// Roles belong to the server: several shops share them, and may be made at the same time.
const ROLE: &str = "BEGIN;
SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended('sample shop', 0))) AS locked;
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', :'role', :'word')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \\gexec
COMMIT;";

/// No row that the server refuses to retention, and no key of one, is in its log: what `docs/secrets.md` asks of the role.
const QUIET: &str = "BEGIN;
SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended('sample shop', 0))) AS locked;
SELECT format('ALTER ROLE %I SET log_error_verbosity = terse', r.rolname) FROM pg_roles AS r
WHERE r.rolname = :'role' AND r.rolconfig IS NULL \\gexec
COMMIT;";

/// How a shop is made.
#[derive(Clone, Copy, Debug)]
pub struct Shop {
    /// Same seed, same rows.
    pub seed: u64,
    /// How many orders; the other tables follow.
    pub orders: u32,
    /// The last day on which anything happened.
    pub until: Date,
}

impl Shop {
    /// A busy shop: 200,000 orders, 25,000 customers, 120,000 invoices, 100,000 messages.
    #[must_use]
    pub fn full(until: Date) -> Self {
        Self {
            seed: 1,
            orders: 200_000,
            until,
        }
    }

    /// A shop that a test can make in a blink.
    #[must_use]
    pub fn small(until: Date) -> Self {
        Self {
            seed: 1,
            orders: 2_000,
            until,
        }
    }

    /// Makes the database, its roles, tables and rows.
    pub async fn load(&self, access: &Access, database: &str) -> Result<()> {
        for role in [OWNER, RETAIN] {
            let word = Access::verifier(&password(access, role))?;
            access
                .script(SUPERUSER, ROLE, &[("role", role), ("word", &word)])
                .await?;
        }
        access.script(SUPERUSER, QUIET, &[("role", RETAIN)]).await?;
        access.create_database(database, OWNER).await?;
        let set = [
            ("seed", self.seed.to_string()),
            ("orders", self.orders.to_string()),
            ("until", self.until.to_string()),
            ("owner", OWNER.to_owned()),
            ("retain", RETAIN.to_owned()),
        ];
        let set: Vec<(&str, &str)> = set.iter().map(|(name, value)| (*name, &**value)).collect();
        access.script(database, TABLES, &set).await.map(drop)
    }
}

/// The shop's URL for one of its roles, [`OWNER`] or [`RETAIN`].
#[must_use]
pub fn url(access: &Access, role: &str, database: &str) -> String {
    access.url_as(role, &password(access, role), database)
}

/// A role's password: as secret as the server's own, and the same on every call.
fn password(access: &Access, role: &str) -> String {
    hex::encode(Sha256::digest(format!(
        "{role} of {}",
        access.superuser_password()
    )))
}
