//! Uploads as blocks of a private blob.
//!
//! A block is uncommitted until "Put Block List" names it, and then the blob has the blocks that were named and no others. Several may write
//! blocks of one blob: an upload's older token is used while its last request is still under way. So a block's id tells its number and its bytes:
//! no block ever replaces another one, the same bytes may be sent again, and what a list names is what was meant.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use longshore_bucket::{Part, Payload};
use longshore_plugin_api::{Bytes, DriverError, ErrorClass, ObjectInfo};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::Azure;
use crate::objects::{self, info};

/// The id of every upload: its blob's name tells it from others.
pub(super) const UPLOAD: &str = "blocks";

pub(super) async fn part(azure: &Azure, name: &str, number: u32, payload: &Payload) -> Result<String, DriverError> {
    let tag = tag(payload);
    let id = block_id(number, &tag);
    let request = azure.blob(Method::PUT, name, &[("comp", "block"), ("blockid", &id)]).body(payload);
    azure.send(&format!("write block {number} of {name}"), azure.encrypted(request)).await?;
    Ok(tag)
}

pub(super) async fn parts(azure: &Azure, name: &str) -> Result<Vec<Part>, DriverError> {
    let request = azure.blob(Method::GET, name, &[("comp", "blocklist"), ("blocklisttype", "all")]);
    let list: BlockList = azure.ask(&format!("list the blocks of {name}"), request).await?;
    let blocks = list.committed.blocks.iter().chain(&list.uncommitted.blocks);
    // By id: a block may be committed and sent again. By number: in the order of the ids.
    let parts: BTreeMap<(u32, String), ()> = blocks.filter_map(|block| Some((parsed(&block.id)?, ()))).collect();
    Ok(parts.into_keys().map(|(number, tag)| Part { number, tag }).collect())
}

pub(super) async fn rewind(azure: &Azure, name: &str, first: u32) -> Result<(), DriverError> {
    let all = parts(azure, name).await?;
    let kept: Vec<Part> = all.iter().filter(|part| part.number <= first).cloned().collect();
    let message = match kept.len().cmp(&(first as usize)) {
        std::cmp::Ordering::Equal if kept.len() == all.len() => return Ok(()),
        std::cmp::Ordering::Equal => return commit(azure, name, &kept).await.map(drop),
        std::cmp::Ordering::Less => {
            return Err(DriverError::not_found(format!("upload {name} any more: the store has let go of blocks of it")));
        }
        std::cmp::Ordering::Greater => "somebody else went on with an older token of the upload, and wrote other bytes at the same place",
    };
    Err(DriverError::new(ErrorClass::Conflict, message))
}

/// A repetition finds its blocks committed, which is as good.
pub(super) async fn complete(azure: &Azure, name: &str, parts: &[Part], size: u64) -> Result<ObjectInfo, DriverError> {
    let info = commit(azure, name, parts).await?;
    Ok(ObjectInfo { size, ..info })
}

async fn commit(azure: &Azure, name: &str, parts: &[Part]) -> Result<ObjectInfo, DriverError> {
    let ids = parts.iter().map(|part| block_id(part.number, &part.tag));
    let request = azure.blob(Method::PUT, name, &[("comp", "blocklist")]).body(&Bytes::from(list_of(ids)).into());
    let answer = azure.send(&format!("commit the blocks of {name}"), azure.kept(request)).await?;
    Ok(info(answer.headers(), 0))
}

/// The body of "Put Block List" for these blocks, in this order.
pub(super) fn list_of(ids: impl Iterator<Item = String>) -> String {
    let blocks = ids.fold(String::new(), |list, id| list + "<Latest>" + &id + "</Latest>");
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{blocks}</BlockList>")
}

/// A blob of which nothing was committed cannot be deleted, but replaced, which discards its blocks.
pub(super) async fn cancel(azure: &Azure, name: &str) -> Result<(), DriverError> {
    objects::put(azure, name, &Payload::default(), None).await?;
    objects::delete(azure, name).await
}

/// The hash of a block's bytes, as far as it is in the id: 128 bits.
pub(super) fn tag(payload: &Payload) -> String {
    let mut hasher = Sha256::new();
    payload.pieces().iter().for_each(|piece| hasher.update(piece));
    hasher.finalize().iter().take(16).fold(String::with_capacity(32), |text, byte| text + &format!("{byte:02x}"))
}

/// A block's id. All ids of a blob have one length, of at most 64 bytes.
pub(super) fn block_id(number: u32, tag: &str) -> String {
    BASE64_STANDARD.encode(format!("{number:06}-{tag}"))
}

fn parsed(id: &str) -> Option<(u32, String)> {
    let text = String::from_utf8(BASE64_STANDARD.decode(id).ok()?).ok()?;
    let (number, tag) = text.split_once('-')?;
    Some((number.parse().ok()?, tag.to_owned()))
}

#[derive(Deserialize)]
struct BlockList {
    #[serde(rename = "CommittedBlocks", default)]
    committed: Blocks,
    #[serde(rename = "UncommittedBlocks", default)]
    uncommitted: Blocks,
}

#[derive(Default, Deserialize)]
struct Blocks {
    #[serde(rename = "Block", default)]
    blocks: Vec<Block>,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "Name")]
    id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_number_and_bytes() {
        let (one, other) = (tag(&Bytes::from("one").into()), tag(&Bytes::from("other").into()));
        assert_ne!(one, other);
        let pieces = vec![Bytes::from("o"), Bytes::from("ne")];
        assert_eq!(one, tag(&pieces.into()), "pieces do not count");
        assert_eq!(parsed(&block_id(7, &one)), Some((7, one.clone())));
        for number in [1, 50_000] {
            assert_eq!(block_id(number, &one).len(), 52, "ids have one length, without padding");
        }
    }

    #[test]
    fn a_list_of_blocks_is_read_as_the_reference_has_it() {
        let xml = r#"<?xml version="1.0" encoding="utf-8"?><BlockList><CommittedBlocks><Block><Name>YQ==</Name><Size>5</Size></Block></CommittedBlocks>
            <UncommittedBlocks/></BlockList>"#;
        let list: BlockList = quick_xml::de::from_str(xml).expect("it is a list");
        assert_eq!((&*list.committed.blocks[0].id, list.uncommitted.blocks.len()), ("YQ==", 0));
        assert_eq!(
            list_of(["YQ==".to_owned()].into_iter()),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><Latest>YQ==</Latest></BlockList>"
        );
    }
}
