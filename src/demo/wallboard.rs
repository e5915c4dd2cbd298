//! The wallboard of a demo: the service's page and API, open to whoever sits at this machine.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use carillon_api::Options;
use carillon_api::metrics::Exporter;
use carillon_core::store::sqlite::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::engine::EngineHandle;
use crate::exit::Exit;
use crate::meters;
use crate::port::EnginePort;
use crate::say::say;

/// A bound listener that serves once the engine runs.
pub struct Wallboard {
    listener: TcpListener,
    exporter: Exporter,
}

impl Wallboard {
    /// Binds `address`, or another port of its host when that one is taken, and says where to look.
    pub async fn bind(address: SocketAddr) -> Result<Self, Exit> {
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => TcpListener::bind(SocketAddr::new(address.ip(), 0))
                .await
                .map_err(|_| Exit::other(format!("wallboard on {address}: {error}")))?,
        };
        let bound = listener.local_addr().map_err(Exit::other)?;
        say(format_args!("Watch it at http://{bound}"));
        Ok(Self { listener, exporter: Exporter::install().map_err(Exit::other)? })
    }

    /// Serves until `stopped` changes.
    pub fn serve(
        self,
        engine: &EngineHandle,
        store: &Store,
        mut stopped: watch::Receiver<bool>,
    ) -> JoinHandle<()> {
        meters::follow(engine, self.exporter.clone());
        let port = EnginePort::new(
            engine.clone(),
            store.clone(),
            self.exporter,
            PathBuf::new(),
            BTreeSet::new(),
            String::new(),
        );
        // Nobody can sign in; the live view needs no rights here and carries no numbers.
        let options = Options { open_live: true, ..Options::default() };
        let limits = options.limits;
        let router = carillon_api::router(Arc::new(port), options);
        tokio::spawn(carillon_api::serve(self.listener, router, limits, async move {
            // Changed or dropped: either way it is time.
            let _ = stopped.changed().await;
        }))
    }
}
