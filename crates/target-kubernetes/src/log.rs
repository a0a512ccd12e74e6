//! What containers write.

use bytes::BytesMut;
use futures_util::stream::{self, Stream};
use http::Method;
use http_body_util::BodyExt;
use kube::client::Body;
use vaultyard_model::chain;

use crate::client::Api;
use crate::error::ApiError;
use crate::object::{call, query};
use crate::reference::Reference;

impl Api {
    /// The last `tail` lines of a container, and with `follow` those that it goes on to write, until it
    /// ends.
    ///
    /// # Errors
    /// [`ApiError`], also when the container has not been started yet.
    pub async fn log(
        &self,
        pod: &Reference,
        container: &str,
        tail: usize,
        follow: bool,
    ) -> Result<impl Stream<Item = Result<String, ApiError>> + Send + use<>, ApiError> {
        let (tail, follow) = (tail.to_string(), follow.to_string());
        let narrowed = [("container", container), ("tailLines", &tail), ("follow", &follow)];
        let ending = format!("/log{}", query(&narrowed));
        let body = self.stream(call("read the log of", pod, Method::GET, &ending, None)).await?;
        let lines = Lines { api: self.clone(), pod: pod.clone(), body, read: BytesMut::new() };
        Ok(stream::unfold(Some(lines), |lines| async {
            let mut lines = lines?;
            match lines.next().await {
                Ok(Some(line)) => Some((Ok(line), Some(lines))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}

struct Lines {
    api: Api,
    pod: Reference,
    body: Body,
    read: BytesMut,
}

impl Lines {
    /// The next line; `None` after the last.
    async fn next(&mut self) -> Result<Option<String>, ApiError> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line = self.read.split_to(end + 1);
                return Ok(Some(String::from_utf8_lossy(&line[..end]).into_owned()));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    self.read.extend_from_slice(&frame.into_data().unwrap_or_default());
                }
                Some(Err(error)) => {
                    let act = format!("read the log of {}", self.pod);
                    return Err(self.api.unreachable(&act, chain(&error)));
                }
                None if self.read.is_empty() => return Ok(None),
                None => {
                    let rest = self.read.split();
                    return Ok(Some(String::from_utf8_lossy(&rest).into_owned()));
                }
            }
        }
    }
}
