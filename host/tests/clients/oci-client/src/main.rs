//! Images through the Rust crate `oci-client`, byte for byte: push, pull, mount, list, referrers.
//!
//! `longshore-client-oci-client HOST:PORT LAYOUT...`, each an OCI layout with one manifest, as images.sh makes them.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::{IMAGE_LAYER_GZIP_MEDIA_TYPE, OciDescriptor};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

/// A layer that is pushed in three chunks: the crate sends 4 MiB at a time.
const LAYER_BYTES: usize = 9 << 20;
const ANYBODY: RegistryAuth = RegistryAuth::Anonymous;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    // Never used, but the HTTP client does not start without one.
    rustls::crypto::ring::default_provider().install_default().map_err(|_| "a provider of TLS is there already")?;
    let mut arguments = std::env::args().skip(1);
    let registry = arguments.next().ok_or("usage: longshore-client-oci-client HOST:PORT LAYOUT...")?;
    for monolithic in [false, true] {
        let config = ClientConfig { protocol: ClientProtocol::Http, use_monolithic_push: monolithic, ..ClientConfig::default() };
        made_here(&Client::new(config), &registry, if monolithic { "one-request" } else { "chunks" }).await?;
    }
    let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() });
    for layout in arguments {
        copied(&client, &registry, Path::new(&layout)).await?;
    }
    Ok(())
}

/// An image that the crate itself puts together, pushed, pulled, mounted and listed.
async fn made_here(client: &Client, registry: &str, name: &str) -> Outcome {
    let image: Reference = format!("{registry}/oci-client/{name}:v1").parse()?;
    let bytes: Vec<u8> = (0..LAYER_BYTES).map(|at| (at * 31 % 251) as u8).collect();
    let layers = [ImageLayer::oci_v1_gzip(bytes.clone(), None), ImageLayer::oci_v1_gzip(name.as_bytes().to_vec(), None)];
    let config =
        Config::oci_v1(b"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}".to_vec(), None);
    client.push(&image, &layers, config.clone(), &ANYBODY, None).await?;
    let digest = client.fetch_manifest_digest(&image, &ANYBODY).await?;
    let pulled = client.pull(&image, &ANYBODY, vec![IMAGE_LAYER_GZIP_MEDIA_TYPE]).await?;
    same(name, "digest after the pull", &Some(digest.clone()), &pulled.digest)?;
    same(name, "config after the pull", &config.data, &pulled.config.data)?;
    // It fetches them at the same time and answers them as they come.
    let contents = |layers: &[ImageLayer]| layers.iter().map(|layer| layer.data.clone()).collect::<BTreeSet<_>>();
    same(name, "layers after the pull", &contents(&layers), &contents(&pulled.layers))?;
    let other: Reference = format!("{registry}/oci-client/mounted:{name}").parse()?;
    client.mount_blob(&other, &image, &layers[0].sha256_digest()).await?;
    same(name, "the mounted layer is there", &true, &client.blob_exists(&other, &layers[0].sha256_digest()).await?)?;
    same(name, "tags", &vec!["v1".to_owned()], &client.list_tags(&image, &ANYBODY, None, None).await?.tags)?;
    println!("ok oci-client {name} {digest}");
    Ok(())
}

/// An image of a layout, whose manifest must come back as it went.
async fn copied(client: &Client, registry: &str, layout: &Path) -> Outcome {
    let name = layout.file_name().and_then(|name| name.to_str()).ok_or("a layout has a name")?;
    let image: Reference = format!("{registry}/oci-client/{name}:latest").parse()?;
    client.store_auth_if_needed(image.resolve_registry(), &ANYBODY).await;
    let blob = |digest: &str| fs::read(layout.join("blobs").join(digest.replace(':', "/")));
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("the layout lacks a digest or a media type");
    let (digest, media_type) = (text(&index["manifests"][0]["digest"])?, text(&index["manifests"][0]["mediaType"])?);
    let bytes = blob(&digest)?;
    let manifest: Value = serde_json::from_slice(&bytes)?;
    let parts = manifest["layers"].as_array().into_iter().flatten().chain(Some(&manifest["config"]));
    let parts: Vec<OciDescriptor> = parts.map(|part| serde_json::from_value(part.clone())).collect::<Result<_, _>>()?;
    for part in &parts {
        client.push_blob(&image, blob(&part.digest)?, &part.digest).await?;
    }
    client.push_manifest_raw(&image, bytes.clone(), media_type.parse()?).await?;
    let (pulled, announced) = client.pull_manifest_raw(&image, &ANYBODY, &[&media_type]).await?;
    same(name, "digest after the pull", &digest, &announced)?;
    same(name, "manifest after the pull", &bytes, &pulled.to_vec())?;
    for part in &parts {
        let mut pulled = Vec::new();
        client.pull_blob(&image, part, &mut pulled).await?;
        same(name, &part.digest, &blob(&part.digest)?, &pulled)?;
    }
    if let Some(subject) = manifest["subject"]["digest"].as_str() {
        let referrers = client.pull_referrers(&image.clone_with_digest(subject.to_owned()), None).await?;
        let found: Vec<&str> = referrers.manifests.iter().map(|entry| entry.digest.as_str()).collect();
        same(name, "referrers of its subject", &vec![digest.as_str()], &found)?;
    }
    println!("ok oci-client {name} {digest}");
    Ok(())
}

fn same<T: PartialEq>(image: &str, what: &str, pushed: &T, pulled: &T) -> Outcome {
    if pushed == pulled { Ok(()) } else { Err(format!("oci-client {image}: {what}: not what was pushed").into()) }
}
