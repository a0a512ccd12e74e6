//! A client of one server.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::poll_fn;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls_pki_types::ServerName as TlsName;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;
use vaultyard_model::port::server::CallError;
use vaultyard_model::{Address, Secret, Software};
use zeroize::Zeroizing;

use crate::Authorised;
use crate::call::{Answer, Call, DEADLINE};
use crate::connection::{Carried, Connection, SendError, Way};

/// The largest answer that is read, in bytes. The longest we ask for is a list of accessors.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// How many bytes of an answer get room at once.
const FIRST_ROOM: usize = 8 * 1024;

/// Where a server's TLS listener is and how it is recognised.
pub struct Endpoint {
    /// Its API address.
    pub address: Address,
    /// The name that its certificate must have.
    pub tls_name: TlsName<'static>,
    /// Which authorities are trusted, and which certificate is shown when a server asks for one.
    pub tls: Arc<ClientConfig>,
}

/// A client of one server: keeps one connection alive and reuses it.
pub struct Client {
    way: Way,
    software: Software,
    host: HeaderValue,
    idle: Mutex<Option<Connection>>,
}

impl Client {
    /// A client over TLS.
    pub fn new(endpoint: Endpoint) -> Self {
        let Endpoint { address, tls_name, tls } = endpoint;
        let mut config = ClientConfig::clone(&tls);
        // A resumed session shows the certificate of the first one, which may have ended since.
        config.resumption = Resumption::disabled();
        Self::over(Way::Tls { address, name: tls_name, config: Arc::new(config) })
    }

    /// The same for a server of this software; else it is OpenBao.
    #[must_use]
    pub fn of(self, software: Software) -> Self {
        Self { software, ..self }
    }

    /// What the server is.
    pub(crate) fn software(&self) -> Software {
        self.software
    }

    /// A client over the server's own unix socket, without TLS: the socket lies in a folder that
    /// only the server's user can enter.
    pub fn unix(socket: PathBuf) -> Self {
        Self::over(Way::Unix { socket })
    }

    fn over(way: Way) -> Self {
        let host = HeaderValue::from_str(&way.host())
            .unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        Self { way, software: Software::OpenBao, host, idle: Mutex::new(None) }
    }

    /// The calls that need a token.
    pub fn with_token<'a>(&'a self, token: &'a Secret) -> Authorised<'a> {
        Authorised::new(self, token)
    }

    /// Sends a call and reads the whole answer, whatever its status.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Answer, CallError> {
        let sent = AtomicBool::new(false);
        match timeout(call.deadline, self.exchange(&call, &sent)).await {
            Ok(result) => result,
            Err(_) => Err(late(call.deadline, sent.load(Ordering::Relaxed))),
        }
    }

    /// Sends a call and expects a 2xx.
    pub(crate) async fn ask(&self, call: Call<'_>) -> Result<Answer, CallError> {
        self.send(call).await?.success()
    }

    /// Sends a call on a connection of its own and hands on the body of a 2xx, piece by piece as it
    /// arrives. The call's deadline is that of each step, not of all together. Whoever takes the pieces
    /// may go at any time, which ends it without an error.
    pub(crate) async fn download(
        &self,
        call: Call<'_>,
        to: mpsc::Sender<Bytes>,
    ) -> Result<(), CallError> {
        let by = call.deadline;
        let mut connection = timeout(by, self.connect()).await.map_err(|_| late(by, false))??;
        let sent = timeout(by, connection.send(self.request(&call)?)).await;
        let response = sent.map_err(|_| late(by, true))?.map_err(Failed::from)?;
        if !response.status().is_success() {
            let answer = timeout(by, whole(response)).await.map_err(|_| late(by, true))?;
            return Err(answer?.refused());
        }
        let mut body = response.into_body();
        loop {
            let Some(frame) = timeout(by, body.frame()).await.map_err(|_| late(by, true))? else {
                return Ok(());
            };
            let frame = frame.map_err(|wrong| CallError::NoAnswer(wrong.to_string()))?;
            if let Ok(piece) = frame.into_data()
                && to.send(piece).await.is_err()
            {
                return Ok(());
            }
        }
    }

    /// Sends a call whose body is what arrives in `pieces`, on a connection of its own, and expects a
    /// 2xx. An error among the pieces breaks the connection off: the server never takes a part for the
    /// whole. The call's deadline is for all of it together.
    pub(crate) async fn upload(
        &self,
        call: Call<'_>,
        mut pieces: mpsc::Receiver<io::Result<Bytes>>,
    ) -> Result<Answer, CallError> {
        let by = call.deadline;
        let mut connection =
            timeout(DEADLINE, self.connect()).await.map_err(|_| late(DEADLINE, false))??;
        let pieces = poll_fn(move |context| pieces.poll_recv(context)).map_ok(Frame::data);
        let request = self.carrying(&call, StreamBody::new(pieces).boxed_unsync())?;
        let answered = timeout(by, async { whole(connection.send(request).await?).await }).await;
        answered.map_err(|_| late(by, true))??.success()
    }

    async fn connect(&self) -> Result<Connection, CallError> {
        let connected = self.way.connect().await;
        connected.map_err(|wrong| CallError::Unreachable(wrong.to_string()))
    }

    /// Gives the kept connection up.
    pub(crate) async fn hang_up(&self) {
        *self.idle.lock().await = None;
    }

    async fn exchange(&self, call: &Call<'_>, sent: &AtomicBool) -> Result<Answer, CallError> {
        if let Some(mut connection) = self.take_idle(call).await {
            sent.store(true, Ordering::Relaxed);
            match self.on(&mut connection, call).await {
                Ok(answer) => return Ok(self.keep(connection, answer).await),
                // A kept connection may have died unseen. What was not sent, or only reads, is
                // asked again on a new one.
                Err(Failed::NotSent(_)) => {}
                Err(Failed::Sent(_)) if call.only_reads() => {}
                Err(failed) => return Err(failed.into()),
            }
            sent.store(false, Ordering::Relaxed);
        }
        let mut connection = self.connect().await?;
        sent.store(true, Ordering::Relaxed);
        let answer = self.on(&mut connection, call).await?;
        Ok(self.keep(connection, answer).await)
    }

    async fn take_idle(&self, call: &Call<'_>) -> Option<Connection> {
        if call.anew {
            return None;
        }
        let mut connection = self.idle.lock().await.take()?;
        connection.is_usable().await.then_some(connection)
    }

    async fn keep(&self, connection: Connection, answer: Answer) -> Answer {
        *self.idle.lock().await = Some(connection);
        answer
    }

    async fn on(&self, connection: &mut Connection, call: &Call<'_>) -> Result<Answer, Failed> {
        whole(connection.send(self.request(call)?).await?).await
    }

    fn request(&self, call: &Call<'_>) -> Result<Request<Carried>, Failed> {
        let body = match &call.body {
            Some(json) => Full::new(Bytes::from_owner(json.clone())),
            None => Full::default(),
        };
        self.carrying(call, body.map_err(|never| match never {}).boxed_unsync())
    }

    fn carrying(&self, call: &Call<'_>, body: Carried) -> Result<Request<Carried>, Failed> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("/v1/{}", call.path))
            .header(header::HOST, self.host.clone())
            .header("X-Vault-Request", "true");
        if let Some(token) = call.token {
            let mut value = HeaderValue::from_bytes(token.expose())
                .map_err(|_| Failed::NotSent("the token is not a header value".to_owned()))?;
            value.set_sensitive(true);
            request = request.header("X-Vault-Token", value);
        }
        if call.only_here {
            request = request.header("X-Vault-No-Request-Forwarding", "1");
        }
        request.body(body).map_err(|wrong| Failed::NotSent(wrong.to_string()))
    }
}

/// Reads an answer to its end.
async fn whole(response: Response<Incoming>) -> Result<Answer, Failed> {
    let status = response.status().as_u16();
    let mut body = Limited::new(response.into_body(), LARGEST_ANSWER);
    let mut bytes = Zeroizing::new(Vec::with_capacity(FIRST_ROOM));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|wrong| Failed::Sent(wrong.to_string()))?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Answer { status, body: bytes })
}

fn late(deadline: Duration, sent: bool) -> CallError {
    if sent {
        CallError::NoAnswer(format!("nothing within {} ms", deadline.as_millis()))
    } else {
        CallError::Unreachable(format!("no connection within {} ms", deadline.as_millis()))
    }
}

/// Why one try on one connection brought no answer.
enum Failed {
    NotSent(String),
    Sent(String),
}

impl From<SendError> for Failed {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotSent(wrong) => Self::NotSent(wrong.to_string()),
            SendError::Sent(wrong) => Self::Sent(wrong.to_string()),
        }
    }
}

impl From<Failed> for CallError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::NotSent(why) => Self::Unreachable(why),
            Failed::Sent(why) => Self::NoAnswer(why),
        }
    }
}

#[cfg(test)]
mod tests;
