//! A file system of a user's process that never answers: speaks the kernel's protocol on `/dev/fuse` just far enough to be
//! mounted, and remembers who asked.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    mount::{MountFlags, UnmountFlags, mount, unmount},
};

/// Of include/uapi/linux/fuse.h.
const FUSE_INIT: u32 = 26;
const VERSION: [u32; 2] = [7, 31];
const BUFFER_BYTES: usize = 256 << 10;

/// The mount; whoever waits for an answer gets an error when this goes.
pub(super) struct Silence {
    dir: Option<tempfile::TempDir>,
    askers: Arc<Mutex<Vec<u32>>>,
    is_over: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Silence {
    /// `None` where no such file system can be mounted.
    pub(super) fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let device = File::options().read(true).write(true).open("/dev/fuse").ok()?;
        rustix::fs::fcntl_setfl(&device, OFlags::NONBLOCK).unwrap();
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
        let options = std::ffi::CString::new(options).unwrap();
        mount("silence", dir.path(), "fuse", MountFlags::NOSUID | MountFlags::NODEV, options.as_c_str())
            .ok()?;
        let (askers, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let server = {
            let (askers, is_over) = (Arc::clone(&askers), Arc::clone(&is_over));
            thread::spawn(move || serve(device, &askers, &is_over))
        };
        Some(Self { dir: Some(dir), askers, is_over, server: Some(server) })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.as_ref().unwrap().path().to_owned()
    }

    /// The processes and threads that wait for an answer.
    pub(super) fn askers(&self) -> Vec<u32> {
        self.askers.lock().unwrap().clone()
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // With the device closed the kernel gives up all requests.
        let _ = self.server.take().map(JoinHandle::join);
        if let Some(dir) = self.dir.take() {
            let path = dir.keep();
            let _ = unmount(&path, UnmountFlags::DETACH);
            let _ = std::fs::remove_dir(path);
        }
    }
}

/// Answers the first request alone.
fn serve(mut device: File, askers: &Mutex<Vec<u32>>, is_over: &AtomicBool) {
    let mut buffer = vec![0; BUFFER_BYTES];
    let pause = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    while !is_over.load(Ordering::Relaxed) {
        let mut waits = [PollFd::from_borrowed_fd(device.as_fd(), PollFlags::IN)];
        if poll(&mut waits, Some(&pause)).unwrap_or(0) == 0 {
            continue;
        }
        let Ok(length) = device.read(&mut buffer) else { continue };
        // struct fuse_in_header: length, opcode, unique, node, uid, gid, pid.
        let word = |at: usize| u32::from_ne_bytes(buffer[at..at + 4].try_into().unwrap());
        assert!(length >= 40, "a whole header");
        if word(4) == FUSE_INIT {
            let answer = initialised(&buffer[8..16]);
            device.write_all(&answer).unwrap();
        } else {
            askers.lock().unwrap().push(word(32));
        }
    }
}

/// `struct fuse_out_header` and `struct fuse_init_out`.
fn initialised(unique: &[u8]) -> Vec<u8> {
    const BYTES: u32 = 16 + 64;
    let mut out = Vec::new();
    out.extend(BYTES.to_ne_bytes());
    out.extend(0_i32.to_ne_bytes());
    out.extend(unique);
    out.extend(VERSION.iter().flat_map(|number| number.to_ne_bytes()));
    // Read-ahead and flags: none. Twelve requests in the background.
    out.extend([0; 8]);
    out.extend([12_u16, 12].iter().flat_map(|number| number.to_ne_bytes()));
    out.extend(65_536_u32.to_ne_bytes());
    out.resize(BYTES as usize, 0);
    out
}

/// The threads of a process.
pub(super) fn threads(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task")).unwrap();
    tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
}
