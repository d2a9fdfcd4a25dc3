//! A bucket in memory that keeps the rules of S3, and breaks where a test tells it to.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::stream;
use longshore_bucket::{Bucket, Facts, Fetched, Mark, Names, Options, Part, Payload, Pending, Query, Span};
use longshore_plugin_api::{Bytes, DriverError, ErrorClass, Host, Method, ObjectInfo, Settings};

use ErrorClass::{AlreadyExists, Broken, Conflict, InvalidArgument, InvalidRange, NotFound, Unsupported};

/// How many names or parts a page has at the most.
const PAGE: usize = 3;

/// The buckets of this process, by name: instances of a driver share them.
static BUCKETS: LazyLock<Mutex<HashMap<String, Arc<Mutex<Content>>>>> = LazyLock::new(Mutex::default);

/// A client of a bucket.
pub(crate) struct MemoryBucket(Arc<Mutex<Content>>);

/// What a bucket holds, and what it will do wrong.
pub(crate) struct Content {
    pub(crate) options: Options,
    pub(crate) objects: BTreeMap<String, Object>,
    pub(crate) uploads: BTreeMap<String, Multipart>,
    faults: Vec<Fault>,
    /// Each request, as `call name`.
    pub(crate) requests: Vec<String>,
    counter: u64,
}

#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    mark: Option<String>,
    info: ObjectInfo,
}

pub(crate) struct Multipart {
    pub(crate) name: String,
    mark: String,
    pub(crate) parts: BTreeMap<u32, (String, Bytes)>,
    begun: i64,
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wrong {
    /// The request is not carried out, and answered so.
    Refused(ErrorClass),
    /// The request is carried out, and its answer lost.
    Lost,
    /// The request is carried out, and never answered.
    Silent,
}

struct Fault {
    call: &'static str,
    wrong: Wrong,
    times: u32,
}

/// The bucket of a name, made if there is none.
pub(crate) fn content(name: &str, options: impl FnOnce() -> Options) -> Arc<Mutex<Content>> {
    let mut buckets = BUCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = || {
        let (objects, uploads, faults, requests) = <(BTreeMap<_, _>, BTreeMap<_, _>, Vec<_>, Vec<_>)>::default();
        Arc::new(Mutex::new(Content { options: options(), objects, uploads, faults, requests, counter: 0 }))
    };
    buckets.entry(name.to_owned()).or_insert_with(fresh).clone()
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}

fn refuse<T>(class: ErrorClass, why: &str) -> Result<T, DriverError> {
    Err(DriverError::new(class, why))
}

impl Content {
    /// From now on, `call` goes wrong so many times.
    pub(crate) fn fail(&mut self, call: &'static str, wrong: Wrong, times: u32) {
        self.faults.push(Fault { call, wrong, times });
    }

    pub(crate) fn heal(&mut self) {
        self.faults.clear();
    }

    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn fault(&mut self, call: &str) -> Option<Wrong> {
        let fault = self.faults.iter_mut().find(|fault| fault.call == call && fault.times > 0)?;
        fault.times -= 1;
        Some(fault.wrong)
    }

    fn store(&mut self, name: &str, bytes: Bytes, mark: Option<String>) -> ObjectInfo {
        let version = Some(format!("v{}", self.next()).into());
        let info = ObjectInfo { size: bytes.len() as u64, modified: now(), version };
        self.objects.insert(name.to_owned(), Object { bytes, mark, info: info.clone() });
        info
    }

    fn object(&self, name: &str) -> Result<&Object, DriverError> {
        self.objects.get(name).map_or_else(|| refuse(NotFound, "NoSuchKey"), Ok)
    }

    fn upload(&mut self, name: &str, upload: &str) -> Result<&mut Multipart, DriverError> {
        let found = self.uploads.get_mut(upload).filter(|upload| upload.name == name);
        found.map_or_else(|| refuse(NotFound, "NoSuchUpload"), Ok)
    }

    fn write_part(&mut self, name: &str, upload: &str, number: u32, bytes: Bytes) -> Result<String, DriverError> {
        if number == 0 || number > self.options.parts_max {
            return refuse(InvalidArgument, "part number out of range");
        }
        let tag = format!("t{}", self.next());
        self.upload(name, upload)?.parts.insert(number, (tag.clone(), bytes));
        Ok(tag)
    }

    fn complete(&mut self, name: &str, upload: &str, parts: &[Part]) -> Result<ObjectInfo, DriverError> {
        let (least, equal) = (self.options.part_min_bytes, self.options.equal_parts.then_some(self.options.part_bytes));
        let of = self.upload(name, upload)?;
        if parts.is_empty() || !parts.is_sorted_by(|one, other| one.number < other.number) {
            return refuse(InvalidArgument, "InvalidPartOrder");
        }
        let mut whole = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let Some((_, bytes)) = of.parts.get(&part.number).filter(|(tag, _)| *tag == part.tag) else {
                return refuse(Conflict, "InvalidPart");
            };
            if bytes.len() < least && at + 1 < parts.len() {
                return refuse(InvalidArgument, "EntityTooSmall");
            }
            if equal.is_some_and(|equal| bytes.len() != equal) && at + 1 < parts.len() {
                return refuse(InvalidArgument, "all parts but the last must be of one size");
            }
            whole.extend_from_slice(bytes);
        }
        let mark = of.mark.clone();
        self.uploads.remove(upload);
        Ok(self.store(name, whole.into(), Some(mark)))
    }

    fn list(&self, query: &Query) -> Names {
        let after = query.token.as_ref().or(query.after.as_ref()).map_or("", String::as_str);
        let range = self.objects.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        let mut names = Names::default();
        let page = PAGE.min(query.limit as usize);
        for (name, object) in range.filter(|(name, _)| name.starts_with(&query.prefix)) {
            if names.objects.len() == page {
                names.token = names.objects.last().map(|(name, _)| name.clone());
                break;
            }
            names.objects.push((name.clone(), Some(object.info.clone())));
        }
        names
    }
}

impl MemoryBucket {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a request, or what a fault makes of it.
    async fn request<T>(
        &self,
        call: &str,
        name: &str,
        work: impl FnOnce(&mut Content) -> Result<T, DriverError>,
    ) -> Result<T, DriverError> {
        let (answer, silent) = {
            let mut content = self.lock();
            content.requests.push(format!("{call} {name}"));
            match content.fault(call) {
                None => (work(&mut content), false),
                Some(Wrong::Refused(class)) => (refuse(class, "as the test wants it"), false),
                Some(Wrong::Lost) => (work(&mut content).and_then(|_| refuse(Broken, "the answer was lost")), false),
                Some(Wrong::Silent) => (work(&mut content), true),
            }
        };
        if silent {
            std::future::pending::<()>().await;
        }
        // As from a network: the answer does not come at once.
        tokio::task::yield_now().await;
        answer
    }
}

impl Bucket for MemoryBucket {
    async fn open(settings: Settings, _: &Host) -> Result<(Self, Options), DriverError> {
        let name = settings.as_json()["bucket"].as_str().unwrap_or_default();
        let content = content(name, Options::default);
        let options = content.lock().unwrap_or_else(PoisonError::into_inner).options.clone();
        Ok((Self(content), options))
    }

    async fn head(&self, name: &str) -> Result<Facts, DriverError> {
        let facts = |object: &Object| Facts { info: object.info.clone(), mark: object.mark.clone() };
        self.request("head", name, |content| content.object(name).map(facts)).await
    }

    async fn get(&self, name: &str, span: &Span) -> Result<Fetched, DriverError> {
        let get = |content: &mut Content| {
            let Object { bytes, info, .. } = content.object(name)?.clone();
            if span.version.is_some() && span.version != info.version {
                return refuse(Broken, "PreconditionFailed");
            }
            let first = span.offset as usize;
            if first >= bytes.len() {
                return refuse(InvalidRange, "InvalidRange");
            }
            let length = span.length.filter(|_| content.fault("length").is_none());
            let end = length.map_or(bytes.len(), |length| bytes.len().min(first + length as usize));
            let middle = first + (end - first) / 3;
            let rest = match content.fault("body") {
                None => Ok(bytes.slice(middle..end)),
                Some(_) => refuse(Broken, "the connection was reset"),
            };
            let chunks = [Ok(bytes.slice(first..middle)), rest].into_iter().filter(|chunk| !matches!(chunk, Ok(bytes) if bytes.is_empty()));
            Ok(Fetched { info, body: Box::pin(stream::iter(chunks.collect::<Vec<_>>())) })
        };
        self.request("get", name, get).await
    }

    async fn put(&self, name: &str, payload: Payload, only_new: Option<&Mark>) -> Result<ObjectInfo, DriverError> {
        let put = |content: &mut Content| {
            if only_new.is_some() && content.objects.contains_key(name) {
                return refuse(AlreadyExists, "PreconditionFailed");
            }
            Ok(content.store(name, payload.joined(), only_new.map(Mark::to_string)))
        };
        self.request("put", name, put).await
    }

    async fn list(&self, query: &Query) -> Result<Names, DriverError> {
        self.request("list", &query.prefix, |content| Ok(content.list(query))).await
    }

    async fn delete(&self, name: &str) -> Result<(), DriverError> {
        let delete = |content: &mut Content| content.objects.remove(name).map_or_else(|| refuse(NotFound, "NoSuchKey"), |_| Ok(()));
        self.request("delete", name, delete).await
    }

    async fn delete_all(&self, names: &[String]) -> Result<(), DriverError> {
        let delete = |content: &mut Content| {
            names.iter().for_each(|name| drop(content.objects.remove(name)));
            Ok(())
        };
        self.request("delete_all", &names.join(" "), delete).await
    }

    async fn copy(&self, from: &str, to: &str, _: u64) -> Result<ObjectInfo, DriverError> {
        let copy = |content: &mut Content| {
            let bytes = content.object(from)?.bytes.clone();
            Ok(content.store(to, bytes, None))
        };
        self.request("copy", to, copy).await
    }

    async fn probe(&self) -> Result<(), DriverError> {
        Ok(())
    }

    async fn presign(&self, _: &str, _: Method, _: u64) -> Result<String, DriverError> {
        refuse(Unsupported, "not here")
    }

    async fn begin(&self, name: &str, mark: &Mark) -> Result<String, DriverError> {
        let begin = |content: &mut Content| {
            let id = format!("upload-{}", content.next());
            let upload = Multipart { name: name.to_owned(), mark: mark.to_string(), parts: BTreeMap::new(), begun: now() };
            content.uploads.insert(id.clone(), upload);
            Ok(id)
        };
        self.request("begin", name, begin).await
    }

    async fn part(&self, name: &str, upload: &str, number: u32, payload: Payload) -> Result<String, DriverError> {
        self.request("part", name, |content| content.write_part(name, upload, number, payload.joined())).await
    }

    async fn part_copy(&self, name: &str, upload: &str, number: u32, from: &str, size: u64) -> Result<String, DriverError> {
        let part_copy = |content: &mut Content| {
            let bytes = content.object(from)?.bytes.clone();
            if size > bytes.len() as u64 {
                return refuse(InvalidRange, "InvalidRange");
            }
            content.write_part(name, upload, number, bytes.slice(..size as usize))
        };
        self.request("part_copy", name, part_copy).await
    }

    async fn parts(&self, name: &str, upload: &str) -> Result<Vec<Part>, DriverError> {
        let parts = |content: &mut Content| {
            let parts = &content.upload(name, upload)?.parts;
            Ok(parts.iter().map(|(number, (tag, _))| Part { number: *number, tag: tag.clone() }).collect())
        };
        self.request("parts", name, parts).await
    }

    async fn complete(&self, name: &str, upload: &str, parts: &[Part], size: u64) -> Result<ObjectInfo, DriverError> {
        let complete = |content: &mut Content| {
            let info = content.complete(name, upload, parts)?;
            assert_eq!(info.size, size, "the size of {name} that the driver tells is that of its parts");
            Ok(info)
        };
        self.request("complete", name, complete).await
    }

    async fn cancel(&self, name: &str, upload: &str) -> Result<(), DriverError> {
        let cancel = |content: &mut Content| {
            content.upload(name, upload)?;
            content.uploads.remove(upload);
            Ok(())
        };
        self.request("cancel", name, cancel).await
    }

    async fn uploads(&self, prefix: &str) -> Result<Vec<Pending>, DriverError> {
        let uploads = |content: &mut Content| {
            let below = content.uploads.iter().filter(|(_, upload)| upload.name.starts_with(prefix));
            let pending = |(id, of): (&String, &Multipart)| Pending { name: of.name.clone(), upload: id.clone(), begun: of.begun };
            Ok(below.map(pending).collect())
        };
        self.request("uploads", prefix, uploads).await
    }
}
