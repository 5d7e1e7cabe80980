//! A connector's own database, as a request finds it.

use sqlx::Row as _;

use super::super::fault::Fault;
use super::super::store::Store;
use super::error::{Error, failed};

/// What a request lacks there.
pub(super) enum Lack {
    /// It is no connector's database, or one of an older release.
    Tables,
    /// The role may not; with its name, quoted.
    Rights(String),
    /// The key of subjects was destroyed.
    Key,
}

/// What a store lacks. `needed` answers whether the tables are there, whether the role may use them, and what it is called.
pub(super) async fn lack(
    store: &mut Store,
    needed: &'static str,
    doing: &'static str,
) -> Result<Option<Lack>, Error> {
    let doing = Fault::of(doing);
    let row = sqlx::query_as(needed)
        .fetch_one(&mut store.connection)
        .await;
    let (is_there, may, role): (bool, bool, String) = row.map_err(&doing).map_err(failed(store))?;
    if !is_there {
        return Ok(Some(Lack::Tables));
    }
    if !may {
        return Ok(Some(Lack::Rights(role)));
    }
    let sql = "SELECT EXISTS (SELECT FROM tradewind_connect.opt_out_key)";
    let row = sqlx::query(sql).fetch_one(&mut store.connection).await;
    let has_key: bool = row
        .and_then(|row| row.try_get(0))
        .map_err(doing)
        .map_err(failed(store))?;
    Ok((!has_key).then_some(Lack::Key))
}
