//! Operations of the list whose handlers are still to be written. They answer 501. This list only shrinks.

use std::sync::Arc;

use komodo_api::{Code, Error, Operation};

use crate::{
    App,
    dispatch::{Cx, Granted, Handle, Reply},
};

macro_rules! pending {
    ($($operation:ty),* $(,)?) => { $(
        impl Handle<$operation> for App {
            async fn handle(
                self: &Arc<Self>,
                _: Granted<$operation>,
                _: &Cx,
            ) -> Result<Reply<<$operation as Operation>::Output>, Error> {
                Err(Error::new(Code::NotBuilt, concat!(stringify!($operation), " is not built yet")))
            }
        }
    )* };
}

use komodo_api::{onboarding_key, server};

pending! {
    server::ListServers,
    server::ListFullServers,
    server::GetServer,
    server::GetServerState,
    server::GetServersSummary,
    server::GetServerActionState,
    server::GetPeripheryInformation,
    server::GetSystemInformation,
    server::GetSystemStats,
    server::CreateServer,
    server::UpdateServer,
    server::RenameServer,
    server::DeleteServer,
    onboarding_key::ListOnboardingKeys,
    onboarding_key::CreateOnboardingKey,
    onboarding_key::UpdateOnboardingKey,
    onboarding_key::DeleteOnboardingKey,
}
