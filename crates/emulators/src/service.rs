//! An HTTP service of a test, on a free port.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What is answered.
pub type Answer = Response<Full<Bytes>>;

/// A service that answers until it is dropped.
#[derive(Debug)]
pub struct Service {
    /// Where it answers.
    pub url: String,
    task: JoinHandle<()>,
}

impl Service {
    /// Answers each request on this machine with what `answer` makes of it.
    pub async fn serve(answer: impl Fn(Request<Bytes>) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve_at(Ipv4Addr::LOCALHOST.into(), answer).await
    }

    /// The same at an address of this machine that others reach too.
    ///
    /// # Panics
    /// When it cannot listen there.
    pub async fn serve_at(
        ip: IpAddr,
        answer: impl Fn(Request<Bytes>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = answer.clone();
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        Ok::<_, Infallible>(answer(Request::from_parts(parts, body)))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, task }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer with a JSON body.
///
/// # Panics
/// When `status` is none.
pub fn json(status: u16, body: &serde_json::Value) -> Answer {
    let body = Full::new(Bytes::from(body.to_string()));
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}
