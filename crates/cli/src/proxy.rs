//! The proxy on a thread of its own.
//!
//! A runtime of one thread spares every request the wake-up of another thread; and whatever the
//! loops of the engine do, requests go on.

use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::ClientConfig;
use rustls::server::ResolvesServerCert;
use tokio::sync::{oneshot, watch};
use vaultyard_proxy::{Config, Ending, Handle, Metrics, Proxy};

use crate::failure::{Failure, Kind, failed};
use crate::system;

/// A proxy that runs.
pub(crate) struct RunningProxy {
    /// What can be asked of it.
    pub(crate) handle: Handle,
    /// Is closed when the proxy has ended, however it did.
    pub(crate) alive: watch::Receiver<()>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// What a proxy is made of.
pub(crate) struct Parts {
    /// The limits and addresses.
    pub(crate) config: Config,
    /// What clients see.
    pub(crate) certificate: Arc<dyn ResolvesServerCert>,
    /// Which servers are believed.
    pub(crate) trust: Arc<ClientConfig>,
    /// Where it counts.
    pub(crate) metrics: Metrics,
    /// How it ends.
    pub(crate) ending: Ending,
}

/// Starts the proxy; returns once it listens.
pub(crate) async fn start(parts: Parts) -> Result<RunningProxy, Failure> {
    let (stop, stopped) = oneshot::channel();
    let (tell, told) = oneshot::channel();
    let (lives, alive) = watch::channel(());
    let thread = std::thread::Builder::new()
        .name("proxy".to_owned())
        .spawn(move || {
            // Dropped with the thread, also when that panics.
            let _lives = lives;
            serve(parts, tell, stopped);
        })
        .map_err(failed)?;
    let ended = |_| Failure::text(Kind::Failed, "the proxy ended before it listened");
    let handle = told.await.map_err(ended)??;
    Ok(RunningProxy { handle, alive, stop, thread })
}

fn serve(
    parts: Parts,
    tell: oneshot::Sender<Result<Handle, Failure>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell.send(Err(failed(error))).ok();
            return;
        }
    };
    runtime.block_on(async {
        let Parts { config, certificate, trust, metrics, ending } = parts;
        match Proxy::bind(config, certificate, &trust, metrics) {
            Ok(proxy) => {
                let proxy = proxy.with_connections(system::most_connections()).with_ending(ending);
                tell.send(Ok(proxy.handle())).ok();
                let stop = async {
                    // Its sender's end means the same as its word.
                    stopped.await.ok();
                };
                proxy.run(stop).await;
            }
            Err(error) => {
                tell.send(Err(failed(error))).ok();
            }
        }
    });
}

impl RunningProxy {
    /// Takes nothing more, lets requests end, and returns when they have.
    pub(crate) async fn stop(self) {
        self.stop.send(()).ok();
        let thread = self.thread;
        // A panic of the proxy was told when it happened.
        tokio::task::spawn_blocking(move || thread.join().ok()).await.ok();
    }
}
