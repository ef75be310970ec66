//! The HTTP side of the simulated Telegram: connections that can be cut, faults, and the way to the methods.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::extract::connect_info::Connected;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::body::Parameters;
use super::methods::{self, Answer, Refusal};
use super::state::{Fault, Outage};
use super::{Shared, SimTelegram};

/// Binds a free loopback port and serves it until `stop`.
pub(super) async fn serve(shared: Arc<Shared>, stop: CancellationToken) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let lines = Lines { listener, shared: Arc::clone(&shared) };
    let app = Router::new().fallback(move |ConnectInfo(Cut(cut)), uri: Uri, headers: HeaderMap, body: Bytes| {
        let shared = Arc::clone(&shared);
        async move { answer(&shared, &cut, &uri, &headers, &body).await }
    });
    tokio::spawn(async move {
        let serving = axum::serve(lines, app.into_make_service_with_connect_info::<Cut>());
        stop.run_until_cancelled(async { serving.await }).await
    });
    Ok(address)
}

async fn answer(shared: &Shared, cut: &CancellationToken, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
    let Some((token, method)) = uri.path().strip_prefix("/bot").and_then(|rest| rest.split_once('/')) else {
        return respond(Err(Refusal::new(404, "Not Found")));
    };
    if token != SimTelegram::TOKEN {
        return respond(Err(Refusal::new(401, "Unauthorized")));
    }
    let fault = shared.change(|state| {
        *state.requests.entry(method.to_ascii_lowercase()).or_default() += 1;
        state.take_fault(method)
    });
    let parameters = match Parameters::read(uri, headers, body) {
        Ok(parameters) => parameters,
        Err(why) => return respond(Err(Refusal::new(400, &format!("Bad Request: {why}")))),
    };
    match fault {
        None => respond(methods::call(shared, method, &parameters).await),
        Some(Fault::RetryAfter(seconds)) => respond(Err(Refusal::retry_after(seconds))),
        Some(Fault::ServerError) => bad_gateway(),
        Some(Fault::Refuse(code, description)) => respond(Err(Refusal::new(code, &description))),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Drop) => hang_up(cut),
        Some(Fault::LoseAnswer) => {
            let _lost = methods::call(shared, method, &parameters).await;
            hang_up(cut)
        }
    }
}

fn respond(answer: Answer) -> Response {
    let (code, body) = match answer {
        Ok(result) => (200, serde_json::json!({ "ok": true, "result": result })),
        Err(refusal) if refusal.code == 502 => return bad_gateway(),
        Err(refusal) => (refusal.code, refusal.body()),
    };
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// What stands before Telegram answers in HTML when Telegram does not.
fn bad_gateway() -> Response {
    let page = "<html><head><title>502 Bad Gateway</title></head><body></body></html>";
    (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html")], page).into_response()
}

/// The answer never leaves: writing to a cut line fails.
fn hang_up(cut: &CancellationToken) -> Response {
    cut.cancel();
    StatusCode::OK.into_response()
}

/// Accepts connections; during an outage it drops them at once.
struct Lines {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl Listener for Lines {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            let unreachable = self.shared.lock().outage == Outage::Unreachable;
            if !unreachable {
                return (Line::new(stream, self.shared.new_line()), address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection that can be cut from outside.
struct Line {
    stream: TcpStream,
    cut: CancellationToken,
    cut_off: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Line {
    fn new(stream: TcpStream, cut: CancellationToken) -> Self {
        Self { stream, cut_off: Box::pin(cut.clone().cancelled_owned()), cut }
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.is_cancelled() || self.cut_off.as_mut().poll(context).is_ready() {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What cuts the connection that a request came in on.
#[derive(Clone)]
struct Cut(CancellationToken);

impl Connected<IncomingStream<'_, Lines>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Lines>) -> Self {
        Cut(stream.io().cut.clone())
    }
}
