//! [`App`]: everything a running Core is made of.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use komodo_api::{
    id::{Id, Oid},
    user::{User, UserConfig},
};
use komodo_link::{CoreTimings, Identity, IdentityError};
use tokio_util::task::TaskTracker;

use crate::{
    auth::{Auth, jwt, password, rate_limit::RateLimiter, secret::SecretHasher},
    background::Background,
    clock::{Clock, SystemClock},
    config::Config,
    desired::{Account, Desired},
    dispatch::Table,
    fleet::{FleetTimings, Links, Onboard},
    live::Sockets,
    ops::RefusedKeys,
    programs::Programs,
    store::{Change, Store, StoreError, StoreOptions},
    tasks::TaskSettings,
};

/// A Core. Cheap to share as `Arc<App>`; dropping the last one ends what it runs.
#[derive(Debug)]
pub struct App {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Settings.
    pub config: Config,
    /// Database.
    pub store: Store,
    /// What users configured.
    pub desired: Desired,
    /// What credentials are checked with.
    pub auth: Auth,
    /// Core's own key, which agents pin.
    pub identity: Identity,
    /// Programs that it serves to agents.
    pub programs: Arc<Programs>,
    /// All operations.
    pub table: Table,
    /// What goes on by itself: links with agents, operations that run.
    pub background: Background,
    /// Websockets of clients.
    pub sockets: Sockets,
    /// Keys of agents that were refused.
    pub refused_keys: RefusedKeys,
    /// Where agents link; set from the start.
    links: OnceLock<Links>,
    /// Changes, which go on to their end when their caller has gone.
    pub running: TaskTracker,
}

/// How long an end of Core waits for changes that run.
const RUNNING_GRACE: Duration = Duration::from_secs(5);

/// Why Core does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Core's own key cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Agents cannot link.
    #[error("links cannot be served: {0}")]
    Links(String),
    /// The first administrator cannot be stored.
    #[error("the first administrator cannot be made")]
    FirstUser(#[source] komodo_api::Error),
    /// A secret cannot be read or kept.
    #[error("cannot keep a secret in {path}", path = path.display())]
    Secret {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What Core takes from outside, apart from its settings.
#[derive(Debug)]
pub struct Surroundings {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Whether SQL runs in the calling task, for tests with a paused clock.
    pub inline_sql: bool,
    /// Durations of sessions with agents.
    pub fleet: FleetTimings,
    /// Durations of links that come up.
    pub link: CoreTimings,
    /// Settings of operations.
    pub tasks: TaskSettings,
}

impl Default for Surroundings {
    fn default() -> Self {
        Surroundings {
            clock: Arc::new(SystemClock),
            inline_sql: false,
            fleet: FleetTimings::default(),
            link: CoreTimings::default(),
            tasks: TaskSettings::default(),
        }
    }
}

impl App {
    /// Opens the database, makes what a first start needs, and is ready to serve.
    pub async fn start(
        config: Config,
        surroundings: Surroundings,
    ) -> Result<Arc<Self>, StartError> {
        let Surroundings {
            clock,
            inline_sql,
            fleet,
            link,
            tasks,
        } = surroundings;
        let store = Store::open(&StoreOptions {
            directory: config.data_directory.clone(),
            database: config.database.clone(),
            inline: inline_sql,
        })?;
        let identity = identity(&config)?;
        let desired = Desired::load(store.clone(), config.transparent_mode).await?;
        let material = store
            .setting("secret_hash_key", crate::id::random_hex::<32>)
            .await?;
        let limiter = || {
            RateLimiter::new(
                config.auth_rate_limit_max_attempts,
                config.auth_rate_limit_window_seconds,
                !config.auth_rate_limit_disabled,
            )
        };
        let auth = Auth::new(
            jwt::Tokens::new(&jwt_secret(&config)?, config.jwt_ttl.as_ms()),
            SecretHasher::new(&material),
            limiter(),
            limiter(),
        );
        let programs = Programs::new(&config.data_directory, identity.public_key());
        let programs = Arc::new(programs);
        let background =
            Background::start(&clock, &config, &store, &desired, &programs, fleet, tasks).await?;
        let app = Arc::new(App {
            clock,
            config,
            store,
            desired,
            auth,
            identity,
            programs,
            table: Table::new(),
            background,
            sockets: Sockets::default(),
            refused_keys: RefusedKeys::default(),
            links: OnceLock::new(),
            running: TaskTracker::new(),
        });
        let onboard: Weak<dyn Onboard> = Arc::<App>::downgrade(&app);
        let links = Links::new(
            &app.identity,
            Arc::clone(&app.background.fleet),
            onboard,
            link,
        );
        // Nobody else has set it: the app was made a moment ago.
        let _ = app.links.set(links.map_err(StartError::Links)?);
        app.let_first_user_in().await?;
        Ok(app)
    }

    /// Where agents link.
    pub fn links(&self) -> &Links {
        self.links
            .get()
            .expect("it is set before anybody gets hold of the app")
    }

    /// A new id, which sorts roughly by age.
    pub fn new_id(&self) -> Id {
        crate::id::id_by(&*self.clock)
    }

    /// Ends what runs, in order, and leaves the database closed once the last `Arc` is gone.
    pub async fn shut_down(&self) {
        if let Some(links) = self.links.get() {
            links.shut_down().await;
        }
        self.sockets.shut_down().await;
        self.running.close();
        if tokio::time::timeout(RUNNING_GRACE, self.running.wait())
            .await
            .is_err()
        {
            tracing::warn!("not all changes ended in time");
        }
        self.background.shut_down().await;
    }

    /// On a fresh database makes the configured administrator, or a token that lets the first user in. A first visitor
    /// alone never becomes an administrator.
    async fn let_first_user_in(&self) -> Result<(), StartError> {
        if !self.desired.snapshot().accounts.is_empty() {
            return Ok(());
        }
        let Some(username) = self.config.init_admin_username.clone() else {
            let token = self.auth.make_setup_token();
            tracing::warn!(
                "there is no user yet: sign up with the setup token {token} (good once, until Core restarts), or set \
                 KOMODO_INIT_ADMIN_USERNAME and KOMODO_INIT_ADMIN_PASSWORD"
            );
            return Ok(());
        };
        let given = self.config.init_admin_password.clone();
        let password = given
            .clone()
            .unwrap_or_else(|| crate::id::random_alphanumeric(20));
        // Nothing is served yet that this could hold up.
        let hash = password::hash_now(&password);
        let account = Account {
            id: self.new_id(),
            user: local_user(&username),
            password_hash: Some(hash),
        };
        let account = first_administrator(account, self.clock.now());
        self.desired
            .commit(move |_| Ok((vec![Change::PutAccount(Arc::new(account))], ())))
            .await
            .map_err(StartError::FirstUser)?;
        match given {
            Some(_) => tracing::info!("made the administrator {username}"),
            None => tracing::warn!(
                "made the administrator {username} with the password {password}, which is shown this once; set \
                 KOMODO_INIT_ADMIN_PASSWORD to choose it yourself"
            ),
        }
        Ok(())
    }
}

/// Why a password is not reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The database cannot be used; most often because Core is running.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such user.
    #[error("there is no user '{0}'")]
    NoSuchUser(String),
    /// It cannot be written.
    #[error(transparent)]
    Api(#[from] komodo_api::Error),
}

/// Gives a user a new random password, enables the account, and returns the password. Core must not be running on the
/// database.
pub async fn reset_password(
    config: &Config,
    clock: &dyn Clock,
    username: &str,
) -> Result<String, ResetError> {
    let store = Store::open(&StoreOptions {
        directory: config.data_directory.clone(),
        database: config.database.clone(),
        inline: false,
    })?;
    new_password(
        &Desired::load(store, config.transparent_mode).await?,
        clock,
        username,
    )
    .await
}

/// Gives a user a new random password, enables the account, and returns the password.
pub(crate) async fn new_password(
    desired: &Desired,
    clock: &dyn Clock,
    username: &str,
) -> Result<String, ResetError> {
    let found = desired.snapshot().account(username).cloned();
    let mut account =
        Account::clone(&*found.ok_or_else(|| ResetError::NoSuchUser(username.to_owned()))?);
    let password = crate::id::random_alphanumeric(20);
    account.password_hash = Some(password::hash_now(&password));
    account.user.enabled = true;
    account.user.config = UserConfig::Local {
        password: "########".into(),
    };
    account.user.updated_at = clock.now();
    desired
        .commit(move |_| Ok((vec![Change::PutAccount(Arc::new(account))], ())))
        .await?;
    Ok(password)
}

/// A new user who signs in with a password: not enabled, without rights.
pub fn local_user(username: &str) -> User {
    User {
        id: None,
        username: username.to_owned(),
        enabled: false,
        super_admin: false,
        admin: false,
        create_server_permissions: false,
        create_build_permissions: false,
        config: UserConfig::Local {
            password: "########".into(),
        },
        linked_logins: Default::default(),
        totp: Default::default(),
        passkey: Default::default(),
        external_skip_2fa: false,
        last_update_view: 0,
        recents: Default::default(),
        all: Default::default(),
        updated_at: 0,
    }
}

/// The account as that of the first administrator.
pub fn first_administrator(mut account: Account, now: komodo_api::UnixMs) -> Account {
    account.user = User {
        id: Some(Oid(account.id)),
        enabled: true,
        admin: true,
        super_admin: true,
        create_server_permissions: true,
        create_build_permissions: true,
        updated_at: now,
        ..account.user
    };
    account
}

/// Core's own key; made where there is none.
pub(crate) fn identity(config: &Config) -> Result<Identity, StartError> {
    let path = config.private_key_path();
    if let Some(directory) = path.parent() {
        make_directory(directory).map_err(|source| StartError::Secret {
            path: path.clone(),
            source,
        })?;
    }
    Ok(Identity::load_or_create(&path)?)
}

fn jwt_secret(config: &Config) -> Result<Vec<u8>, StartError> {
    if let Some(secret) = &config.jwt_secret {
        return Ok(secret.clone().into_bytes());
    }
    let path = config.data_directory.join("keys").join("jwt.secret");
    make_directory(&config.data_directory.join("keys"))
        .and_then(|()| jwt::load_or_create_secret(&path))
        .map_err(|source| StartError::Secret { path, source })
}

fn make_directory(path: &std::path::Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}
