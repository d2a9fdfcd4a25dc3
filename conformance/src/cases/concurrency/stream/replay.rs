//! How a driver answers the calls of a stream.

use longshore_loader::api::convenience;
use longshore_loader::api::{ByteRange, Bytes, Condition, Driver, DriverError, Entry, Key, KeyBuf, ListRequest, PrefixBuf, Upload};

use super::model::{Answer, Model};
use super::step::{Content, Ending, KEYS, Step};
use crate::trial::{CALL, Instance};

/// Where a driver and the model disagree.
pub(super) struct Failure {
    /// Which step, counted from 0.
    pub(super) at: usize,
    pub(super) sentence: String,
}

/// Makes the calls below `under`, where nothing is yet; answers the first disagreement, if there is one. Nothing is left below.
pub(super) async fn replay(driver: &Instance, steps: &[Step], under: &str) -> Option<Failure> {
    let mut model = Model::default();
    let place = Place { driver, under };
    let mut failure = None;
    for (at, step) in steps.iter().enumerate() {
        let expected = model.answer(step);
        let (got, message) = match place.make(step).await {
            Ok(answer) => (answer, String::new()),
            Err(error) => (Answer::Error(error.class()), format!(" ({})", error.message())),
        };
        if expected != got {
            let difference = expected.difference(&got);
            failure = Some(Failure { at, sentence: format!("\"{step}\" must answer {expected}, and answers {got}{message}{difference}") });
            break;
        }
    }
    for key in KEYS {
        // Most of them are not there; a driver that cannot delete has failed already.
        let _ = driver.delete(&CALL, &place.key(key)).await;
    }
    failure
}

struct Place<'d> {
    driver: &'d Instance,
    under: &'d str,
}

impl Place<'_> {
    fn key(&self, name: &str) -> KeyBuf {
        KeyBuf::new(format!("{}/{name}", self.under)).expect("streams name legal keys")
    }

    fn prefix(&self, name: &str) -> PrefixBuf {
        let text = if name.is_empty() { self.under.to_owned() } else { format!("{}/{name}", self.under) };
        PrefixBuf::new(text).expect("streams name legal prefixes")
    }

    async fn make(&self, step: &Step) -> Result<Answer, DriverError> {
        let driver = self.driver;
        let done = |()| Answer::Done;
        match *step {
            Step::Put { key, content, if_absent } => {
                let condition = if if_absent { Condition::IfAbsent } else { Condition::Always };
                driver.put(&CALL, &self.key(key), content.bytes(), condition).await.map(|info| Answer::Size(info.size))
            }
            Step::Upload { key, content, chunk, resumed, ending } => self.upload(&self.key(key), content, chunk, resumed, ending).await,
            Step::Get { key } => self.read(&self.key(key), ByteRange::ALL).await,
            Step::Read { key, offset, length } => self.read(&self.key(key), ByteRange { offset, length }).await,
            Step::Stat { key } => driver.stat(&CALL, &self.key(key)).await.map(|info| Answer::Size(info.size)),
            Step::List { prefix, recursive, limit, after } => {
                let after = after.map(|after| format!("{}/{after}", self.under));
                let prefix = self.prefix(prefix);
                let page = driver.list(&CALL, &ListRequest { prefix: &prefix, start_after: after.as_deref(), limit, recursive }).await?;
                let own = |text: String| {
                    text.strip_prefix(self.under).and_then(|text| text.strip_prefix('/')).map_or(text.clone(), str::to_owned)
                };
                Ok(Answer::Page(page.entries.iter().map(Entry::text).map(own).collect(), page.more))
            }
            Step::Delete { key } => driver.delete(&CALL, &self.key(key)).await.map(done),
            Step::DeletePrefix { prefix } => driver.delete_prefix(&CALL, &self.prefix(prefix)).await.map(done),
            Step::Copy { from, to } => driver.copy(&CALL, &self.key(from), &self.key(to)).await.map(|info| Answer::Size(info.size)),
        }
    }

    async fn read(&self, key: &Key, range: ByteRange) -> Result<Answer, DriverError> {
        let read = self.driver.read(&CALL, key, range).await?;
        let size = read.info.size;
        let length = range.within(size)?;
        Ok(Answer::Bytes(size, convenience::collect(read, length).await?))
    }

    async fn upload(&self, key: &Key, content: Content, chunk: usize, resumed: bool, ending: Ending) -> Result<Answer, DriverError> {
        let bytes = content.bytes();
        let half = bytes.len() / 2;
        let mut upload = self.driver.upload_begin(&CALL, None).await?;
        write(&mut upload, &bytes.slice(..half), chunk).await?;
        if resumed {
            let token = upload.suspend(&CALL).await?;
            drop(upload);
            upload = self.driver.upload_resume(&CALL, &token).await?;
        }
        write(&mut upload, &bytes.slice(half..), chunk).await?;
        match ending {
            Ending::Commit => upload.commit(&CALL, key, bytes.len() as u64).await.map(|info| Answer::Size(info.size)),
            Ending::Abort => upload.abort(&CALL).await.map(|()| Answer::Done),
            Ending::Drop => Ok(Answer::Done),
        }
    }
}

async fn write(upload: &mut impl Upload, bytes: &Bytes, chunk: usize) -> Result<(), DriverError> {
    for part in bytes.chunks(chunk) {
        upload.write(&CALL, bytes.slice_ref(part)).await?;
    }
    Ok(())
}
