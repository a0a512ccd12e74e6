//! The calls that need a token, one file a subject.

mod audit;
pub(crate) mod certificate_role;
mod kv;
mod mount;
mod policy;
pub(crate) mod raft;
pub(crate) mod rotate;
pub(crate) mod service_account;
mod snapshot;
pub(crate) mod token;
mod transit;

use vaultyard_model::Secret;
use vaultyard_model::port::server::CallError;

use crate::Client;
use crate::call::{Answer, Call};

/// A client of one server with a token.
#[derive(Clone, Copy)]
pub struct Authorised<'a> {
    client: &'a Client,
    token: &'a Secret,
}

impl<'a> Authorised<'a> {
    pub(crate) fn new(client: &'a Client, token: &'a Secret) -> Self {
        Self { client, token }
    }

    async fn ask(&self, call: Call<'_>) -> Result<Answer, CallError> {
        self.client.ask(Call { token: Some(self.token), ..call }).await
    }
}
