//! A connection to a port of a pod, through the API server.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Portforwarder;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use vaultyard_model::chain;

use crate::client::{ANSWER, Api};
use crate::error::{ApiError, Reason};
use crate::reference::Reference;

/// An open connection. What carries it ends with it.
pub struct PodConnection {
    stream: DuplexStream,
    carrier: Portforwarder,
}

impl Api {
    /// Connects to a port of a pod. That nobody listens there shows at the first read, which ends.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn connect(&self, pod: &Reference, port: u16) -> Result<PodConnection, ApiError> {
        let act = format!("connect to port {port} of {pod}");
        let pods: kube::Api<Pod> =
            kube::Api::namespaced(self.client().clone(), pod.namespace().unwrap_or_default());
        let opened = tokio::time::timeout(ANSWER, pods.portforward(pod.name(), &[port])).await;
        let late = || self.unreachable(&act, format!("no answer within {} s", ANSWER.as_secs()));
        let mut carrier = opened.map_err(|_| late())?.map_err(|error| self.refused(&act, error))?;
        let strange = || {
            let reason = Reason::Strange { what: "there is no stream for the port".to_owned() };
            ApiError { act: act.clone(), reason }
        };
        let stream = carrier.take_stream(port).ok_or_else(strange)?;
        Ok(PodConnection { stream, carrier })
    }

    fn refused(&self, act: &str, error: kube::Error) -> ApiError {
        match error {
            kube::Error::Api(status) => {
                let code = StatusCode::from_u16(status.code);
                let code = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let details = json!(status.details);
                let body = json!({"message": status.message, "details": details});
                ApiError::from_answer(act.to_owned(), "v1 Pod".to_owned(), code, None, &body)
            }
            kube::Error::Auth(error) => {
                let reason = Reason::Credentials { message: chain(&error) };
                ApiError { act: act.to_owned(), reason }
            }
            error => self.unreachable(act, chain(&error)),
        }
    }
}

impl Drop for PodConnection {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

impl AsyncRead for PodConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PodConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
