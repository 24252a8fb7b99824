//! The HTTP server: logs each request, applies a scheduled fault, and calls the service.

use std::future::Future;
use std::io::{Error, ErrorKind};
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::StatusCode;
use hyper::body::{Frame, SizeHint};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::exchange::{Answer, Request};
use crate::faults::{Fault, Faults};
use crate::requests::{LoggedRequest, Requests};
use crate::socket::{CutSwitch, CuttableListener};

/// Longer than any body that relay or backend sends. A service with a lower limit enforces it itself.
const MAX_BODY_BYTES: usize = 8 << 20;

/// What a stand-in does with a request.
pub trait Service: Send + Sync + 'static {
    fn answer(&self, request: Request) -> impl Future<Output = Answer> + Send;
}

/// A running server. Dropping it stops the server, and each open connection ends at its next read or write.
#[derive(Debug)]
pub struct Server {
    pub url: String,
    pub faults: Faults,
    pub requests: Requests,
    /// Set when the server stops.
    is_stopped: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// The service with the log and the faults that are applied around it.
struct ObservedService<S> {
    service: Arc<S>,
    faults: Faults,
    requests: Requests,
}

impl Server {
    /// Starts a server on the loopback address; for `port` 0 the system picks a free port. `build_service`
    /// builds the service from the server's URL, which has no slash at the end.
    pub async fn start<S: Service>(
        port: u16,
        build_service: impl FnOnce(String) -> S,
    ) -> std::io::Result<(Self, Arc<S>)> {
        let inner = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let url = format!("http://{}", inner.local_addr()?);
        let service = Arc::new(build_service(url.clone()));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (faults, requests) = (Faults::default(), Requests::default());
        let observed = Arc::new(ObservedService {
            service: Arc::clone(&service),
            faults: faults.clone(),
            requests: requests.clone(),
        });
        let router = Router::new().fallback(
            move |ConnectInfo(cut): ConnectInfo<CutSwitch>, request: axum::extract::Request| {
                let observed = Arc::clone(&observed);
                async move { observed.exchange(cut, request).await }
            },
        );
        let listener = CuttableListener {
            inner,
            is_stopped: Arc::clone(&is_stopped),
        };
        let serving = axum::serve(
            listener,
            router.into_make_service_with_connect_info::<CutSwitch>(),
        );
        let task = tokio::spawn(async move {
            // `serve` never returns: axum retries when accepting a connection fails.
            let _ended = serving.await;
        });
        let server = Self {
            url,
            faults,
            requests,
            is_stopped,
            task,
        };
        Ok((server, service))
    }
}

/// Runs a stand-in as a program: prints its settings with `print`, then serves until Ctrl-C.
pub async fn serve_until_interrupted<S>(
    port: u16,
    starting: impl Future<Output = std::io::Result<S>>,
    print: impl FnOnce(&S),
) -> ExitCode {
    let stand_in = match starting.await {
        Ok(stand_in) => stand_in,
        Err(problem) => {
            eprintln!("cannot listen on port {port}: {problem}");
            return ExitCode::FAILURE;
        }
    };
    print(&stand_in);
    if tokio::signal::ctrl_c().await.is_err() {
        eprintln!("cannot wait for an interrupt");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Release);
        self.task.abort();
    }
}

impl<S: Service> ObservedService<S> {
    /// Logs a request and answers it, with the scheduled fault if there is one.
    async fn exchange(&self, cut: CutSwitch, request: axum::extract::Request) -> Response {
        let Some(request) = read_request(request).await else {
            return response(Answer::empty(StatusCode::PAYLOAD_TOO_LARGE));
        };
        let path_and_query = match request.query.as_str() {
            "" => request.path.clone(),
            query => format!("{}?{query}", request.path),
        };
        let logged = LoggedRequest {
            method: request.method.to_string(),
            path_and_query,
            headers: request.headers.clone(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
            status: None,
        };
        let fault = self.faults.take(&logged.line());
        let log_index = self.requests.record(logged);
        let is_halved = matches!(fault, Some(Fault::HalfAfter));
        let answer = match fault {
            None => Some(self.service.answer(request).await),
            Some(fault) => self.answer_with_fault(fault, &cut, request).await,
        };
        let Some(answer) = answer else {
            // The connection is cut, so this answer is never written.
            return response(Answer::empty(StatusCode::OK));
        };
        self.requests
            .record_status(log_index, answer.status.as_u16());
        if is_halved {
            return half_response(answer);
        }
        response(answer)
    }

    /// The answer under a fault, or `None` if the connection is cut.
    async fn answer_with_fault(
        &self,
        fault: Fault,
        cut: &CutSwitch,
        request: Request,
    ) -> Option<Answer> {
        match fault {
            Fault::Answer(answer) => Some(answer),
            Fault::AnswerAfter(answer) => {
                self.service.answer(request).await;
                Some(answer)
            }
            Fault::Drop => {
                cut.close();
                None
            }
            Fault::DropAfter => {
                self.service.answer(request).await;
                cut.close();
                None
            }
            Fault::ResetAfter => {
                self.service.answer(request).await;
                cut.reset();
                None
            }
            Fault::HalfAfter => Some(self.service.answer(request).await),
            Fault::Change(change) => Some(change(self.service.answer(request).await)),
            Fault::Hang(duration) => {
                tokio::time::sleep(duration).await;
                Some(self.service.answer(request).await)
            }
            Fault::HangAfter(duration) => {
                let answer = self.service.answer(request).await;
                tokio::time::sleep(duration).await;
                Some(answer)
            }
        }
    }
}

/// The request with its whole body; `None` if the body is longer than [`MAX_BODY_BYTES`] or breaks off.
async fn read_request(request: axum::extract::Request) -> Option<Request> {
    let (parts, body) = request.into_parts();
    Some(Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: axum::body::to_bytes(body, MAX_BODY_BYTES).await.ok()?,
    })
}

fn response(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

fn half_response(answer: Answer) -> Response {
    let whole = answer.body.len();
    let body = HalfBody {
        whole: whole as u64,
        half: Some(answer.body.slice(..whole / 2)),
        is_flushed: false,
    };
    let mut response = response(answer);
    *response.body_mut() = Body::new(body);
    response
}

/// A body that announces its whole length and fails after its first half.
struct HalfBody {
    whole: u64,
    half: Option<Bytes>,
    is_flushed: bool,
}

impl HttpBody for HalfBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.is_flushed {
            // The server writes the first half to the socket while the body is pending.
            self.is_flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Error::new(
            ErrorKind::ConnectionReset,
            "cut on purpose",
        ))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.whole)
    }
}
