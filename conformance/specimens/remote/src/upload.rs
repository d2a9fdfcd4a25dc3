//! Uploads: sessions of the service, to which bytes are appended at an offset that both sides know.

use std::sync::Arc;

use longshore_plugin_api::blocking::BlockingUpload;
use longshore_plugin_api::{Bytes, DriverError, ErrorClass, Key, ObjectInfo, UploadToken};

use crate::client::{Client, Request};
use crate::flaw::Flaw;
use crate::message::Head;
use crate::read::info;

/// How many dropped uploads are told in one request.
const FORGOTTEN_MAX: usize = 64;

/// An upload.
pub struct RemoteUpload {
    client: Arc<Client>,
    session: String,
    offset: u64,
    ended: bool,
}

fn told(head: &Head, name: &str) -> Result<String, DriverError> {
    let value = head.field(name).map(str::to_owned);
    value.ok_or_else(|| DriverError::new(ErrorClass::Broken, format!("the service's answer has no {name}")))
}

impl RemoteUpload {
    pub(crate) fn begin(client: &Arc<Client>, token: Option<&UploadToken>) -> Result<Self, DriverError> {
        let mut request = Request::new("POST", "/uploads", "upload");
        if let Some(token) = token {
            let token = std::str::from_utf8(token.as_bytes()).ok().filter(|token| token.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let token = token.ok_or_else(|| DriverError::new(ErrorClass::InvalidArgument, "this is no token of this driver"))?;
            request = request.with("X-Token", token);
        }
        let forgotten = client.forgotten(FORGOTTEN_MAX);
        if !forgotten.is_empty() {
            request = request.with("X-Forget", forgotten.join(","));
        }
        let head = client.ask(&request, &[201])?.head;
        let offset = head.number("x-offset").unwrap_or(0);
        Ok(Self { client: client.clone(), session: told(&head, "x-session")?, offset, ended: false })
    }

    fn request(&self, method: &'static str, more: &str) -> Request<'static> {
        Request::new(method, format!("/uploads/{}{more}", self.session), "upload")
    }
}

impl BlockingUpload for RemoteUpload {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn write(&mut self, bytes: Bytes) -> Result<(), DriverError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut request = self.request("PATCH", "").carrying(&bytes);
        if !self.client.has(Flaw::AppendsTwice) {
            request = request.with("X-Offset", self.offset);
        }
        self.client.ask(&request, &[204])?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn suspend(&mut self) -> Result<UploadToken, DriverError> {
        let request = self.request("POST", "/token").with("X-Size", self.offset);
        UploadToken::new(told(&self.client.ask(&request, &[201])?.head, "x-token")?)
    }

    fn commit(&mut self, destination: &Key, size: u64) -> Result<ObjectInfo, DriverError> {
        let mut request = self.request("POST", "/commit").with("X-Key", self.client.name(destination)?);
        if !self.client.has(Flaw::AppendsTwice) {
            request = request.with("X-Size", size);
        }
        let info = info(&self.client.ask(&request, &[201])?.head)?;
        self.ended = true;
        Ok(info)
    }

    fn abort(&mut self) -> Result<(), DriverError> {
        // One that the service has forgotten has left nothing.
        self.client.ask(&self.request("DELETE", ""), &[204, 404])?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for RemoteUpload {
    fn drop(&mut self) {
        // Not here: a drop must not wait for a service.
        if !self.ended {
            self.client.forget(std::mem::take(&mut self.session));
        }
    }
}
