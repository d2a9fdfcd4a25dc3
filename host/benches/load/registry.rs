//! What clients do with a registry: push a large blob, push a small image.

use crate::content::{self, Content};
use crate::failure::Failure;
use crate::http::{Body, Connection, Request};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCTETS: (&str, &str) = ("Content-Type", "application/octet-stream");

/// POST, PATCH with everything, PUT with nothing: what docker, skopeo and crane do.
pub(crate) fn push_streamed(connection: &mut Connection, repository: &str, content: &Content, digest: &str) -> Result<u64, Failure> {
    let upload = locate(connection, &Request::new("POST", &uploads(repository)))?;
    let patch = Request::new("PATCH", &upload).header(OCTETS.0, OCTETS.1).body(Body::Made(content));
    let upload = locate(connection, &patch)?;
    finish(connection, &upload, digest, Body::Bytes(b""))?;
    Ok(content.length)
}

pub(crate) fn manifest_path(repository: &str, reference: &str) -> String {
    format!("/v2/{repository}/manifests/{reference}")
}

pub(crate) fn blob_path(repository: &str, digest: &str) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

fn uploads(repository: &str) -> String {
    format!("/v2/{repository}/blobs/uploads/")
}

/// Sends a request that is answered with the place where the upload goes on.
fn locate(connection: &mut Connection, request: &Request<'_>) -> Result<String, Failure> {
    let answer = connection.send(request, 202)?;
    let location = answer.header("location").ok_or_else(|| Failure::NoLocation { request: request.name() })?;
    // Some registries answer with a whole URL; it leads to this same server.
    let path = match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |start| &rest[start..]),
        None => location,
    };
    Ok(path.to_owned())
}

fn finish(connection: &mut Connection, upload: &str, digest: &str, rest: Body<'_>) -> Result<(), Failure> {
    let separator = if upload.contains('?') { '&' } else { '?' };
    let path = format!("{upload}{separator}digest={digest}");
    connection.send(&Request::new("PUT", &path).header(OCTETS.0, OCTETS.1).body(rest), 201)?;
    Ok(())
}

/// Bytes and their digest.
pub(crate) struct Blob {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: String,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        Self { digest: content::digest(&bytes), bytes }
    }

    fn push(&self, connection: &mut Connection, repository: &str) -> Result<u64, Failure> {
        let upload = locate(connection, &Request::new("POST", &uploads(repository)))?;
        finish(connection, &upload, &self.digest, Body::Bytes(&self.bytes))?;
        Ok(self.bytes.len() as u64)
    }
}

/// An image of one layer: as small as they get.
pub(crate) struct Image {
    config: Blob,
    pub(crate) layer: Blob,
    pub(crate) manifest: Blob,
}

impl Image {
    const LAYER_BYTES: usize = 10_000;

    /// The image of this seed; each number makes another one of the same size.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let config =
            format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[]}},"n":"{seed:016x}{number:016x}"}}"#);
        let mut layer = content::random(Self::LAYER_BYTES, seed);
        layer[..8].copy_from_slice(&number.to_le_bytes());
        let (config, layer) = (Blob::new(config.into_bytes()), Blob::new(layer));
        let manifest = Blob::new(manifest(&config, &layer).into_bytes());
        Self { config, layer, manifest }
    }

    /// What must be there before the manifest: POST and PUT with everything, for each.
    pub(crate) fn push_blobs(&self, connection: &mut Connection, repository: &str) -> Result<u64, Failure> {
        Ok(self.config.push(connection, repository)? + self.layer.push(connection, repository)?)
    }

    pub(crate) fn push_manifest(&self, connection: &mut Connection, repository: &str, tag: &str) -> Result<u64, Failure> {
        let path = manifest_path(repository, tag);
        connection.send(&Request::new("PUT", &path).header("Content-Type", MANIFEST).body(Body::Bytes(&self.manifest.bytes)), 201)?;
        Ok(self.manifest.bytes.len() as u64)
    }

    pub(crate) fn push(&self, connection: &mut Connection, repository: &str, tag: &str) -> Result<u64, Failure> {
        Ok(self.push_blobs(connection, repository)? + self.push_manifest(connection, repository, tag)?)
    }
}

fn manifest(config: &Blob, layer: &Blob) -> String {
    let descriptor = |kind: &str, blob: &Blob| {
        let (digest, size) = (&blob.digest, blob.bytes.len());
        format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}}}"#)
    };
    let (config, layer) = (descriptor("config.v1+json", config), descriptor("layer.v1.tar", layer));
    format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{layer}]}}"#)
}
