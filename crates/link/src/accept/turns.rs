//! Turns to be established: how many links may be between upgrade and hello, in all and from one address. Keys are only
//! proven within a turn, so addresses stand for them before: those that agents with known keys came from have turns that
//! nobody else gets, and no address gets so many that others get none.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ESTABLISHING_MAX, ESTABLISHING_PER_ADDRESS_MAX};

/// Addresses that are remembered at the same time.
const ADDRESSES_MAX: usize = 4096;

/// A turn; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Turn {
    _of_address: Option<OwnedSemaphorePermit>,
    _of_all: OwnedSemaphorePermit,
}

/// All turns.
#[derive(Debug)]
pub(super) struct Turns {
    of_all: Arc<Semaphore>,
    of_known: Arc<Semaphore>,
    addresses: Mutex<Addresses>,
}

#[derive(Debug, Default)]
struct Addresses {
    turns: HashMap<IpAddr, Arc<Semaphore>>,
    /// Addresses of agents with known keys, with when they were last seen, counted in links.
    known: BTreeMap<IpAddr, u64>,
    links: u64,
}

impl Turns {
    pub(super) fn new() -> Self {
        Turns {
            of_all: Arc::new(Semaphore::new(ESTABLISHING_MAX)),
            of_known: Arc::new(Semaphore::new(ESTABLISHING_MAX)),
            addresses: Mutex::default(),
        }
    }

    /// Waits for a turn, for as long as the caller likes. `None` never comes: nobody closes the turns.
    pub(super) async fn take(&self, address: Option<SocketAddr>) -> Option<Turn> {
        let source = address.map(|address| source(address.ip()));
        let of_address = match source {
            Some(source) => Some(self.of(source).acquire_owned().await.ok()?),
            None => None,
        };
        let is_known = source.is_some_and(|source| self.lock().known.contains_key(&source));
        let of_all = match is_known {
            true => tokio::select! {
                turn = Arc::clone(&self.of_known).acquire_owned() => turn,
                turn = Arc::clone(&self.of_all).acquire_owned() => turn,
            },
            false => Arc::clone(&self.of_all).acquire_owned().await,
        };
        Some(Turn {
            _of_address: of_address,
            _of_all: of_all.ok()?,
        })
    }

    /// An agent with a known key came from an address.
    pub(super) fn known(&self, address: Option<SocketAddr>) {
        let Some(address) = address else { return };
        let mut addresses = self.lock();
        addresses.links += 1;
        let now = addresses.links;
        addresses.known.insert(source(address.ip()), now);
        if addresses.known.len() > ADDRESSES_MAX
            && let Some(oldest) = addresses
                .known
                .iter()
                .min_by_key(|(_, seen)| **seen)
                .map(|(address, _)| *address)
        {
            addresses.known.remove(&oldest);
        }
    }

    fn of(&self, source: IpAddr) -> Arc<Semaphore> {
        let mut addresses = self.lock();
        if addresses.turns.len() >= ADDRESSES_MAX {
            // A permit holds its semaphore, so these have given all of theirs back.
            addresses
                .turns
                .retain(|_, turns| Arc::strong_count(turns) > 1);
        }
        let turns = addresses
            .turns
            .entry(source)
            .or_insert_with(|| Arc::new(Semaphore::new(ESTABLISHING_PER_ADDRESS_MAX)));
        Arc::clone(turns)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Addresses> {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever holds an IPv6 address holds its whole /64, so that is what counts as one source.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}
