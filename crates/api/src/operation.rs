//! What an operation is, and the one list of all of them.
//!
//! To add an operation: write its type with a doc comment (that is its OpenAPI text and its CLI help), implement
//! [`Operation`] with [`operation!`], and add one line to [`for_each_operation!`]. What then is missing does not compile.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    permission::{PermissionLevel, SpecificPermission},
    resource::ResourceTargetVariant,
};

/// The part of the API that an operation belongs to; the first segment of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Module {
    /// `/auth/login`: no credentials needed.
    AuthLogin,
    /// `/auth/manage`: credentials of the account that is managed.
    AuthManage,
    /// `/read`: changes nothing.
    Read,
    /// `/write`: changes what Core stores.
    Write,
    /// `/execute`: changes something on a server; answers with an `Update`.
    Execute,
}

impl Module {
    /// Path of the module, without a slash at the end.
    pub const fn path(self) -> &'static str {
        match self {
            Module::AuthLogin => "/auth/login",
            Module::AuthManage => "/auth/manage",
            Module::Read => "/read",
            Module::Write => "/write",
            Module::Execute => "/execute",
        }
    }

    /// All modules.
    pub const ALL: [Module; 5] = [
        Module::AuthLogin,
        Module::AuthManage,
        Module::Read,
        Module::Write,
        Module::Execute,
    ];
}

/// What a caller must be, or must hold on the target, to run an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// No credentials.
    Nothing,
    /// Valid credentials; the account may still be disabled.
    Account,
    /// An enabled account.
    User,
    /// An enabled account; the answer holds only what it may read of this kind of resource.
    Filter(ResourceTargetVariant),
    /// An administrator.
    Admin,
    /// The right to create a resource of this kind.
    Create(ResourceTargetVariant),
    /// At least this level, and all of these specific permissions, on [`Operation::target`].
    Target(PermissionLevel, &'static [SpecificPermission]),
}

/// Which question an execute request puts to the guard before anything changes on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// Each container that it acts on is asked for (`komodo_plan::guard`).
    Containers,
    /// It only orders other execute requests, each of which is asked for.
    Orders,
    /// It only ends or forgets what another operation does; nothing on a server is changed by it.
    Ends,
}

/// The resource an operation aims at, as the caller wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nothing in particular.
    None,
    /// A server, by id or name.
    Server(String),
    /// An Update, by id: what is needed is needed on the target of that Update.
    Update(String),
    /// An alert, by id: what is needed is needed on the target of that alert.
    Alert(String),
}

/// One request of the public API: a value with a name, what it needs, and what it answers.
pub trait Operation:
    Serialize + DeserializeOwned + schemars::JsonSchema + Send + Sync + 'static
{
    /// Name on the wire, the same as the name of the type.
    const NAME: &'static str;
    /// Older names that clients still send.
    const ALIASES: &'static [&'static str];
    /// Part of the API.
    const MODULE: Module;
    /// What the caller must hold.
    const NEEDS: Needs;
    /// What it asks of the guard; every execute request names it, a test holds them to it.
    const GUARD: Option<Guard>;
    /// The body of a successful answer.
    type Output: Serialize + DeserializeOwned + schemars::JsonSchema + Send + 'static;
    /// What the operation aims at.
    fn target(&self) -> Target {
        Target::None
    }
}

/// An operation as a value: what listings, documents and tests need to know of each.
#[derive(Debug, Clone, Copy)]
pub struct OperationSpec {
    /// See [`Operation::NAME`].
    pub name: &'static str,
    /// See [`Operation::ALIASES`].
    pub aliases: &'static [&'static str],
    /// See [`Operation::MODULE`].
    pub module: Module,
    /// See [`Operation::NEEDS`].
    pub needs: Needs,
    /// See [`Operation::GUARD`].
    pub guard: Option<Guard>,
    /// Adds the schema of the request to a generator and returns it.
    pub request_schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// Adds the schema of the answer to a generator and returns it.
    pub output_schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// Name of the request's schema among the components.
    pub request_schema_name: fn() -> std::borrow::Cow<'static, str>,
}

impl OperationSpec {
    /// The specification of one operation type.
    pub const fn of<O: Operation>() -> Self {
        fn schema<T: schemars::JsonSchema>(
            generator: &mut schemars::SchemaGenerator,
        ) -> schemars::Schema {
            generator.subschema_for::<T>()
        }
        OperationSpec {
            name: O::NAME,
            aliases: O::ALIASES,
            module: O::MODULE,
            needs: O::NEEDS,
            guard: O::GUARD,
            request_schema: schema::<O>,
            output_schema: schema::<O::Output>,
            request_schema_name: O::schema_name,
        }
    }
}

/// Implements [`Operation`] for a request type.
///
/// `operation!(StopContainer: Execute -> Update, needs Target(Execute, []), target |op| Target::Server(..))`
macro_rules! operation {
    ($name:ident: $module:ident -> $output:ty, needs $needs:expr $(, alias $alias:literal)* $(, guard $guard:expr)? $(, target |$op:ident| $target:expr)?) => {
        impl $crate::Operation for $name {
            const NAME: &'static str = stringify!($name);
            const ALIASES: &'static [&'static str] = &[$($alias),*];
            const MODULE: $crate::Module = $crate::Module::$module;
            const NEEDS: $crate::Needs = $needs;
            const GUARD: Option<$crate::Guard> = operation!(@guard $($guard)?);
            type Output = $output;
            $(fn target(&self) -> $crate::Target { let $op = self; $target })?
        }
    };
    (@guard) => { None };
    (@guard $guard:expr) => { Some($guard) };
}
pub(crate) use operation;

/// The one list of operations. Calls `$callback! { path, path, … }` with the type of each.
#[macro_export]
macro_rules! for_each_operation {
    ($callback:ident) => {
        $callback! {
            // auth
            $crate::auth::GetLoginOptions,
            $crate::auth::SignUpLocalUser,
            $crate::auth::LoginLocalUser,
            $crate::auth::CreateApiKey,
            $crate::auth::DeleteApiKey,
            // read
            $crate::core::GetVersion,
            $crate::core::GetCoreInfo,
            $crate::server::ListServers,
            $crate::server::ListFullServers,
            $crate::server::GetServer,
            $crate::server::GetServerState,
            $crate::server::GetServersSummary,
            $crate::server::GetServerActionState,
            $crate::server::GetPeripheryInformation,
            $crate::server::GetSystemInformation,
            $crate::server::GetSystemStats,
            $crate::container::ListContainers,
            $crate::container::ListAllContainers,
            $crate::container::GetContainersSummary,
            $crate::container::InspectContainer,
            $crate::container::GetContainerLog,
            $crate::container::SearchContainerLog,
            $crate::container::ListProtected,
            $crate::update::ListUpdates,
            $crate::update::GetUpdate,
            $crate::alert::ListAlerts,
            $crate::alert::GetAlert,
            $crate::auth::ListApiKeys,
            $crate::user::GetUsername,
            $crate::permission::GetPermission,
            $crate::onboarding_key::ListOnboardingKeys,
            $crate::plan::PlanOperation,
            $crate::periphery::ListPeripheryPrograms,
            // write
            $crate::server::CreateServer,
            $crate::server::UpdateServer,
            $crate::server::RenameServer,
            $crate::server::DeleteServer,
            $crate::onboarding_key::CreateOnboardingKey,
            $crate::onboarding_key::UpdateOnboardingKey,
            $crate::onboarding_key::DeleteOnboardingKey,
            // execute
            $crate::container::StartContainer,
            $crate::container::RestartContainer,
            $crate::container::PauseContainer,
            $crate::container::UnpauseContainer,
            $crate::container::StopContainer,
            $crate::container::DestroyContainer,
            $crate::container::StartAllContainers,
            $crate::container::RestartAllContainers,
            $crate::container::PauseAllContainers,
            $crate::container::UnpauseAllContainers,
            $crate::container::StopAllContainers,
            $crate::container::PruneContainers,
            $crate::container::BatchContainers,
            $crate::periphery::RestartPeriphery,
            $crate::periphery::UpdatePeriphery,
            $crate::periphery::RollPeriphery,
            $crate::update::UndoUpdate,
            $crate::update::CancelUpdate,
        }
    };
}

/// All operations, in the order of the list.
pub fn operations() -> Vec<OperationSpec> {
    macro_rules! specs {
        ($($operation:ty),* $(,)?) => { vec![$(OperationSpec::of::<$operation>()),*] };
    }
    for_each_operation!(specs)
}
