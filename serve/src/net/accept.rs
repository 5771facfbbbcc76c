//! The loop that accepts, and a connection's life: until the client closes it, is too slow, gives way to others, or the server ends.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::connections::{Connection, Connections};
use super::stalled::Stalled;
use super::whole::Whole;
use crate::api::Refusal;
use crate::options::Limits;
use crate::state::Phase;

/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Where the system has no more sockets, this long until it is asked again.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(50);
/// Connections that are accepted and that nobody has listened to yet: no more, or they would give way to others unheard.
const UNHEARD: usize = 64;
/// Time for a connection that there is no room for to ask and be told so.
const TURNED_AWAY: Duration = Duration::from_secs(1);
/// Time for a connection on which nothing is asked to close in good order when the server ends.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The machine at the other end of a connection, as its requests carry it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Serves connections until the server drains, and those that are asking something until they have their answer, or the server ends.
pub async fn accept(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut phase: watch::Receiver<Phase>,
) {
    let connections = Connections::new(limits.connections);
    let (mut tasks, unheard) = (JoinSet::new(), Arc::new(Semaphore::new(UNHEARD)));
    loop {
        let next = async {
            let unheard = Arc::clone(&unheard).acquire_owned().await;
            (listener.accept().await, unheard.ok())
        };
        let (accepted, unheard) = tokio::select! {
            next = next => next,
            _ = phase.wait_for(|&phase| phase > Phase::Serving) => break,
        };
        while tasks.try_join_next().is_some() {}
        match accepted {
            Ok((socket, from)) => match connections.open() {
                Some(connection) => {
                    let peer = Peer(from.ip().to_canonical());
                    let served =
                        serve(socket, peer, connection, unheard, router.clone(), limits, phase.clone());
                    tasks.spawn(served);
                }
                None => drop(tasks.spawn(turn_away(socket))),
            },
            // Of one connection that is gone already, or of all sockets there are.
            Err(_) => tokio::time::sleep(OUT_OF_SOCKETS).await,
        }
    }
    drop(listener);
    let all = async { while tasks.join_next().await.is_some() {} };
    tokio::select! {
        () = all => {}
        _ = phase.wait_for(|&phase| phase == Phase::Ending) => {}
    }
}

async fn serve(
    socket: TcpStream,
    peer: Peer,
    connection: Connection,
    mut unheard: Option<OwnedSemaphorePermit>,
    router: Router,
    limits: Limits,
    mut phase: watch::Receiver<Phase>,
) {
    // Small pieces go out at once.
    let _ = socket.set_nodelay(true);
    let connection = Arc::new(connection);
    let (of_requests, routes) = (Arc::clone(&connection), TowerToHyperService::new(router));
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        // It is being asked from the end of the request until its answer is sent.
        let asking = Arc::new(OnceLock::new());
        let asks = {
            let (asking, of_requests) = (Arc::clone(&asking), Arc::clone(&of_requests));
            move || {
                asking.get_or_init(|| of_requests.asks());
            }
        };
        let answer = routes.call(request.map(|body| Whole::new(body, asks.clone())));
        async move {
            let answer = answer.await;
            asks();
            answer.map(|answer| answer.map(|body| body.map_frame(move |frame| (frame, &asking).0)))
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES_MAX);
    let io = TokioIo::new(Stalled::new(socket, limits.write));
    let mut served = std::pin::pin!(builder.serve_connection(io, service));
    let heard = poll_fn(|task| {
        let polled = served.as_mut().poll(task);
        drop(unheard.take());
        polled
    });
    tokio::select! {
        biased;
        // Before anything more is asked on it, which would break off.
        () = connection.gives_way() => return,
        // What a client does wrong is its own business, and has been answered where it can be.
        _ = heard => return,
        _ = phase.wait_for(|&phase| phase > Phase::Serving) => {}
    }
    served.as_mut().graceful_shutdown();
    if connection.is_asking() {
        let _ = served.await;
    } else {
        let _ = tokio::time::timeout(LAST_WORDS, served).await;
    }
}

/// Tells a client that there is no connection for it, whatever it asks.
async fn turn_away(socket: TcpStream) {
    let service = service_fn(|_: hyper::Request<Incoming>| async {
        let mut response = Refusal::no_connection().into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        Ok::<_, Infallible>(response)
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    let _ = tokio::time::timeout(TURNED_AWAY, served).await;
}
