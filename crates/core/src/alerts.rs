//! Alerts: raised once about a thing, resolved when it is over, told to whoever listens. What deserves one is decided
//! elsewhere.

use std::sync::Arc;

use komodo_api::{
    alert::{Alert, AlertData, SeverityLevel},
    id::{Id, Oid},
    resource::ResourceTarget,
};

use crate::{
    clock::Clock,
    live::ItemsFeed,
    store::{Store, StoreError},
};

/// All alerts.
#[derive(Debug)]
pub struct Alerts {
    clock: Arc<dyn Clock>,
    store: Store,
    feed: ItemsFeed,
}

impl Alerts {
    /// The alerts in a store.
    pub fn new(clock: Arc<dyn Clock>, store: Store) -> Self {
        let feed = ItemsFeed::new(clock.now());
        Alerts { clock, store, feed }
    }

    /// Raises a warning about an Update, once for each Update; its id where it is new. Durable before it returns.
    ///
    /// # Errors
    /// Where it cannot be stored.
    pub async fn warn_of_update(
        &self,
        update: &str,
        target: ResourceTarget,
        message: String,
        details: String,
    ) -> Result<Option<Id>, StoreError> {
        let now = self.clock.now();
        let id = crate::id::id_by(&*self.clock);
        let alert = Alert {
            id: Some(Oid(id)),
            ts: now,
            resolved: false,
            level: SeverityLevel::Warning,
            target,
            data: AlertData::Custom { message, details },
            resolved_ts: None,
            update: Some(update.to_owned()),
        };
        let new = self.store.alerts().raise(update, &alert).await?;
        if new {
            tracing::warn!(
                update.id = update,
                "an operation is open beyond its deadline"
            );
            self.publish(&alert);
        }
        Ok(new.then_some(id))
    }

    /// Resolves the alert about an Update, where there is one.
    ///
    /// # Errors
    /// Where it cannot be stored.
    pub async fn resolve_of_update(&self, update: &str) -> Result<(), StoreError> {
        let resolved = self
            .store
            .alerts()
            .resolve(update, self.clock.now())
            .await?;
        if let Some(alert) = resolved {
            self.publish(&alert);
        }
        Ok(())
    }

    /// What all listeners to alerts hear.
    pub fn feed(&self) -> &ItemsFeed {
        &self.feed
    }

    fn publish(&self, alert: &Alert) {
        let id = alert.id.map(|id| id.0.to_string()).unwrap_or_default();
        self.feed.publish(&id, &alert.target, alert);
    }
}
