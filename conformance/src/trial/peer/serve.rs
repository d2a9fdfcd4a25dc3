//! The peer's side: opens the driver and answers.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;

use longshore_loader::api::{
    ByteRange, Condition, Driver, DriverError, Entry, ErrorClass, Key, ListRequest, Prefix, Upload, UploadToken, convenience,
};
use rustix::net::{RecvFlags, SendFlags};
use tokio::sync::{Mutex, mpsc};

use super::question::sha256;
use super::{Answer, Failure, Question, Task};
use crate::config::Isolation;
use crate::trial::{CALL, Instance, InstanceUpload, Trial, drain};
use crate::verdict::Stop;

/// How many questions wait to be begun; the asker waits for more.
const QUESTIONS_MAX: usize = 64;

/// How much of a text is answered, in bytes.
const TEXT_MAX_BYTES: usize = 256;

/// Runs this process as a peer, until it is asked to end or its asker is gone.
///
/// It has no part of tokio that watches descriptors: its socket is read by a thread of its own, with `recvfrom`, and answered with `sendto`.
/// So every `read` and `write` of the process is the driver's, and a fault at one hits nothing of the harness.
pub(crate) fn serve(task: &str) -> ExitCode {
    let Ok(task) = serde_json::from_str::<Task>(task) else { return ExitCode::from(2) };
    let threads = if task.one_thread { 1 } else { 4 };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    if task.setting.config.isolation == Isolation::Process {
        runtime.enable_io();
    }
    let runtime = runtime.max_blocking_threads(threads).enable_time().build();
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
    let socket = Arc::new(std::io::stdin().as_fd().try_clone_to_owned()?);
    let opened = open(task).await;
    let answer = opened.as_ref().map(|_| Answer::default()).map_err(Clone::clone);
    tell(&socket, 0, &answer)?;
    let Ok(instance) = opened else { return Ok(()) };
    let peer = Arc::new(Served { instance, uploads: Mutex::default() });
    let mut questions = questions(socket.clone());
    while let Some((number, question)) = questions.recv().await {
        if matches!(question, Question::End) {
            let closed = peer.instance.close(&CALL).await;
            return tell(&socket, number, &closed.map(|()| Answer::default()).map_err(Failure::from));
        }
        let (peer, socket) = (peer.clone(), socket.clone());
        tokio::spawn(async move {
            let answer = peer.answer(question).await.map_err(Failure::from);
            tell(&socket, number, &answer)
        });
    }
    Ok(())
}

/// What the asker sends, until it is gone or sends what is no question.
fn questions(socket: Arc<OwnedFd>) -> mpsc::Receiver<(u64, Question)> {
    let (sender, receiver) = mpsc::channel(QUESTIONS_MAX);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(Receiving(socket)).lines();
        while let Some(Ok(line)) = lines.next() {
            let Ok(question) = serde_json::from_str(&line) else { return };
            if sender.blocking_send(question).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A socket that is read with `recvfrom`.
struct Receiving(Arc<OwnedFd>);

impl Read for Receiving {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let (received, _) = rustix::io::retry_on_intr(|| rustix::net::recv(&self.0, &mut *into, RecvFlags::empty()))?;
        Ok(received)
    }
}

async fn open(task: Task) -> Result<Instance, Failure> {
    let failure = |stop: Stop| Failure::from(DriverError::new(ErrorClass::Internal, stop.verdict().sentence()));
    let trial = Trial::new(task.setting).map_err(failure)?;
    trial.try_open(&task.settings).await.map_err(failure)?.map_err(Failure::from)
}

/// Sends an answer whole; the asker always reads, so this does not wait long. One thread answers, so lines do not mix.
fn tell(socket: &OwnedFd, number: u64, answer: &Result<Answer, Failure>) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(&(number, answer))?;
    line.push(b'\n');
    let mut rest = line.as_slice();
    while !rest.is_empty() {
        let sent = rustix::io::retry_on_intr(|| rustix::net::send(socket, rest, SendFlags::NOSIGNAL))?;
        rest = &rest[sent..];
    }
    Ok(())
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
                // As many as come, even if they are fewer than was promised: that is for the case to judge.
                let mut body = convenience::Body::new(driver.read(&CALL, Key::parse(&key)?, ByteRange::ALL).await?.body);
                let mut bytes = Vec::new();
                drain(&mut body, &mut bytes).await?;
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
