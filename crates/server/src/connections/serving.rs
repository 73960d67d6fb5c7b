//! From a listening socket to answers.

use std::{io, pin::pin, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use super::{Connections, registry::Place, response::Answering, stream::NotedStream};
use crate::http::HttpService;

/// How long a connection that is to be closed may take to say so.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long nothing is accepted after the process was out of file descriptors.
const PAUSE: Duration = Duration::from_millis(20);

/// How often a client of HTTP/2 is asked whether it is still there, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How much of HTTP/2's bodies a client may send before anybody looks at it: on one stream, and on all of a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 512 * 1024;

/// The most bytes of a head of HTTP/2: with the longest token there is room for as much again, and more.
const MAX_HEADER_LIST: u32 = 64 * 1024;

/// The most streams that a client may open and reset before it is cut off (CVE-2023-44487).
const MAX_RESET_STREAMS: usize = 20;

/// What a client is told that comes at the limit.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
    content-length: 0\r\n\r\n";

/// Tells a server when to stop: `true` once it is to accept nothing more.
pub type Stop = watch::Receiver<bool>;

/// Accepts connections until it is told to stop, then waits until what is under way is answered, or `patience` is over.
pub async fn serve(
    listener: TcpListener,
    http: HttpService,
    connections: Arc<Connections>,
    mut stop: Stop,
    patience: Duration,
) {
    let builder = Arc::new(builder(&connections));
    let sweeping = tokio::spawn(sweep(Arc::clone(&connections)));
    let (alive, mut ended) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = told_to(&mut stop) => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error, &connections).await;
                continue;
            }
        };
        let Some(place) = connections.admit(peer.ip()) else {
            refuse(&socket);
            continue;
        };
        // So that small answers leave at once; a client that is gone already does not matter here.
        let _ = socket.set_nodelay(true);
        let answering = Answering { http: http.clone(), peer, connection: Arc::clone(&place.connection) };
        let (builder, stop, alive) = (Arc::clone(&builder), stop.clone(), alive.clone());
        tokio::spawn(async move {
            attend(&builder, socket, place, answering, stop).await;
            drop(alive);
        });
    }
    drop((listener, alive));
    let _ = timeout(patience, ended.recv()).await;
    sweeping.abort();
}

fn builder(connections: &Connections) -> Builder<TokioExecutor> {
    let limits = connections.limits();
    let mut builder = Builder::new(TokioExecutor::new());
    // Times of heads and pauses are kept by `Connections`, for both versions and before the version is known.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(limits.max_head_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(MAX_HEADER_LIST)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}

/// Answers the requests of a connection until either side ends it.
async fn attend(
    builder: &Builder<TokioExecutor>,
    socket: TcpStream,
    place: Place,
    answering: Answering,
    mut stop: Stop,
) {
    let stream = NotedStream::new(socket, Arc::clone(&place.connection), answering.http.budget());
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), answering));
    // How a connection ends is its client's affair.
    tokio::select! {
        _ = serving.as_mut() => return,
        () = place.connection.closing() => {
            if place.connection.is_stalled() {
                return;
            }
            serving.as_mut().graceful_shutdown();
            let _ = timeout(FAREWELL, serving).await;
            return;
        }
        () = told_to(&mut stop) => serving.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = serving => {}
        () = place.connection.closing() => {}
    }
}

/// Returns when it is told to stop; never, if whoever could tell is gone.
async fn told_to(stop: &mut Stop) {
    if stop.wait_for(|is_stopping| *is_stopping).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Tells a client that there is no room, as far as it can be told without waiting.
fn refuse(socket: &TcpStream) {
    let _ = socket.try_write(REFUSAL);
}

async fn pause_after(error: &io::Error, connections: &Connections) {
    // A client that has gone away before it was accepted is no reason to wait.
    if error.kind() == io::ErrorKind::ConnectionAborted || error.kind() == io::ErrorKind::ConnectionReset {
        return;
    }
    tracing::warn!(%error, "a connection cannot be accepted");
    connections.relieve();
    sleep(PAUSE).await;
}

/// Looks for overdue connections until the task is aborted.
async fn sweep(connections: Arc<Connections>) {
    let limits = connections.limits();
    let shortest = limits.head.min(limits.idle).min(limits.stalled);
    let pause = (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
    loop {
        sleep(pause).await;
        connections.sweep();
    }
}
