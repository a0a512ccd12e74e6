//! How Google's services refuse.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use crate::loopback::json;

/// An error as Google's services write it.
pub(crate) fn error(code: u16, status: &str, message: &str) -> Response<Full<Bytes>> {
    json(code, &serde_json::json!({"error": {"code": code, "message": message, "status": status}}))
}
