//! Requests of one connection, and answers that are noted until they are sent.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::AtomicU64},
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::ConnectInfo,
    http::{Request, Response, Version},
};
use hyper::body::{Frame, Incoming, SizeHint};

use super::{Connection, UnderWay};
use crate::http::HttpService;

/// HTTP/2 is given so much of an answer at a time, so that what its client does not take stays where it can be seen.
const PIECE: usize = 64 * 1024;

/// What answers the requests of one connection.
pub(super) struct Answering {
    pub(super) http: HttpService,
    pub(super) peer: SocketAddr,
    pub(super) connection: Arc<Connection>,
}

impl hyper::service::Service<Request<Incoming>> for Answering {
    type Response = Response<NotedBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<NotedBody>, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let under_way = self.connection.asked(request.version() == Version::HTTP_2);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(Arc::clone(&self.connection));
        let answer = self.http.clone().handle(request.map(Body::new));
        Box::pin(async move { Ok(answer.await.map(|body| NotedBody::new(body, under_way))) })
    }
}

/// The body of an answer. The request is under way until it is dropped.
pub(super) struct NotedBody {
    body: Body,
    under_way: UnderWay,
    /// For HTTP/2: when it was last asked for more, and what is left of the piece that it came with.
    asked_at: Option<Arc<AtomicU64>>,
    rest: Bytes,
}

impl NotedBody {
    fn new(body: Body, under_way: UnderWay) -> Self {
        let asked_at = under_way.connection().answers();
        Self { body, under_way, asked_at, rest: Bytes::new() }
    }
}

impl HttpBody for NotedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(asked_at) = &self.asked_at else {
            return Pin::new(&mut self.body).poll_frame(context);
        };
        self.under_way.connection().note(asked_at);
        if self.rest.is_empty() {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            let Some(Ok(frame)) = frame else { return Poll::Ready(frame) };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (self.rest.len() as u64, self.body.size_hint());
        if rest == 0 {
            return hint;
        }
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}
