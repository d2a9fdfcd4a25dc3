//! What the tests share: instances over one bucket, and looks at what lies in it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_bucket::{BucketDriver, BucketUpload, Options, Segments};
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Driver, DriverError, ErrorClass, Host, Key, KeyBuf, OpenDriver, ReadBody, Settings, Upload, UploadToken,
};

use crate::memory::{self, Content, MemoryBucket};

pub(crate) const CALL: Call = Call::unbounded();
pub(crate) const PART: usize = 1024;
pub(crate) const ROOT: &str = "r/";

pub(crate) type MemoryUpload = BucketUpload<MemoryBucket>;
pub(crate) type Answer<T = ()> = Result<T, DriverError>;

/// One bucket, and two instances that know nothing of each other.
pub(crate) struct Trial {
    pub(crate) name: String,
    content: Arc<Mutex<Content>>,
    pub(crate) drivers: [BucketDriver<MemoryBucket>; 2],
}

pub(crate) fn options() -> Options {
    let small = Options { root: ROOT.into(), part_bytes: PART, part_min_bytes: 600, parts_max: 100, ..Options::default() };
    Options { sending_max_bytes: 4 * PART, attempts: 3, requests_max: 8, idle: Duration::from_secs(5), ..small }
}

/// Three parts, then segments of four.
pub(crate) fn segmented() -> Options {
    let segments = Segments { after_parts: 3, bytes: 4 * PART as u64 };
    Options { parts_max: 12, segments: Some(segments), ..options() }
}

/// Runs a test over a bucket of its own, and shows that nothing is left when it has passed.
pub(crate) fn trial<F: Future<Output = Answer>>(name: &str, options: Options, test: impl FnOnce(Arc<Trial>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let tried = runtime.expect("a runtime can be made").block_on(async {
        let content = memory::content(name, || options);
        let drivers = [open(name).await?, open(name).await?];
        let it = Arc::new(Trial { name: name.to_owned(), content, drivers });
        test(it.clone()).await?;
        it.is_clean().await
    });
    if let Err(error) = tried {
        panic!("{name}: {error} {:?}", error.causes());
    }
}

pub(crate) async fn open(name: &str) -> Answer<BucketDriver<MemoryBucket>> {
    BucketDriver::open(Settings::new(serde_json::json!({ "bucket": name })), Host::detached(), None).await
}

pub(crate) fn key(text: &str) -> KeyBuf {
    KeyBuf::new(text).expect("the tests write only good keys")
}

/// Bytes of which each part differs from each other, and differs with the salt.
pub(crate) fn bytes(size: usize, salt: u8) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8 ^ (at / 251) as u8 ^ salt).collect()
}

impl Trial {
    pub(crate) fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn another(&self) -> Answer<BucketDriver<MemoryBucket>> {
        open(&self.name).await
    }

    pub(crate) async fn begin(&self, hint: Option<&KeyBuf>) -> Answer<MemoryUpload> {
        self.drivers[0].upload_begin(&CALL, hint.map(|key| &**key)).await
    }

    /// What an object holds, read through another instance than most tests write with.
    pub(crate) async fn get(&self, key: &Key) -> Answer<Bytes> {
        let read = self.drivers[1].read(&CALL, key, ByteRange::ALL).await?;
        let ReadBody::Bytes(bytes) = read.body else { panic!("{key} is answered in one piece, being small") };
        Ok(bytes)
    }

    pub(crate) async fn holds(&self, key: &Key, expected: &[u8], what: &str) -> Answer {
        let got = self.get(key).await?;
        let differs = got.iter().zip(expected).position(|(one, other)| one != other);
        assert!(got == expected, "{what}: {key} has {} bytes of {}, the first other one at {differs:?}", got.len(), expected.len());
        Ok(())
    }

    /// Closes every instance; then there are objects of keys, and nothing else.
    pub(crate) async fn is_clean(&self) -> Answer {
        for driver in &self.drivers {
            driver.close(&CALL).await?;
        }
        let content = self.content();
        let private: Vec<_> = content.objects.keys().filter(|name| name.starts_with("r/!")).collect();
        assert!(private.is_empty(), "private objects are left: {private:?}");
        let pending: Vec<_> = content.uploads.values().map(|upload| &upload.name).collect();
        assert!(pending.is_empty(), "multipart uploads are left: {pending:?}");
        Ok(())
    }

    /// Waits until the trash is empty.
    pub(crate) async fn nothing_private_is_left(&self) {
        while self.content().objects.keys().any(|name| name.starts_with("r/!")) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the only multipart upload has so many parts.
    pub(crate) async fn parts_arrive(&self, number: usize) {
        while self.content().uploads.values().all(|upload| upload.parts.len() < number) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until a multipart upload that was dropped is gone: the store hears of it from a task.
    pub(crate) async fn no_upload_is_pending(&self) {
        while !self.content().uploads.is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) async fn write(upload: &mut MemoryUpload, bytes: &[u8], chunk: usize) -> Answer {
    for chunk in bytes.chunks(chunk) {
        upload.write(&CALL, Bytes::copy_from_slice(chunk)).await?;
    }
    Ok(())
}

/// Writes all, again from where it stands as often as a write fails.
pub(crate) async fn insist(upload: &mut MemoryUpload, whole: &[u8]) -> Answer {
    for _ in 0..20 {
        let rest = &whole[upload.offset() as usize..];
        match upload.write(&CALL, Bytes::copy_from_slice(rest)).await {
            Ok(()) => return Ok(()),
            Err(error) if error.class() == ErrorClass::Internal => return Err(error),
            Err(_) => {}
        }
    }
    panic!("20 writes failed")
}

pub(crate) async fn commit(upload: &mut MemoryUpload, key: &Key) -> Answer {
    let size = upload.offset();
    let info = upload.commit(&CALL, key, size).await?;
    assert_eq!(info.size, size, "a commit tells the size");
    Ok(())
}

/// The upload is put down here, and goes on with another instance.
pub(crate) async fn handed_on(upload: MemoryUpload, to: &BucketDriver<MemoryBucket>) -> Answer<MemoryUpload> {
    let mut upload = upload;
    let (offset, token) = (upload.offset(), upload.suspend(&CALL).await?);
    drop(upload);
    let upload = to.upload_resume(&CALL, &copied(&token)).await?;
    assert_eq!(upload.offset(), offset, "an upload goes on where it was put down");
    Ok(upload)
}

/// As it comes back from wherever a host kept it.
pub(crate) fn copied(token: &UploadToken) -> UploadToken {
    UploadToken::new(token.as_bytes()).expect("it was a token")
}

pub(crate) fn class<T>(answer: Answer<T>) -> Option<ErrorClass> {
    answer.err().map(|error| error.class())
}
