//! The last view of each server, kept over restarts of Core.

use komodo_api::id::Id;
use rusqlite::{Connection, params};

use super::{Store, StoreError};

impl Store {
    /// Keeps the view of a server in place of the last one.
    pub async fn view_save(&self, server: Id, document: Vec<u8>) -> Result<(), StoreError> {
        let save = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "INSERT INTO view (server, document) VALUES (?1, ?2) ON CONFLICT (server) DO UPDATE SET document = ?2",
                )?
                .execute(params![server.as_str(), document])?;
            Ok(((), None))
        };
        self.journal().call(save).await
    }

    /// Forgets the view of a server.
    pub async fn view_forget(&self, server: Id) -> Result<(), StoreError> {
        let forget = move |connection: &Connection| {
            connection.execute("DELETE FROM view WHERE server = ?1", params![server.as_str()])?;
            Ok(((), None))
        };
        self.journal().call(forget).await
    }

    /// All views that are kept, by server.
    pub async fn views_load(&self) -> Result<Vec<(Id, Vec<u8>)>, StoreError> {
        let load = |connection: &Connection| {
            let mut statement = connection.prepare("SELECT server, document FROM view")?;
            let mut rows = statement.query([])?;
            let mut views = Vec::new();
            while let Some(row) = rows.next()? {
                if let Ok(server) = row.get::<_, String>(0)?.parse() {
                    views.push((server, row.get(1)?));
                }
            }
            Ok((views, None))
        };
        self.reader().call(load).await
    }
}
