//! The running server: a thread, a current-thread runtime, an accept loop on 127.0.0.1.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::route::{self, Host, State};
use crate::sandbox::config::Config;
use crate::sandbox::error::Error;

const MOST_MODELS: u32 = 1_500_000;

/// A running server; dropping it stops it and closes its connections.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Builds the catalog and starts to serve it on a thread of its own.
    ///
    /// # Errors
    /// If the port is taken, the recorded catalog is damaged, or there are more models than ids.
    pub fn start(config: Config) -> Result<Sandbox, Error> {
        if config.models > MOST_MODELS {
            return Err(Error::TooMany(config.models));
        }
        let port = config.port;
        let (listener, address) = listen(port)?;
        // Files have a host of their own, as on the real server.
        let (files, files_address) = listen(0)?;
        let state = Arc::new(State::new(config, format!("http://{files_address}"))?);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    _ = accept(listener, Arc::clone(&state), Host::Api) => {}
                    _ = accept(files, state, Host::Files) => {}
                }
            });
        };
        let thread = thread::Builder::new().name("sandbox".to_owned()).spawn(serve).map_err(Error::Thread)?;
        Ok(Sandbox { address, stop: Some(stop), thread: Some(thread) })
    }

    /// The address of the API: `http://127.0.0.1:PORT/api/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.join();
    }
}

/// Opens a socket on this port of the loopback address; returns it with its address.
fn listen(port: u16) -> Result<(std::net::TcpListener, SocketAddr), Error> {
    let unavailable = |source| Error::Listen { port, source };
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(unavailable)?;
    listener.set_nonblocking(true).map_err(unavailable)?;
    let address = listener.local_addr().map_err(unavailable)?;
    Ok((listener, address))
}

async fn accept(listener: std::net::TcpListener, state: Arc<State>, host: Host) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, Arc::clone(&state), host));
            }
            // A connection died in the queue, or no descriptor is left: the next one may succeed.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}

async fn connection(stream: TcpStream, state: Arc<State>, host: Host) {
    let _ = stream.set_nodelay(true);
    let torn = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&torn);
    let service =
        service_fn(move |request| Box::pin(route::serve(Arc::clone(&state), host, Arc::clone(&flag), request)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // Errors are dropped here: the client sees them, or is gone.
    let _ = std::future::poll_fn(|context| connection.poll_without_shutdown(context)).await;
    if torn.load(Ordering::Relaxed) {
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}
