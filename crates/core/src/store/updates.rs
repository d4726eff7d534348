//! Updates on disk.

use std::sync::Arc;

use komodo_api::{
    UnixMs,
    id::Id,
    resource::ResourceTarget,
    update::{Log, Update, UpdateListItem, UpdateStatus},
};
use komodo_failpoint::failpoint;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::{Store, StoreError, UpdateFilter};

/// Updates on a page of a list.
pub const UPDATES_PER_PAGE: usize = 100;

/// Fields that only the whole document has; lists read the head, which is small.
const ONLY_WHOLE: [&str; 4] = ["logs", "verdicts", "prev_toml", "current_toml"];

/// The record of what happened.
#[derive(Debug)]
pub struct Updates<'a> {
    pub(super) store: &'a Store,
}

/// An Update that has not ended, with what was ordered of an agent for it.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenUpdate {
    /// The Update.
    pub update: Update,
    /// The order, as it was given to [`Updates::insert`].
    pub ordered: Option<Value>,
}

/// Whose eyes a list is for.
pub trait Visible: Send + Sync + 'static {
    /// Whether an Update on this target may be seen.
    fn may_read(&self, target: &ResourceTarget) -> bool;
    /// Name of the user with that id, or of the system operator; the id itself where there is none.
    fn username(&self, operator: &str) -> String;
}

impl Updates<'_> {
    /// Stores a new Update; done when it is on disk. `ordered` is what an agent is told to do, kept for settling after a
    /// restart. `Conflict` when the id is known.
    pub async fn insert(&self, update: &Update, ordered: Option<&Value>) -> Result<(), StoreError> {
        let columns = Columns::of(update)?;
        let ordered = ordered.map(Value::to_string);
        let insert = move |connection: &Connection| {
            columns.insert(connection, ordered.as_deref())?;
            Ok(((), None))
        };
        self.store.journal().call(insert).await
    }

    /// Stores a changed Update; done when it is on disk. `NotFound` when it was never inserted.
    pub async fn save(&self, update: &Update) -> Result<(), StoreError> {
        let columns = Columns::of(update)?;
        let save = move |connection: &Connection| {
            columns.save(connection)?;
            Ok(((), None))
        };
        self.store.journal().call(save).await
    }

    /// As [`Updates::insert`]; the Update that it undoes, which must have ended, is marked in the same step, and returned.
    pub async fn insert_undo(
        &self,
        update: &Update,
        ordered: Option<&Value>,
        undoes: Option<Id>,
    ) -> Result<Option<Update>, StoreError> {
        let columns = Columns::of(update)?;
        let (id, ordered) = (columns.id, ordered.map(Value::to_string));
        let insert = move |connection: &Connection| {
            columns.insert(connection, ordered.as_deref())?;
            let original = match undoes {
                None => None,
                Some(undoes) => Some(amend(connection, undoes, |original| {
                    original.undone_by = Some(id.to_string());
                    original.undoable = false;
                })?),
            };
            Ok((original, None))
        };
        self.store.journal().call(insert).await
    }

    /// Stores the end of an Update; whether the one that it undid can be undone once more is stored in the same step,
    /// and that one is returned.
    pub async fn save_end(
        &self,
        update: &Update,
        undone: Option<(Id, bool)>,
    ) -> Result<Option<Update>, StoreError> {
        let columns = Columns::of(update)?;
        let save = move |connection: &Connection| {
            columns.save(connection)?;
            let original = match undone {
                None => None,
                Some((id, undoable)) => {
                    match amend(connection, id, |original| original.undoable = undoable) {
                        Ok(original) => Some(original),
                        Err(StoreError::NotFound) => None,
                        Err(error) => return Err(error),
                    }
                }
            };
            Ok((original, None))
        };
        self.store.journal().call(save).await
    }

    /// Adds a step to an Update that has ended, and returns it; nothing where it has a step of that name already.
    pub async fn add_step(&self, id: Id, log: Log) -> Result<Option<Update>, StoreError> {
        let add = move |connection: &Connection| {
            let mut added = false;
            let update = amend(connection, id, |update| {
                added = update.logs.iter().all(|told| told.stage != log.stage);
                if added {
                    update.logs.push(log);
                }
            })?;
            Ok((added.then_some(update), None))
        };
        self.store.journal().call(add).await
    }

    /// Stores that an Update begins which waited before, with what is ordered of its agent.
    pub async fn begin(&self, update: &Update, ordered: &Value) -> Result<(), StoreError> {
        let columns = Columns::of(update)?;
        let ordered = ordered.to_string();
        let begin = move |connection: &Connection| {
            columns.save(connection)?;
            connection
                .prepare_cached("UPDATE entry SET ordered = ?2 WHERE id = ?1")?
                .execute(params![columns.id.as_str(), ordered])?;
            Ok(((), None))
        };
        self.store.journal().call(begin).await
    }

    /// The Update with that id, and what was ordered for it.
    pub async fn get_ordered(&self, id: Id) -> Result<Option<(Update, Option<Value>)>, StoreError> {
        let get = move |connection: &Connection| {
            let found = connection
                .prepare_cached("SELECT document, ordered FROM entry WHERE id = ?1")?
                .query_row(params![id.as_str()], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
                })
                .optional()?;
            let found = match found {
                None => None,
                Some((document, ordered)) => Some((
                    read(&document)?,
                    ordered.map(|ordered| read(&ordered)).transpose()?,
                )),
            };
            Ok((found, None))
        };
        self.store.reader().call(get).await
    }

    /// The Update with that id.
    pub async fn get(&self, id: Id) -> Result<Option<Update>, StoreError> {
        let get = move |connection: &Connection| {
            let found = connection
                .prepare_cached("SELECT document FROM entry WHERE id = ?1")?
                .query_row(params![id.as_str()], |row| row.get::<_, String>(0))
                .optional()?;
            Ok((found.map(|document| read(&document)).transpose()?, None))
        };
        self.store.reader().call(get).await
    }

    /// All Updates that have not ended, the oldest first.
    pub async fn open(&self) -> Result<Vec<OpenUpdate>, StoreError> {
        let open = |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT document, ordered FROM entry WHERE open ORDER BY start_ts, id",
            )?;
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let ordered: Option<String> = row.get(1)?;
                found.push(OpenUpdate {
                    update: read(&row.get::<_, String>(0)?)?,
                    ordered: ordered.map(|ordered| read(&ordered)).transpose()?,
                });
            }
            Ok((found, None))
        };
        self.store.reader().call(open).await
    }

    /// A page of the Updates that fit and may be seen, the newest first, and the number of the next page where there is
    /// one.
    pub async fn list(
        &self,
        filter: UpdateFilter,
        page: u32,
        visible: Arc<dyn Visible>,
    ) -> Result<(Vec<UpdateListItem>, Option<u32>), StoreError> {
        let list = move |connection: &Connection| {
            Ok((page_of(connection, &filter, page, &*visible)?, None))
        };
        self.store.reader().call(list).await
    }
}

struct Columns {
    id: Id,
    start_ts: UnixMs,
    open: bool,
    operation: String,
    target_type: String,
    target_id: String,
    head: String,
    document: String,
}

impl Columns {
    fn of(update: &Update) -> Result<Self, StoreError> {
        let id = update.id.ok_or(StoreError::NotFound)?.0;
        let (target_type, target_id) = update.target.parts();
        let head = Update {
            logs: Vec::new(),
            verdicts: Vec::new(),
            prev_toml: String::new(),
            current_toml: String::new(),
            ..update.clone()
        };
        Ok(Columns {
            id,
            start_ts: update.start_ts,
            open: update.status != UpdateStatus::Complete,
            operation: format!("{:?}", update.operation),
            target_type: format!("{target_type:?}"),
            target_id: target_id.to_owned(),
            head: write(&head)?,
            document: write(update)?,
        })
    }

    fn insert(&self, connection: &Connection, ordered: Option<&str>) -> Result<(), StoreError> {
        connection
            .prepare_cached(
                "INSERT INTO entry (id, start_ts, open, operation, target_type, target_id, head, document, ordered)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                self.id.as_str(),
                self.start_ts,
                self.open,
                self.operation,
                self.target_type,
                self.target_id,
                self.head,
                self.document,
                ordered
            ])?;
        failpoint!("insert.uncommitted");
        Ok(())
    }

    fn save(&self, connection: &Connection) -> Result<(), StoreError> {
        let changed = connection
            .prepare_cached(
                "UPDATE entry SET open = ?2, operation = ?3, target_type = ?4, target_id = ?5, head = ?6, document = ?7
                 WHERE id = ?1",
            )?
            .execute(params![
                self.id.as_str(),
                self.open,
                self.operation,
                self.target_type,
                self.target_id,
                self.head,
                self.document
            ])?;
        failpoint!("save.uncommitted");
        match changed {
            0 => Err(StoreError::NotFound),
            _ => Ok(()),
        }
    }
}

/// Changes an Update that has ended, and returns it.
fn amend(
    connection: &Connection,
    id: Id,
    change: impl FnOnce(&mut Update),
) -> Result<Update, StoreError> {
    let document = connection
        .prepare_cached("SELECT document FROM entry WHERE id = ?1 AND NOT open")?
        .query_row(params![id.as_str()], |row| row.get::<_, String>(0))
        .optional()?
        .ok_or(StoreError::NotFound)?;
    let mut update: Update = read(&document)?;
    change(&mut update);
    Columns::of(&update)?.save(connection)?;
    Ok(update)
}

fn page_of(
    connection: &Connection,
    filter: &UpdateFilter,
    page: u32,
    visible: &dyn Visible,
) -> Result<(Vec<UpdateListItem>, Option<u32>), StoreError> {
    let whole = filter.mentions(&ONLY_WHOLE);
    let column = if whole { "document" } else { "head" };
    // What the filter requires of indexed columns narrows the scan; the filter itself still decides.
    let sql = format!(
        "SELECT {column} FROM entry
         WHERE (?1 IS NULL OR target_type = ?1) AND (?2 IS NULL OR target_id = ?2) ORDER BY start_ts DESC, id DESC"
    );
    let sql_by_target = format!(
        "SELECT {column} FROM entry WHERE target_type = ?1 AND target_id = ?2 ORDER BY start_ts DESC, id DESC"
    );
    let (target_type, target_id) = (filter.required("target.type"), filter.required("target.id"));
    let by_target = target_type.is_some() && target_id.is_some();
    let mut statement = connection.prepare_cached(if by_target { &sql_by_target } else { &sql })?;
    let mut rows = statement.query(params![target_type, target_id])?;
    let mut skip = usize::try_from(page)
        .unwrap_or(usize::MAX)
        .saturating_mul(UPDATES_PER_PAGE);
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(update) = fitting(row, filter, visible)? else {
            continue;
        };
        if skip > 0 {
            skip -= 1;
        } else if items.len() == UPDATES_PER_PAGE {
            return Ok((items, page.checked_add(1)));
        } else {
            items.push(list_item(&update, visible.username(&update.operator)));
        }
    }
    Ok((items, None))
}

fn fitting(
    row: &Row<'_>,
    filter: &UpdateFilter,
    visible: &dyn Visible,
) -> Result<Option<Update>, StoreError> {
    let text: String = row.get(0)?;
    let document: Value = read(&text)?;
    if !filter.matches(&document) {
        return Ok(None);
    }
    let update: Update = serde_json::from_value(document).map_err(unreadable)?;
    Ok(visible.may_read(&update.target).then_some(update))
}

/// An Update as lists carry it.
pub(crate) fn list_item(update: &Update, username: String) -> UpdateListItem {
    UpdateListItem {
        id: update.id.map(|id| id.0.to_string()).unwrap_or_default(),
        operation: update.operation,
        start_ts: update.start_ts,
        success: update.success,
        username,
        operator: update.operator.clone(),
        target: update.target.clone(),
        status: update.status,
        version: update.version,
        other_data: update.other_data.clone(),
        request: update.request.clone(),
        end_ts: update.end_ts,
        waiting_for: update.waiting_for.clone(),
        stage: update.stage,
        cancelable: update.cancelable,
        canceled_by: update.canceled_by.clone(),
        undoable: update.undoable,
        container: update.container.clone(),
    }
}

pub(super) fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(unreadable)
}

pub(super) fn write(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Sqlite(Arc::new(rusqlite::Error::FromSqlConversionFailure(
        0,
        rusqlite::types::Type::Text,
        Box::new(error),
    )))
}
