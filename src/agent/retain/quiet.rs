//! Whether a store's server would write what a statement is bound to into its log: else nothing of a person is bound.

use super::error::Error;
use super::fault::Fault;
use super::refusal::Refusal;
use super::store::Store;
use crate::agent::quiet::{self, Loud};

/// Makes sure that it does not, as far as the session may; else says what an administrator must set.
pub(super) async fn is_quiet(store: &mut Store) -> Result<(), Error> {
    let loud = quiet::hush(&mut store.connection).await;
    let loud = loud.map_err(Fault::of("keep values out of the server's log"));
    let Some(Loud { setting, mend }) = loud.map_err(|fault| store.failed(fault))? else {
        return Ok(());
    };
    Err(Error::Refused(vec![Refusal::ServerLogsValues {
        store: store.name.clone(),
        setting,
        mend,
    }]))
}
