//! Alerts on disk. Of one thing, named by `about`, there is at most one alert that is not resolved.

use std::sync::Arc;

use komodo_api::{UnixMs, alert::Alert, id::Id};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::{
    Store, StoreError, UpdateFilter, Visible,
    updates::{read, write},
};

/// Alerts on a page of a list.
pub const ALERTS_PER_PAGE: usize = 100;
/// How long a resolved alert is kept, in milliseconds.
const KEPT_MS: UnixMs = 14 * 24 * 60 * 60 * 1000;

/// The record of alerts.
#[derive(Debug)]
pub struct StoredAlerts<'a> {
    pub(super) store: &'a Store,
}

impl StoredAlerts<'_> {
    /// Stores an alert about something, unless one about it was stored before; whether it is new. Those that were
    /// resolved long ago go.
    pub async fn raise(&self, about: &str, alert: &Alert) -> Result<bool, StoreError> {
        let id = alert.id.ok_or(StoreError::NotFound)?.0;
        let (about, document, ts) = (about.to_owned(), write(alert)?, alert.ts);
        let raise = move |connection: &Connection| {
            connection
                .prepare_cached("DELETE FROM alert WHERE resolved AND ts < ?1")?
                .execute(params![ts.saturating_sub(KEPT_MS)])?;
            let new = connection
                .prepare_cached(
                    "INSERT INTO alert (id, ts, resolved, about, document) VALUES (?1, ?2, 0, ?3, ?4)
                     ON CONFLICT (about) DO NOTHING",
                )?
                .execute(params![id.as_str(), ts, about, document])?;
            Ok((new > 0, None))
        };
        self.store.journal().call(raise).await
    }

    /// Resolves the alert about something; returns it where there was one that was not resolved yet.
    pub async fn resolve(&self, about: &str, at: UnixMs) -> Result<Option<Alert>, StoreError> {
        let about = about.to_owned();
        let resolve = move |connection: &Connection| {
            let found = connection
                .prepare_cached("SELECT document FROM alert WHERE about = ?1 AND NOT resolved")?
                .query_row(params![about], |row| row.get::<_, String>(0))
                .optional()?;
            let Some(document) = found else {
                return Ok((None, None));
            };
            let mut alert: Alert = read(&document)?;
            alert.resolved = true;
            alert.resolved_ts = Some(at);
            connection
                .prepare_cached("UPDATE alert SET resolved = 1, document = ?2 WHERE about = ?1")?
                .execute(params![about, write(&alert)?])?;
            Ok((Some(alert), None))
        };
        self.store.journal().call(resolve).await
    }

    /// What the alerts that are not resolved are about.
    pub async fn open(&self) -> Result<Vec<String>, StoreError> {
        let open = |connection: &Connection| {
            let mut statement =
                connection.prepare_cached("SELECT about FROM alert WHERE NOT resolved")?;
            let about = statement
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            Ok((about, None))
        };
        self.store.reader().call(open).await
    }

    /// The alert with that id.
    pub async fn get(&self, id: Id) -> Result<Option<Alert>, StoreError> {
        let get = move |connection: &Connection| {
            let found = connection
                .prepare_cached("SELECT document FROM alert WHERE id = ?1")?
                .query_row(params![id.as_str()], |row| row.get::<_, String>(0))
                .optional()?;
            Ok((found.map(|document| read(&document)).transpose()?, None))
        };
        self.store.reader().call(get).await
    }

    /// A page of the alerts that fit and may be seen, the newest first, and the number of the next page where there is
    /// one.
    pub async fn list(
        &self,
        filter: UpdateFilter,
        page: u32,
        visible: Arc<dyn Visible>,
    ) -> Result<(Vec<Alert>, Option<u32>), StoreError> {
        let list = move |connection: &Connection| {
            let mut statement = connection
                .prepare_cached("SELECT document FROM alert ORDER BY ts DESC, id DESC")?;
            let mut rows = statement.query([])?;
            let mut skip = usize::try_from(page)
                .unwrap_or(usize::MAX)
                .saturating_mul(ALERTS_PER_PAGE);
            let mut alerts = Vec::new();
            while let Some(row) = rows.next()? {
                let text: String = row.get(0)?;
                let document: Value = read(&text)?;
                if !filter.matches(&document) {
                    continue;
                }
                let alert: Alert = read(&text)?;
                if !visible.may_read(&alert.target) {
                    continue;
                }
                if skip > 0 {
                    skip -= 1;
                } else if alerts.len() == ALERTS_PER_PAGE {
                    return Ok(((alerts, page.checked_add(1)), None));
                } else {
                    alerts.push(alert);
                }
            }
            Ok(((alerts, None), None))
        };
        self.store.reader().call(list).await
    }
}
