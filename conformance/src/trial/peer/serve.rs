//! The peer's side: opens the driver and answers.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdStream;
use std::process::ExitCode;
use std::sync::Arc;

use longshore_loader::api::{
    Condition, Driver, DriverError, Entry, ErrorClass, Key, ListRequest, Prefix, Upload, UploadToken, convenience,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::Mutex;

use super::question::sha256;
use super::{Answer, Failure, Question, Task};
use crate::trial::{CALL, Instance, InstanceUpload, Trial};
use crate::verdict::Stop;

/// How much of a text is answered, in bytes.
const TEXT_MAX_BYTES: usize = 256;

/// Runs this process as a peer, until it is asked to end or its asker is gone.
pub(crate) fn serve(task: &str) -> ExitCode {
    let Ok(task) = serde_json::from_str::<Task>(task) else { return ExitCode::from(2) };
    // Two threads at most that can make the driver's system calls, so that the k-th of them is the same one each time.
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(4).enable_all().build();
    let Ok(runtime) = runtime else { return ExitCode::from(2) };
    runtime.block_on(async {
        match attend(task).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        }
    })
}

async fn attend(task: Task) -> std::io::Result<()> {
    crate::hidden::die_with_the_parent();
    // A debugger that is no ancestor may stop this process: strace is a sibling.
    let _ = rustix::process::set_ptracer(rustix::process::PTracer::Any);
    let socket = StdStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    let (reader, writer) = UnixStream::from_std(socket)?.into_split();
    let writer = Arc::new(Mutex::new(writer));
    let opened = open(task).await;
    let answer = opened.as_ref().map(|_| Answer::default()).map_err(Clone::clone);
    tell(&writer, 0, &answer).await?;
    let Ok(instance) = opened else { return Ok(()) };
    let peer = Arc::new(Served { instance, uploads: Mutex::default() });
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        let (number, question): (u64, Question) = serde_json::from_str(&line)?;
        if matches!(question, Question::End) {
            let closed = peer.instance.close(&CALL).await;
            tell(&writer, number, &closed.map(|()| Answer::default()).map_err(Failure::from)).await?;
            return Ok(());
        }
        let (peer, writer) = (peer.clone(), writer.clone());
        tokio::spawn(async move {
            let answer = peer.answer(question).await.map_err(Failure::from);
            tell(&writer, number, &answer).await
        });
    }
    Ok(())
}

async fn open(task: Task) -> Result<Instance, Failure> {
    let failure = |stop: Stop| Failure::from(DriverError::new(ErrorClass::Internal, stop.verdict().sentence()));
    let trial = Trial::new(task.setting).map_err(failure)?;
    trial.try_open(&task.settings).await.map_err(failure)?.map_err(Failure::from)
}

async fn tell(writer: &Mutex<OwnedWriteHalf>, number: u64, answer: &Result<Answer, Failure>) -> std::io::Result<()> {
    let mut line = serde_json::to_string(&(number, answer))?;
    line.push('\n');
    writer.lock().await.write_all(line.as_bytes()).await
}

/// Every key of the store. An error of the driver crosses as it is, because cases ask for its class.
async fn all_keys(driver: &Instance) -> Result<Vec<String>, DriverError> {
    let mut keys: Vec<String> = Vec::new();
    loop {
        let page = driver.list(&CALL, &ListRequest::objects(Prefix::parse("")?, 1000).after(keys.last().map(String::as_str))).await?;
        let newest = page.entries.last().map(Entry::text);
        // Else a driver that ignores `start_after` would be walked for ever.
        if newest.is_some() && newest <= keys.last().cloned() {
            return Err(DriverError::new(ErrorClass::Internal, format!("a page after {:?} ends with {newest:?}", keys.last())));
        }
        keys.extend(page.entries.iter().map(Entry::text));
        if !page.more || page.entries.is_empty() {
            return Ok(keys);
        }
    }
}

struct Served {
    instance: Instance,
    uploads: Mutex<HashMap<u64, Arc<Mutex<InstanceUpload>>>>,
}

impl Served {
    async fn answer(&self, question: Question) -> Result<Answer, DriverError> {
        let driver = &self.instance;
        let size = |size| Answer { size, ..Answer::default() };
        let nothing = |()| Answer::default();
        match question {
            Question::Put { key, content, if_absent } => {
                let condition = if if_absent { Condition::IfAbsent } else { Condition::Always };
                driver.put(&CALL, Key::parse(&key)?, content.bytes(), condition).await.map(|info| size(info.size))
            }
            Question::Get { key } => {
                let bytes = convenience::get(driver, &CALL, Key::parse(&key)?, u64::MAX).await?;
                let text = Some(&bytes).filter(|bytes| bytes.len() <= TEXT_MAX_BYTES).and_then(|bytes| std::str::from_utf8(bytes).ok());
                Ok(Answer { text: text.map(str::to_owned), sha256: sha256(&bytes), ..size(bytes.len() as u64) })
            }
            Question::Stat { key } => driver.stat(&CALL, Key::parse(&key)?).await.map(|info| size(info.size)),
            Question::Delete { key } => driver.delete(&CALL, Key::parse(&key)?).await.map(nothing),
            Question::List => {
                let keys = all_keys(driver).await?;
                Ok(Answer { keys, ..Answer::default() })
            }
            Question::DeletePrefix { prefix } => driver.delete_prefix(&CALL, Prefix::parse(&prefix)?).await.map(nothing),
            Question::Copy { from, to } => driver.copy(&CALL, Key::parse(&from)?, Key::parse(&to)?).await.map(|info| size(info.size)),
            Question::UploadList => driver.upload_list(&CALL, 0).await.map(|tokens| Answer { tokens: tokens.len(), ..Answer::default() }),
            Question::Health => driver.health(&CALL).await.map(nothing),
            Question::Close => driver.close(&CALL).await.map(nothing),
            Question::End => Ok(Answer::default()),
            upload => self.answer_upload(upload).await,
        }
    }

    async fn answer_upload(&self, question: Question) -> Result<Answer, DriverError> {
        let driver = &self.instance;
        let size = |size| Answer { size, ..Answer::default() };
        match question {
            Question::Begin { upload, destination } => {
                let destination = destination.as_deref().map(Key::parse).transpose()?;
                let begun = driver.upload_begin(&CALL, destination).await?;
                Ok(self.keep(upload, begun).await)
            }
            Question::Resume { upload, token } => {
                let resumed = driver.upload_resume(&CALL, &UploadToken::new(token)?).await?;
                Ok(self.keep(upload, resumed).await)
            }
            Question::Write { upload, content } => {
                let upload = self.upload(upload).await?;
                let mut upload = upload.lock().await;
                upload.write(&CALL, content.bytes()).await?;
                Ok(size(upload.offset()))
            }
            Question::Suspend { upload } => {
                let upload = self.upload(upload).await?;
                let mut upload = upload.lock().await;
                let token = upload.suspend(&CALL).await?.as_bytes().to_vec();
                Ok(Answer { token, ..size(upload.offset()) })
            }
            Question::Commit { upload, key, size: expected } => {
                let upload = self.upload(upload).await?;
                let info = upload.lock().await.commit(&CALL, Key::parse(&key)?, expected).await?;
                Ok(size(info.size))
            }
            Question::Abort { upload } => {
                let upload = self.upload(upload).await?;
                upload.lock().await.abort(&CALL).await?;
                Ok(Answer::default())
            }
            Question::Drop { upload } => {
                self.uploads.lock().await.remove(&upload);
                Ok(Answer::default())
            }
            _ => Ok(Answer::default()),
        }
    }

    async fn keep(&self, number: u64, upload: InstanceUpload) -> Answer {
        let size = upload.offset();
        self.uploads.lock().await.insert(number, Arc::new(Mutex::new(upload)));
        Answer { size, ..Answer::default() }
    }

    async fn upload(&self, number: u64) -> Result<Arc<Mutex<InstanceUpload>>, DriverError> {
        let unknown = || DriverError::new(ErrorClass::InvalidState, format!("the peer has no upload {number}"));
        self.uploads.lock().await.get(&number).cloned().ok_or_else(unknown)
    }
}
