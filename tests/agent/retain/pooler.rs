//! A pooler, as small as one can be: many clients and one session with the server, which goes from client to client at the end of
//! each transaction. What a client prepared is its own, as with poolers that know prepared statements.
//!
//! In: a server. Out: an address. The first client's log-in opens the session; who comes later is let in without being asked.
//! A client that goes in the midst of a transaction has it rolled back; nothing else of the session is ever cleared.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// A message of either side, its kind and length in front.
type Message = Vec<u8>;

type Pool = Arc<Mutex<Option<Session>>>;

/// `Sync`, then `ROLLBACK`: each is answered with `ReadyForQuery`.
const CLEAR: &[u8] = b"S\0\0\0\x04Q\0\0\0\x0dROLLBACK\0";

/// The one session with the server.
struct Session {
    to: OwnedWriteHalf,
    from: UnboundedReceiver<Message>,
    /// What the server said to the first client once that was in.
    welcome: Vec<u8>,
}

/// Starts a pooler for a few clients; it ends with the test's runtime.
pub(crate) async fn pool(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pool = Pool::default();
    tokio::spawn(async move {
        for name in b'A'..=b'Z' {
            let (client, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(client, name, Arc::clone(&pool), server));
        }
    });
    address
}

async fn serve(client: TcpStream, name: u8, pool: Pool, server: SocketAddr) {
    let (mut from, mut to) = client.into_split();
    let Some(startup) = read(&mut from, 0).await else {
        return;
    };
    let mut first = pool.clone().lock_owned().await;
    match &*first {
        Some(session) => to.write_all(&session.welcome).await.unwrap(),
        None => *first = Some(log_in(server, &startup, (&mut from, &mut to)).await),
    }
    drop(first);
    let (mut said, mut held, mut awaited) = (messages(from), None, 0);
    loop {
        tokio::select! {
            message = said.recv() => match message {
                Some(mut message) if message[0] != b'X' => {
                    if held.is_none() {
                        held = Some(pool.clone().lock_owned().await);
                    }
                    own(&mut message, name);
                    awaited += i32::from(matches!(message[0], b'S' | b'Q'));
                    session(&mut held).to.write_all(&message).await.unwrap();
                }
                _ => break,
            },
            message = answer(&mut held) => {
                let is_done = message[0] == b'Z' && message[5] == b'I';
                awaited -= i32::from(message[0] == b'Z');
                if is_done && awaited == 0 {
                    held = None;
                }
                if to.write_all(&message).await.is_err() {
                    break;
                }
            }
        }
    }
    if held.is_some() {
        session(&mut held).to.write_all(CLEAR).await.unwrap();
        awaited += 2;
        while awaited > 0 {
            awaited -= i32::from(answer(&mut held).await[0] == b'Z');
        }
    }
}

/// Takes a client's log-in to the server and back.
async fn log_in(
    server: SocketAddr,
    startup: &[u8],
    (from, to): (&mut OwnedReadHalf, &mut OwnedWriteHalf),
) -> Session {
    let (mut answers, mut server) = TcpStream::connect(server).await.unwrap().into_split();
    server.write_all(startup).await.unwrap();
    let mut welcome = Vec::new();
    loop {
        let message = read(&mut answers, 1).await.unwrap();
        to.write_all(&message).await.unwrap();
        match (message[0], message.get(8)) {
            // The server asks (10, 11), or has the last word (12).
            (b'R', Some(10 | 11)) => {
                let answer = read(from, 1).await.unwrap();
                server.write_all(&answer).await.unwrap();
            }
            (b'R', Some(12)) => {}
            (kind, _) => {
                welcome.extend(message);
                if kind == b'Z' {
                    break;
                }
            }
        }
    }
    Session {
        to: server,
        from: messages(answers),
        welcome,
    }
}

fn session(held: &mut Option<OwnedMutexGuard<Option<Session>>>) -> &mut Session {
    held.as_mut().unwrap().as_mut().unwrap()
}

/// What the server says next to whoever holds the session; nothing comes to anybody else.
async fn answer(held: &mut Option<OwnedMutexGuard<Option<Session>>>) -> Message {
    match held {
        Some(_) => session(held).from.recv().await.unwrap(),
        None => std::future::pending().await,
    }
}

/// Gives what a client prepared a name that is no other client's, of the same length.
fn own(message: &mut [u8], client: u8) {
    let name = match message[0] {
        b'P' => 5,
        b'D' | b'C' if message[5] == b'S' => 6,
        // Behind the portal's name.
        b'B' => 6 + message[5..].iter().position(|byte| *byte == 0).unwrap(),
        _ => return,
    };
    if message[name] != 0 {
        message[name] = client;
    }
}

/// Messages as they come, until the other side is gone.
fn messages(mut from: OwnedReadHalf) -> UnboundedReceiver<Message> {
    let (to, messages) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(message) = read(&mut from, 1).await {
            if to.send(message).is_err() {
                break;
            }
        }
    });
    messages
}

/// A message whose length stands after so many bytes.
async fn read(from: &mut OwnedReadHalf, kind: usize) -> Option<Message> {
    let mut message = vec![0; kind + 4];
    from.read_exact(&mut message).await.ok()?;
    let length = u32::from_be_bytes(message[kind..].try_into().unwrap());
    message.resize(kind + usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut message[kind + 4..]).await.ok()?;
    Some(message)
}
