//! The log file: one line of JSON per call, and one for each new list of faults. A thread of its
//! own writes it, so that no call waits for a disk.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use serde::Serialize;

/// Takes the lines.
pub struct Journal {
    lines: Sender<Option<Vec<u8>>>,
}

/// The thread that writes them.
pub struct Writer {
    lines: Sender<Option<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Journal {
    /// Opens the file, to write behind what it has already.
    ///
    /// # Errors
    ///
    /// Where the file cannot be opened for writing, or no thread started.
    pub fn open(path: &Path) -> io::Result<(Self, Writer)> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (lines, queue) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write_all(file, &queue))?;
        let journal = Self { lines: lines.clone() };
        Ok((journal, Writer { lines, thread }))
    }

    /// Writes one line, soon.
    pub fn write(&self, line: &impl Serialize) {
        if let Ok(mut text) = serde_json::to_vec(line) {
            text.push(b'\n');
            // The writer is gone only when the proxy ends.
            let _ = self.lines.send(Some(text));
        }
    }
}

impl Writer {
    /// Writes what is still waiting, and ends.
    pub fn finish(self) {
        let _ = self.lines.send(None);
        let _ = self.thread.join();
    }
}

fn write_all(file: File, queue: &Receiver<Option<Vec<u8>>>) {
    let mut file = BufWriter::new(file);
    let mut is_failing = false;
    while let Ok(Some(line)) = queue.recv() {
        let mut result = file.write_all(&line);
        let mut is_over = false;
        // Whoever follows the file sees every line as soon as there is nothing more to write.
        loop {
            match queue.try_recv() {
                Ok(Some(line)) => result = result.and_then(|()| file.write_all(&line)),
                Ok(None) => is_over = true,
                Err(_) => break,
            }
        }
        result = result.and_then(|()| file.flush());
        // A full disk is told once, and does not stop the proxy.
        if let Err(error) = &result
            && !is_failing
        {
            eprintln!("fault-proxy: the log cannot be written: {error}");
        }
        is_failing = result.is_err();
        if is_over {
            return;
        }
    }
}
