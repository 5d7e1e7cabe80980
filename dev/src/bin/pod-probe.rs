//! What the fleet's own tests run in pods: proves that a dynamically linked binary of ours starts there, is
//! reached from the host, and reaches the host.

use std::{
    env, fs,
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["serve", address] => serve(address),
        ["fetch", address] => fetch(address),
        _ => Err(io::Error::other(
            "usage: pod-probe serve ADDRESS | fetch ADDRESS",
        )),
    }
}

/// Answers every connection with one line of HTTP.
fn serve(address: &str) -> io::Result<()> {
    for stream in TcpListener::bind(address)?.incoming() {
        let mut stream = stream?;
        let mut request = [0; 1024];
        // A prober that hangs up early is not a reason to end.
        if stream.read(&mut request).is_ok() {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nup\n")
                .ok();
        }
    }
    Ok(())
}

/// Reads what a server on the host says and reports it as the pod's termination message.
fn fetch(address: &str) -> io::Result<()> {
    let mut said = String::new();
    TcpStream::connect(address)?.read_to_string(&mut said)?;
    eprintln!("the host said {said}");
    fs::write("/dev/termination-log", said)
}
