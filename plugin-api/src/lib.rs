//! The Longshore driver contract as Rust: what a storage driver implements, and how it becomes a file that the registry loads.
//!
//! Longshore is a container registry that stores nothing itself. A *driver* does: a shared library with which the registry keeps bytes under
//! keys and gets them back. A driver knows keys and objects; repositories, tags, digests and HTTP are the host's. It never looks into what it
//! stores.
//!
//! # How a driver comes to be
//!
//! 1. Its crate has `crate-type = ["cdylib"]` and depends on this one. It stays ordinary safe Rust, built by whatever compiler.
//! 2. A type implements [`Driver`] and [`OpenDriver`], and another one [`Upload`]. For code that blocks there are
//!    [`BlockingDriver`](blocking::BlockingDriver) and [`BlockingUpload`](blocking::BlockingUpload), in which nothing is `async`.
//! 3. [`export_driver!`] names the type, and says of the driver what a host should know before it runs any of it.
//! 4. The file `liblongshore_driver_<name>.so` is put where the host looks for drivers, and named in `registry.toml`.
//!
//! The macro brings the boundary along: panics, calls that are given up, keys that are none, calls after `close` and capabilities that were not
//! declared are dealt with before the driver's code sees them.
//!
//! `longshore-conformance new NAME` makes such a crate, and `longshore-conformance run FILE` tries whether a file keeps the contract.
//!
//! # A whole driver
//!
//! Objects in memory, every call of the contract, and nothing else. A driver for files or for a service has the same calls.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
//! use std::time::{SystemTime, UNIX_EPOCH};
//!
//! use longshore_plugin_api::blocking::{Blocking, BlockingBody, BlockingDriver, BlockingRead, BlockingUpload};
//! use longshore_plugin_api::{
//!     ByteRange, Bytes, Condition, DriverError, Entry, ErrorClass, Host, Key, KeyBuf, ListPage, ListRequest, ObjectInfo, PrefixBuf, Settings,
//!     UploadToken,
//! };
//!
//! longshore_plugin_api::export_driver! {
//!     driver: Blocking<Shelf>,
//!     name: "shelf",
//!     vendor: "Example",
//!     documentation: "https://example.org/shelf",
//!     capabilities: [NestedObjects], // `a` and `a/b` may both be objects
//!     consistency: Strong,           // whatever was written is seen at once
//!     durability: Memory,            // and is gone with the process
//!     settings: r#"{"type": "object", "properties": {}}"#,
//! }
//!
//! struct Shelf(Arc<Mutex<Store>>);
//!
//! #[derive(Default)]
//! struct Store {
//!     objects: BTreeMap<String, (ObjectInfo, Bytes)>,
//!     suspended: BTreeMap<u64, Vec<u8>>,
//!     tokens: u64,
//! }
//!
//! // A panic cannot leave the store half-changed, so a poisoned lock is good to use.
//! fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
//!     store.lock().unwrap_or_else(PoisonError::into_inner)
//! }
//!
//! impl Store {
//!     fn get(&self, key: &Key) -> Result<&(ObjectInfo, Bytes), DriverError> {
//!         self.objects.get(key.as_str()).ok_or_else(|| DriverError::not_found(key))
//!     }
//!
//!     fn put(&mut self, key: &Key, bytes: Bytes) -> ObjectInfo {
//!         let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
//!         let info = ObjectInfo::new(bytes.len() as u64, now.as_millis() as i64);
//!         self.objects.insert(key.to_string(), (info.clone(), bytes));
//!         info
//!     }
//! }
//!
//! impl BlockingDriver for Shelf {
//!     type Upload = Growing;
//!
//!     fn open(_: Settings, _: &Host) -> Result<Self, DriverError> {
//!         Ok(Self(Arc::default()))
//!     }
//!
//!     fn stat(&self, key: &Key) -> Result<ObjectInfo, DriverError> {
//!         Ok(lock(&self.0).get(key)?.0.clone())
//!     }
//!
//!     fn read(&self, key: &Key, range: ByteRange) -> Result<BlockingRead, DriverError> {
//!         let (info, bytes) = lock(&self.0).get(key)?.clone();
//!         let (from, length) = (range.offset as usize, range.within(info.size)? as usize);
//!         Ok(BlockingRead { info, body: BlockingBody::Bytes(bytes.slice(from..from + length)) })
//!     }
//!
//!     // The condition is `Always` unless the capability `put_if_absent` was declared.
//!     fn put(&self, key: &Key, bytes: Bytes, _: Condition) -> Result<ObjectInfo, DriverError> {
//!         Ok(lock(&self.0).put(key, Bytes::copy_from_slice(&bytes)))
//!     }
//!
//!     // Looks at every name for each page; a driver for more than an example looks only at those on the page.
//!     fn list(&self, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
//!         let mut names = BTreeMap::new();
//!         for (key, (info, _)) in &lock(&self.0).objects {
//!             let Some(below) = request.prefix.strip(key) else { continue };
//!             let entry = match below.split_once('/') {
//!                 Some((_, deeper)) if !request.recursive => Entry::Prefix(PrefixBuf::new(&key[..key.len() - deeper.len() - 1])?),
//!                 _ => Entry::Object(KeyBuf::new(key)?, Some(info.clone())),
//!             };
//!             names.insert(entry.text(), entry);
//!         }
//!         if names.is_empty() && !request.prefix.is_root() {
//!             return Err(DriverError::not_found(request.prefix));
//!         }
//!         let mut entries = names.into_iter().filter(|(text, _)| request.start_after.is_none_or(|after| text.as_str() > after));
//!         let page = entries.by_ref().take(request.limit as usize).map(|(_, entry)| entry).collect();
//!         Ok(ListPage { entries: page, more: entries.next().is_some() })
//!     }
//!
//!     fn delete(&self, key: &Key) -> Result<(), DriverError> {
//!         lock(&self.0).objects.remove(key.as_str()).map(drop).ok_or_else(|| DriverError::not_found(key))
//!     }
//!
//!     fn upload_begin(&self, _: Option<&Key>) -> Result<Growing, DriverError> {
//!         Ok(Growing { store: self.0.clone(), bytes: Vec::new(), token: None })
//!     }
//!
//!     fn upload_resume(&self, token: &UploadToken) -> Result<Growing, DriverError> {
//!         let foreign = |_| DriverError::new(ErrorClass::InvalidArgument, "this is no token of ours");
//!         let number = u64::from_le_bytes(token.as_bytes().try_into().map_err(foreign)?);
//!         let bytes = lock(&self.0).suspended.get(&number).cloned().ok_or_else(|| DriverError::not_found("such upload"))?;
//!         Ok(Growing { store: self.0.clone(), bytes, token: Some(number) })
//!     }
//!
//!     fn health(&self) -> Result<(), DriverError> {
//!         Ok(())
//!     }
//! }
//!
//! /// An upload, which nobody sees before `commit`.
//! struct Growing {
//!     store: Arc<Mutex<Store>>,
//!     bytes: Vec<u8>,
//!     token: Option<u64>,
//! }
//!
//! impl Growing {
//!     fn end_token(&mut self, store: &mut Store) {
//!         self.token.take().map(|number| store.suspended.remove(&number));
//!     }
//! }
//!
//! impl BlockingUpload for Growing {
//!     fn offset(&self) -> u64 {
//!         self.bytes.len() as u64
//!     }
//!
//!     fn write(&mut self, bytes: Bytes) -> Result<(), DriverError> {
//!         self.bytes.extend_from_slice(&bytes);
//!         Ok(())
//!     }
//!
//!     // What was accepted can be continued by whoever has the token, and an earlier token ends.
//!     fn suspend(&mut self) -> Result<UploadToken, DriverError> {
//!         let store = self.store.clone();
//!         let mut store = lock(&store);
//!         self.end_token(&mut store);
//!         store.tokens += 1;
//!         let number = store.tokens;
//!         store.suspended.insert(number, self.bytes.clone());
//!         self.token = Some(number);
//!         UploadToken::new(number.to_le_bytes())
//!     }
//!
//!     fn commit(&mut self, key: &Key, _size: u64) -> Result<ObjectInfo, DriverError> {
//!         let store = self.store.clone();
//!         let mut store = lock(&store);
//!         self.end_token(&mut store);
//!         Ok(store.put(key, std::mem::take(&mut self.bytes).into()))
//!     }
//!
//!     fn abort(&mut self) -> Result<(), DriverError> {
//!         let store = self.store.clone();
//!         self.end_token(&mut lock(&store));
//!         Ok(())
//!     }
//! }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let shelf = Shelf::open(Settings::new(Default::default()), &Host::detached())?;
//! #     let mut upload = shelf.upload_begin(None)?;
//! #     upload.write("one ".into())?;
//! #     let mut upload = shelf.upload_resume(&upload.suspend()?)?;
//! #     upload.write("two".into())?;
//! #     let info = upload.commit(Key::parse("a/b/c")?, upload.offset())?;
//! #     assert_eq!(shelf.stat(Key::parse("a/b/c")?)?, info);
//! #     let page = shelf.list(&ListRequest::children(longshore_plugin_api::Prefix::parse("a")?, 10))?;
//! #     assert_eq!(page, ListPage { entries: vec![Entry::Prefix(PrefixBuf::new("a/b")?)], more: false });
//! #     let page = shelf.list(&ListRequest::objects(longshore_plugin_api::Prefix::root(), 10))?;
//! #     assert_eq!(page.entries, [Entry::Object(KeyBuf::new("a/b/c")?, Some(info))]);
//! #     shelf.delete(Key::parse("a/b/c")?)?;
//! #     Ok(())
//! # }
//! ```
//!
//! # Where to go next
//!
//! | to learn about | read |
//! |---|---|
//! | the calls and their rules | [`Driver`], [`Upload`] |
//! | names of objects | [`Key`], [`Prefix`] |
//! | answers | [`ObjectInfo`], [`Read`], [`ListPage`] |
//! | errors | [`DriverError`], [`ErrorClass`] |
//! | settings and their schema | [`Settings`], [`schema`] |
//! | what the host offers | [`Host`]: log, counters, threads for work that blocks |
//! | what accompanies a call | [`Call`]: deadline and trace id |
//! | what a file says of itself | [`export_driver!`], [`metadata`], [`Capability`] |
//! | helpers, also for tests | [`convenience`] |
//! | the binary boundary | [`abi`] (nothing there is needed to write a driver) |
//! | writing a driver from begin to end | the [guide](https://github.com/longshore/longshore/blob/main/docs/driver-guide.md) |
//! | every promise, in order | the [driver contract](https://github.com/longshore/longshore/blob/main/docs/driver-contract.md) |
//! | trying whether they are kept | [the checks](https://github.com/longshore/longshore/blob/main/docs/conformance.md) |

pub mod abi;
pub mod blocking;
mod call;
mod capability;
pub mod convenience;
mod driver;
mod error;
mod host;
mod key;
mod list;
pub mod metadata;
mod object;
mod range;
mod read;
pub mod schema;
mod settings;
mod upload;

pub use bytes::Bytes;

pub use call::Call;
pub use capability::{Capabilities, Capability};
pub use driver::{Condition, Driver, Method, OpenDriver};
pub use error::{Cause, DriverError, ErrorClass, MESSAGE_MAX_BYTES};
pub use host::{Host, HostServices, Level};
pub use key::{COMPONENT_MAX_BYTES, KEY_MAX_BYTES, Key, KeyBuf, KeyError, Prefix, PrefixBuf};
pub use list::{Entry, LIMIT_MAX, ListPage, ListRequest};
pub use object::ObjectInfo;
pub use range::ByteRange;
pub use read::{ByteStream, FileRegion, Read, ReadBody};
pub use settings::Settings;
pub use upload::{TOKEN_MAX_BYTES, Upload, UploadToken};
