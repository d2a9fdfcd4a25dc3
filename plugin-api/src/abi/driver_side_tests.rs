//! What the driver's side refuses before a driver sees it, called through the tables as a host of another making might call it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use abi_stable::std_types::ROption::{RNone, RSome};

use super::DrvBytes;
use super::driver_side::lend;
use super::extension::Extension;
use super::future::{AbiFuture, finish};
use super::tables::*;
use super::values::*;
use crate::{
    ByteRange, Bytes, Call, Capabilities, Capability, Condition, Driver, DriverError, ErrorClass, Key, ListPage, ListRequest, Method,
    ObjectInfo, Prefix, Read, ReadBody, Upload, UploadToken,
};

/// A driver that only counts how often it is reached.
struct Spy(Arc<AtomicU32>);

/// An upload of it, of 3 bytes.
struct SpyUpload(Arc<AtomicU32>);

const INFO: ObjectInfo = ObjectInfo::new(3, 0);

impl Spy {
    fn reached<T>(&self, answer: T) -> Result<T, DriverError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }
}

impl Driver for Spy {
    type Upload = SpyUpload;
    async fn stat(&self, _: &Call, _: &Key) -> Result<ObjectInfo, DriverError> {
        self.reached(INFO)
    }
    async fn read(&self, _: &Call, _: &Key, _: ByteRange) -> Result<Read, DriverError> {
        self.reached(Read { info: INFO, body: ReadBody::Bytes(Bytes::from_static(b"abc")) })
    }
    async fn put(&self, _: &Call, _: &Key, _: Bytes, _: Condition) -> Result<ObjectInfo, DriverError> {
        self.reached(INFO)
    }
    async fn list(&self, _: &Call, _: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        self.reached(ListPage::default())
    }
    async fn delete(&self, _: &Call, _: &Key) -> Result<(), DriverError> {
        self.reached(())
    }
    async fn upload_begin(&self, _: &Call, _: Option<&Key>) -> Result<SpyUpload, DriverError> {
        self.reached(SpyUpload(self.0.clone()))
    }
    async fn upload_resume(&self, _: &Call, _: &UploadToken) -> Result<SpyUpload, DriverError> {
        self.reached(SpyUpload(self.0.clone()))
    }
    async fn health(&self, _: &Call) -> Result<(), DriverError> {
        self.reached(())
    }
    async fn delete_prefix(&self, _: &Call, _: &Prefix) -> Result<(), DriverError> {
        self.reached(())
    }
    async fn copy(&self, _: &Call, _: &Key, _: &Key) -> Result<ObjectInfo, DriverError> {
        self.reached(INFO)
    }
    async fn presign(&self, _: &Call, _: &Key, _: Method, _: u64) -> Result<String, DriverError> {
        self.reached(String::new())
    }
    async fn upload_list(&self, _: &Call, _: u64) -> Result<Vec<UploadToken>, DriverError> {
        self.reached(Vec::new())
    }
}

impl Upload for SpyUpload {
    fn offset(&self) -> u64 {
        3
    }
    async fn write(&mut self, _: &Call, _: Bytes) -> Result<(), DriverError> {
        Spy(self.0.clone()).reached(())
    }
    async fn suspend(&mut self, _: &Call) -> Result<UploadToken, DriverError> {
        Spy(self.0.clone()).reached(UploadToken::new([])?)
    }
    async fn commit(&mut self, _: &Call, _: &Key, _: u64) -> Result<ObjectInfo, DriverError> {
        Spy(self.0.clone()).reached(INFO)
    }
    async fn abort(&mut self, _: &Call) -> Result<(), DriverError> {
        Spy(self.0.clone()).reached(())
    }
}

/// A spy behind the tables, and its counter.
fn lent(capabilities: &[Capability]) -> (DriverObject, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    (lend(Spy(count.clone()), Capabilities::of(capabilities)), count)
}

fn class<T>(future: AbiFuture<'_, T>) -> Option<ErrorClass> {
    finish(future).err().map(|error| error.class())
}

fn call() -> AbiCall {
    (&Call::unbounded()).into()
}

fn page(limit: u32) -> AbiListOptions {
    AbiListOptions { limit, recursive: 0, reserved: [0; 2] }
}

fn table<M: abi_stable::prefix_type::PrefixRefTrait + abi_stable::StableAbi>(driver: &DriverObject, name: &str) -> M {
    driver.extension(name.into()).into_option().and_then(|table: Extension| table.cast().ok()).expect("the capability was declared")
}

/// Semantics: "a driver called through the raw ABI with a bad key must still answer `invalid_key` and touch nothing".
#[test]
fn bad_keys_through_the_tables_do_not_reach_the_driver() {
    let (driver, count) = lent(&Capability::ALL);
    let (delete_prefix, copy): (DeletePrefixTable, CopyTable) = (table(&driver, "delete_prefix/1"), table(&driver, "copy/1"));
    let presign: PresignTable = table(&driver, "presign/1");
    let mut upload = finish(driver.upload_begin(call(), RNone)).ok().expect("the spy begins any upload").upload;
    count.store(0, Ordering::Relaxed);
    let bad = Some(ErrorClass::InvalidKey);
    for key in ["", "/", "/a", "a/", "a//b", "..", "../etc/passwd", "a/../b", "a\0b", "a b", "é", &"k".repeat(1025)] {
        assert_eq!(class(driver.stat(call(), key.into())), bad, "stat {key:?}");
        assert_eq!(class(driver.read(call(), key.into(), 0, RNone)), bad, "read {key:?}");
        assert_eq!(class(driver.put(call(), key.into(), DrvBytes::empty(), 0)), bad, "put {key:?}");
        assert_eq!(class(driver.delete(call(), key.into())), bad, "delete {key:?}");
        assert_eq!(class(driver.upload_begin(call(), RSome(key.into()))), bad, "upload_begin {key:?}");
        assert_eq!(class(upload.commit(call(), key.into(), 3)), bad, "commit {key:?}");
        // SAFETY: the tables came from `driver`, and so does the instance.
        assert_eq!(class(unsafe { copy.copy()(driver.instance(), call(), key.into(), "b".into()) }), bad, "copy from {key:?}");
        // SAFETY: as above.
        assert_eq!(class(unsafe { copy.copy()(driver.instance(), call(), "a".into(), key.into()) }), bad, "copy to {key:?}");
        // SAFETY: as above.
        assert_eq!(class(unsafe { presign.presign()(driver.instance(), call(), key.into(), 0, 1) }), bad, "presign {key:?}");
        if !key.is_empty() {
            assert_eq!(class(driver.list(call(), key.into(), RNone, page(1))), bad, "list {key:?}");
            // SAFETY: as above.
            let refused = class(unsafe { delete_prefix.delete_prefix()(driver.instance(), call(), key.into()) });
            assert_eq!(refused, bad, "delete_prefix {key:?}");
        }
    }
    // SAFETY: as above.
    let root = class(unsafe { delete_prefix.delete_prefix()(driver.instance(), call(), "".into()) });
    assert_eq!(root, Some(ErrorClass::InvalidArgument), "delete_prefix is refused for the root");
    assert_eq!(count.load(Ordering::Relaxed), 0, "a refused call touches nothing");
    assert_eq!(class(upload.commit(call(), "a".into(), 3)), None, "the refused commits left the upload as it was");
}

/// Driver contract, section 3: "an undeclared one must answer `unsupported` without side effect"; section 4: limit 1–10,000.
#[test]
fn what_was_not_declared_or_is_not_known_does_not_reach_the_driver() {
    let (driver, count) = lent(&[]);
    let unsupported = Some(ErrorClass::Unsupported);
    assert_eq!(class(driver.put(call(), "a".into(), DrvBytes::empty(), 1)), unsupported, "put_if_absent was not declared");
    assert_eq!(class(driver.put(call(), "a".into(), DrvBytes::empty(), 9)), unsupported, "a condition of a later minor");
    for name in ["delete_prefix/1", "copy/1", "presign/1", "upload_list/1", "echo/1", ""] {
        assert!(driver.extension(name.into()).is_none(), "{name:?} was not declared");
    }
    for limit in [0, 10_001, u32::MAX] {
        assert_eq!(class(driver.list(call(), "".into(), RNone, page(limit))), Some(ErrorClass::InvalidArgument), "limit {limit}");
    }
    assert_eq!(class(driver.upload_resume(call(), [0; 4097][..].into())), Some(ErrorClass::InvalidArgument), "a token has at most 4 KiB");
    assert_eq!(count.load(Ordering::Relaxed), 0, "a refused call touches nothing");
}

/// Driver contract, section 5: "anything after `abort`: `invalid_state`", and `corrupt` for another size.
#[test]
fn calls_that_do_not_fit_the_upload_do_not_reach_the_driver() {
    let (driver, count) = lent(&[]);
    for end in ["commit", "abort"] {
        let mut upload = finish(driver.upload_begin(call(), RNone)).ok().expect("the spy begins any upload").upload;
        assert_eq!(class(upload.commit(call(), "a".into(), 4)), Some(ErrorClass::Corrupt), "the upload has 3 bytes");
        match end {
            "commit" => assert_eq!(class(upload.commit(call(), "a".into(), 3)), None),
            _ => assert_eq!(class(upload.abort(call())), None),
        }
        count.store(0, Ordering::Relaxed);
        let invalid = Some(ErrorClass::InvalidState);
        assert_eq!(class(upload.write(call(), DrvBytes::empty())), invalid, "write after {end}");
        assert_eq!(class(upload.suspend(call())), invalid, "suspend after {end}");
        assert_eq!(class(upload.commit(call(), "a".into(), 3)), invalid, "commit after {end}");
        assert_eq!(class(upload.abort(call())), invalid, "abort after {end}");
        assert_eq!(count.load(Ordering::Relaxed), 0, "a refused call touches nothing");
    }
}
