//! Last views of servers on disk, so that a Core that was restarted knows what it saw before.

use std::collections::BTreeMap;

use komodo_api::id::Id;
use rusqlite::{Connection, params};

use super::{Store, StoreError};

impl Store {
    /// Keeps the last view of a server, in place of the one before.
    pub async fn view_save(&self, server: Id, document: Vec<u8>) -> Result<(), StoreError> {
        let save = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO last_view (server, document) VALUES (?1, ?2)",
                )?
                .execute(params![server.as_str(), document])?;
            Ok(((), None))
        };
        self.journal().call(save).await
    }

    /// Forgets the last view of a server.
    pub async fn view_forget(&self, server: Id) -> Result<(), StoreError> {
        let forget = move |connection: &Connection| {
            connection
                .prepare_cached("DELETE FROM last_view WHERE server = ?1")?
                .execute(params![server.as_str()])?;
            Ok(((), None))
        };
        self.journal().call(forget).await
    }

    /// The last views of all servers.
    pub async fn views_load(&self) -> Result<BTreeMap<Id, Vec<u8>>, StoreError> {
        let load = |connection: &Connection| {
            let mut statement =
                connection.prepare_cached("SELECT server, document FROM last_view")?;
            let mut rows = statement.query([])?;
            let mut views = BTreeMap::new();
            while let Some(row) = rows.next()? {
                if let Ok(server) = row.get::<_, String>(0)?.parse() {
                    views.insert(server, row.get(1)?);
                }
            }
            Ok((views, None))
        };
        self.reader().call(load).await
    }

    /// Lets the journal grow no more, as on a disk that is full, or again.
    #[cfg(test)]
    pub(crate) async fn journal_set_full(&self, full: bool) -> Result<(), StoreError> {
        // SQLite takes its present size where less is asked for.
        let pages = if full { 1 } else { u32::MAX / 4 };
        let set = move |connection: &Connection| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            connection.query_row(&sql, [], |_| Ok(()))?;
            Ok(((), None))
        };
        self.journal().call(set).await
    }
}
