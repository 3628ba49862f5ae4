// SPDX-License-Identifier: MIT
//! A line server with a std::thread per connection: words are counted for all clients together.
//!
//! `add WORD` answers with the word's count, `len TEXT` goes over a channel to a thread of its
//! own and back, `quit` ends the connection, `stop` the server.
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

type Job = (String, Sender<usize>);

struct Shared {
    words: Mutex<HashMap<String, u64>>,
    alive: Mutex<usize>,
    gone: Condvar,
    stopping: AtomicBool,
}

fn serve(stream: TcpStream, shared: &Shared, jobs: Sender<Job>) -> std::io::Result<()> {
    let port = stream.local_addr()?.port();
    let mut out = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("add", word)) => {
                let count = {
                    let mut words = shared.words.lock().unwrap();
                    let count = words.entry(word.to_string()).or_insert(0);
                    *count += 1;
                    *count
                };
                writeln!(out, "{} {}", word, count)?;
            }
            Some(("len", text)) => {
                let (reply, answer) = channel();
                jobs.send((text.to_string(), reply)).unwrap();
                writeln!(out, "{}", answer.recv().unwrap())?;
            }
            _ if line == "quit" => break,
            _ if line == "stop" => {
                shared.stopping.store(true, Ordering::SeqCst);
                // wakes the thread that accepts
                drop(TcpStream::connect(("127.0.0.1", port))?);
                break;
            }
            _ => writeln!(out, "what?")?,
        }
    }
    Ok(())
}

fn main() {
    let port: u16 = std::env::args().nth(1).unwrap().parse().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let (jobs, work) = channel::<Job>();
    let shared = Arc::new(Shared {
        words: Mutex::new(HashMap::new()),
        alive: Mutex::new(0),
        gone: Condvar::new(),
        stopping: AtomicBool::new(false),
    });
    let worker = thread::spawn(move || {
        for (text, reply) in work {
            reply.send(text.len()).unwrap();
        }
    });
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        let (stream, shared, jobs) = (stream.unwrap(), shared.clone(), jobs.clone());
        *shared.alive.lock().unwrap() += 1;
        thread::spawn(move || {
            if let Err(error) = serve(stream, &shared, jobs) {
                eprintln!("{}", error);
            }
            *shared.alive.lock().unwrap() -= 1;
            shared.gone.notify_all();
        });
    }
    drop(jobs);
    let mut alive = shared.alive.lock().unwrap();
    while *alive > 0 {
        alive = shared.gone.wait(alive).unwrap();
    }
    worker.join().unwrap();
    let words = shared.words.lock().unwrap();
    println!("{} words, {} in all", words.len(), words.values().sum::<u64>());
}
