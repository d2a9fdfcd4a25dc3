//! A driver that ends its process at the call which its settings name, or tries what a process of its own should not let it.
#![forbid(unsafe_code)]

use std::fs::File;
use std::hint::black_box;
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::Duration;

use longshore_plugin_api::{DriverError, ErrorClass, Host, Level, Settings};
use longshore_specimen_sound::{Around, Interference};
use rustix::process::{Signal, getpid, kill_process};
use serde::Deserialize;

longshore_plugin_api::export_driver! {
    driver: Around<Dies>,
    name: "specimen-dies",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/conformance/specimens",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, Presign, UploadList, NestedObjects],
    consistency: Strong,
    durability: Memory,
    settings: include_str!("../settings.schema.json"),
}

/// Lines of a flood.
const LINES: u32 = 100_000;

/// What happens, and where.
pub struct Dies {
    settings: DiesSettings,
    host: Host,
}

#[derive(Deserialize)]
struct DiesSettings {
    at: String,
    how: How,
    target: String,
    once: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum How {
    Segfault,
    Overflow,
    Abort,
    Exit,
    Panic,
    Hang,
    Memory,
    Flood,
    Fork,
    Exec,
    Environment,
    Open,
    Write,
    Connect,
    Datagram,
    Ptrace,
}

impl Dies {
    fn happens(&self) -> Result<(), DriverError> {
        let outcome = match self.settings.how {
            How::Segfault => loop {
                // The first one meets the handler by which Rust looks for stack overflows, which steps aside.
                let _ = kill_process(getpid(), Signal::SEGV);
            },
            How::Overflow => format!("{}", overflows(1)),
            How::Abort => std::process::abort(),
            How::Exit => std::process::exit(3),
            How::Panic => panic!("the specimen panics"),
            How::Hang => loop {
                thread::sleep(Duration::from_secs(3600));
            },
            How::Memory => takes_all_memory(),
            How::Flood => {
                self.flood();
                return Ok(());
            }
            How::Fork | How::Exec => outcome(Command::new("/bin/true").status()),
            How::Environment => format!("{:?}", std::env::vars_os().collect::<Vec<_>>()),
            How::Open => outcome(File::open(&self.settings.target)),
            How::Write => outcome(File::create(&self.settings.target)),
            How::Connect => outcome(TcpStream::connect(&self.settings.target)),
            How::Datagram => outcome(UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"x", &self.settings.target))),
            How::Ptrace => outcome(File::open("/proc/1/mem")),
        };
        Err(DriverError::new(ErrorClass::InvalidState, outcome))
    }

    fn flood(&self) {
        for line in 0..LINES {
            self.host.log(Level::Info, format_args!("line {line} of a flood"));
            self.host.count("lines", 1);
        }
    }
}

fn outcome<T, E: std::fmt::Display>(result: Result<T, E>) -> String {
    result.map_or_else(|error| error.to_string(), |_| "it worked".into())
}

/// Uses all of its stack.
#[expect(unconditional_recursion, reason = "that is what it is for")]
fn overflows(depth: u64) -> u64 {
    let frame = black_box([depth; 1024]);
    overflows(frame[1] + 1) + black_box(frame)[2]
}

fn takes_all_memory() -> ! {
    let mut taken = Vec::new();
    loop {
        taken.push(black_box(vec![1_u8; 1024 * 1024]));
    }
}

impl Interference for Dies {
    async fn open(settings: Settings, host: Host) -> Result<Self, DriverError> {
        let dies = Self { settings: settings.parse()?, host };
        dies.call("open").await?;
        Ok(dies)
    }

    async fn call(&self, entry: &'static str) -> Result<(), DriverError> {
        let once = &self.settings.once;
        if self.settings.at != entry || !once.is_empty() && File::create_new(once).is_err() {
            return Ok(());
        }
        self.happens()
    }

    fn entry(&self, _: &'static str) {}
}
