//! The running server: a thread, a current-thread runtime, an accept loop on 127.0.0.1.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::route::{self, Host, State};
use crate::sandbox::config::Config;
use crate::sandbox::error::Error;

/// HTTP/2 in the negotiation of TLS.
const HTTP2: &[u8] = b"h2";
const MOST_MODELS: u32 = 1_500_000;

/// A running server; dropping it stops it and closes its connections.
#[derive(Debug)]
pub struct Sandbox {
    scheme: &'static str,
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
        let tls = config.tls.as_deref().map(tls).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let port = config.port;
        let (listener, address) = listen(port)?;
        // Files have a host of their own, as on the real server.
        let (files, files_address) = listen(0)?;
        let state = Arc::new(State::new(config, scheme, files_address)?);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    _ = accept(listener, tls.clone(), Arc::clone(&state), Host::Api) => {}
                    _ = accept(files, tls, state, Host::Files) => {}
                }
            });
        };
        let thread = thread::Builder::new().name("sandbox".to_owned()).spawn(serve).map_err(Error::Thread)?;
        Ok(Sandbox { scheme, address, stop: Some(stop), thread: Some(thread) })
    }

    /// The address of the API: `http://127.0.0.1:PORT/api/v1`, or `https:`.
    pub fn base_url(&self) -> String {
        format!("{}://{}/api/v1", self.scheme, self.address)
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

/// Reads the certificate and its key; a client chooses HTTP/2 or HTTP/1.1.
fn tls(pem: &str) -> Result<TlsAcceptor, Error> {
    let unusable = |error: &dyn std::error::Error| Error::Tls(error.to_string());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| unusable(&error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(|error| unusable(&error))?;
    let config = config.with_no_client_auth().with_single_cert(chain.map_err(|error| unusable(&error))?, key);
    let mut config = config.map_err(|error| unusable(&error))?;
    config.alpn_protocols = [HTTP2, b"http/1.1"].map(<[u8]>::to_vec).into();
    Ok(Arc::new(config).into())
}

async fn accept(
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    state: Arc<State>,
    host: Host,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                tokio::spawn(connection(stream, tls.clone(), Arc::clone(&state), host));
            }
            // A connection died in the queue, or no descriptor is left: the next one may succeed.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, state: Arc<State>, host: Host) {
    let Some(tls) = tls else { return over_http1(stream, |stream| stream, state, host).await };
    // A client that does not trust the certificate is gone.
    let Ok(stream) = tls.accept(stream).await else { return };
    match stream.get_ref().1.alpn_protocol() {
        Some(HTTP2) => over_http2(stream, state, host).await,
        _ => over_http1(stream, |stream| stream.get_ref().0, state, host).await,
    }
}

/// Serves a connection; `tcp` returns what it is made of.
async fn over_http1<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    tcp: fn(&S) -> &TcpStream,
    state: Arc<State>,
    host: Host,
) {
    let torn = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&torn);
    let service =
        service_fn(move |request| Box::pin(route::serve(Arc::clone(&state), host, Arc::clone(&flag), request)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // Errors are dropped here: the client sees them, or is gone.
    let _ = std::future::poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let mut stream = connection.into_parts().io.into_inner();
    let _ = match torn.load(Ordering::Relaxed) {
        true => tcp(&stream).set_zero_linger(),
        false => stream.shutdown().await,
    };
}

/// Serves a connection; a fault that resets one over HTTP/1.1 resets the stream here.
async fn over_http2(stream: TlsStream<TcpStream>, state: Arc<State>, host: Host) {
    let service = service_fn(move |request| Box::pin(route::serve(Arc::clone(&state), host, Arc::default(), request)));
    let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}
