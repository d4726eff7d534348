//! Desired state on disk: read whole at the start, then written change by change.

use std::sync::Arc;

use komodo_api::{
    Error, auth::ApiKey, id::Id, permission::Permission, server::Server, user::UserGroup,
};
use rusqlite::{Connection, params};

use super::{
    Store, StoreError,
    updates::{read, write},
    worker::After,
};
use crate::desired::{Account, DesiredState, OnboardingSecret, StoredApiKey, Tag};

/// One change of desired state. Those of one commit come about together or not at all.
#[derive(Debug, Clone)]
pub enum Change {
    /// Adds or replaces a user.
    PutAccount(Arc<Account>),
    /// Adds or replaces a group.
    PutGroup(Id, Arc<UserGroup>),
    /// Adds or replaces a direct grant.
    PutPermission(Id, Arc<Permission>),
    /// Removes a direct grant.
    DeletePermission(Id),
    /// Adds an API key.
    PutApiKey(Arc<StoredApiKey>),
    /// Removes an API key.
    DeleteApiKey(String),
    /// Adds or replaces a tag.
    PutTag(Id, Arc<Tag>),
    /// Adds or replaces a server.
    PutServer(Id, Arc<Server>),
    /// Removes a server, with the grants on it.
    DeleteServer(Id),
    /// Adds or replaces an onboarding key.
    PutOnboardingKey(Arc<OnboardingSecret>),
    /// Removes an onboarding key, by its public part.
    DeleteOnboardingKey(String),
}

impl Store {
    /// Everything that is desired.
    pub(crate) async fn desired_load(&self) -> Result<DesiredState, StoreError> {
        self.inner
            .desired
            .call(|connection| Ok((load(connection)?, None)))
            .await
    }

    /// Runs `decide` on the one thread that writes, stores the changes it names, and runs what it wants run after the
    /// commit, before the caller hears of it. A caller that goes away in between changes nothing about that.
    pub(crate) async fn desired_commit<T: Send + 'static>(
        &self,
        decide: impl FnOnce() -> Result<(Vec<Change>, T, After), Error> + Send + 'static,
    ) -> Result<T, Error> {
        let commit = move |connection: &Connection| {
            let (changes, value, after) = decide()?;
            for change in &changes {
                apply(connection, change)?;
            }
            Ok((value, Some(after)))
        };
        self.inner.desired.call(commit).await
    }
}

fn load(connection: &Connection) -> Result<DesiredState, StoreError> {
    let mut state = DesiredState::default();
    each(
        connection,
        "SELECT id, password_hash, document FROM account",
        |row| {
            let account = Account {
                id: id(&row.get::<_, String>(0)?)?,
                password_hash: row.get(1)?,
                user: read(&row.get::<_, String>(2)?)?,
            };
            state.apply(&Change::PutAccount(Arc::new(account)));
            Ok(())
        },
    )?;
    each(connection, "SELECT id, document FROM user_group", |row| {
        let group = Arc::new(read(&row.get::<_, String>(1)?)?);
        state.apply(&Change::PutGroup(id(&row.get::<_, String>(0)?)?, group));
        Ok(())
    })?;
    each(connection, "SELECT id, document FROM permission", |row| {
        let permission = Arc::new(read(&row.get::<_, String>(1)?)?);
        state.apply(&Change::PutPermission(
            id(&row.get::<_, String>(0)?)?,
            permission,
        ));
        Ok(())
    })?;
    each(
        connection,
        "SELECT key, account, name, secret_hash, created_at, expires FROM api_key",
        |row| {
            let key = StoredApiKey {
                account: id(&row.get::<_, String>(1)?)?,
                secret_hash: row.get(3)?,
                public: ApiKey {
                    key: row.get(0)?,
                    secret: "########".into(),
                    user_id: row.get(1)?,
                    name: row.get(2)?,
                    created_at: row.get(4)?,
                    expires: row.get(5)?,
                },
            };
            state.apply(&Change::PutApiKey(Arc::new(key)));
            Ok(())
        },
    )?;
    each(connection, "SELECT id, document FROM tag", |row| {
        let tag = Arc::new(read(&row.get::<_, String>(1)?)?);
        state.apply(&Change::PutTag(id(&row.get::<_, String>(0)?)?, tag));
        Ok(())
    })?;
    each(connection, "SELECT id, document FROM server", |row| {
        let server = Arc::new(read(&row.get::<_, String>(1)?)?);
        state.apply(&Change::PutServer(id(&row.get::<_, String>(0)?)?, server));
        Ok(())
    })?;
    each(
        connection,
        "SELECT secret_hash, document FROM onboarding_key",
        |row| {
            let key = OnboardingSecret {
                secret_hash: row.get(0)?,
                key: read(&row.get::<_, String>(1)?)?,
            };
            state.apply(&Change::PutOnboardingKey(Arc::new(key)));
            Ok(())
        },
    )?;
    Ok(state)
}

fn each(
    connection: &Connection,
    sql: &str,
    mut row: impl FnMut(&rusqlite::Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(next) = rows.next()? {
        row(next)?;
    }
    Ok(())
}

fn id(text: &str) -> Result<Id, StoreError> {
    text.parse().map_err(|error: komodo_api::id::NotAnId| {
        StoreError::Sqlite(Arc::new(rusqlite::Error::FromSqlConversionFailure(
            0,
            rusqlite::types::Type::Text,
            Box::new(error),
        )))
    })
}

fn apply(connection: &Connection, change: &Change) -> Result<(), StoreError> {
    let execute = |sql: &str, values: &[&dyn rusqlite::ToSql]| -> Result<(), StoreError> {
        connection.prepare_cached(sql)?.execute(values)?;
        Ok(())
    };
    match change {
        Change::PutAccount(account) => execute(
            "INSERT INTO account (id, username, password_hash, document) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET username = ?2, password_hash = ?3, document = ?4",
            params![
                account.id.as_str(),
                account.user.username,
                account.password_hash,
                write(&account.user)?
            ],
        ),
        Change::PutGroup(id, group) => execute(
            "INSERT INTO user_group (id, name, document) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET name = ?2, document = ?3",
            params![id.as_str(), group.name, write(&**group)?],
        ),
        Change::PutPermission(id, permission) => execute(
            "INSERT INTO permission (id, document) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET document = ?2",
            params![id.as_str(), write(&**permission)?],
        ),
        Change::DeletePermission(id) => {
            execute("DELETE FROM permission WHERE id = ?1", params![id.as_str()])
        }
        Change::PutApiKey(key) => execute(
            "INSERT INTO api_key (key, account, name, secret_hash, created_at, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                key.public.key,
                key.account.as_str(),
                key.public.name,
                key.secret_hash,
                key.public.created_at,
                key.public.expires
            ],
        ),
        Change::DeleteApiKey(key) => execute("DELETE FROM api_key WHERE key = ?1", params![key]),
        Change::PutTag(id, tag) => execute(
            "INSERT INTO tag (id, name, document) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET name = ?2, document = ?3",
            params![id.as_str(), tag.name, write(&**tag)?],
        ),
        Change::PutServer(id, server) => execute(
            "INSERT INTO server (id, name, document) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET name = ?2, document = ?3",
            params![id.as_str(), server.name, write(&**server)?],
        ),
        Change::DeleteServer(id) => {
            execute("DELETE FROM server WHERE id = ?1", params![id.as_str()])
        }
        Change::PutOnboardingKey(key) => execute(
            "INSERT INTO onboarding_key (public_key, secret_hash, document) VALUES (?1, ?2, ?3)
             ON CONFLICT (public_key) DO UPDATE SET secret_hash = ?2, document = ?3",
            params![key.key.public_key, key.secret_hash, write(&key.key)?],
        ),
        Change::DeleteOnboardingKey(public_key) => execute(
            "DELETE FROM onboarding_key WHERE public_key = ?1",
            params![public_key],
        ),
    }
}
