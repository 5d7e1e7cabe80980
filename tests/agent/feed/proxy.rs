//! A wire between the agent and the store that falls silent when a certain request passes.

use std::net::SocketAddr;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    silent: Arc<Notify>,
    server: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Passes everything on until a request line holds all of `words`; that request never arrives.
    pub(crate) async fn start(to: SocketAddr, words: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silent = Arc::new(Notify::new());
        let told = Arc::clone(&silent);
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let told = Arc::clone(&told);
                tokio::spawn(async move {
                    let server = TcpStream::connect(to).await.unwrap();
                    wire(client, server, words, &told).await;
                });
            }
        });
        Self {
            address,
            silent,
            server,
        }
    }

    /// Ends when the request came; fails when `agent` ended without making it.
    pub(crate) async fn silenced(&self, agent: &mut Child) {
        loop {
            tokio::select! {
                () = self.silent.notified() => return,
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
            let ended = agent.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "the agent ended before the request: {ended:?}"
            );
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn wire(client: TcpStream, server: TcpStream, words: &[&str], told: &Notify) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut bytes = vec![0; 256 * 1024];
    loop {
        let Ok(read @ 1..) = from_client.read(&mut bytes).await else {
            return;
        };
        // The client writes a request's head at once, so that its first line is in one read.
        let text = String::from_utf8_lossy(&bytes[..read.min(2048)]);
        let line = text.lines().next().unwrap_or_default();
        if words.iter().all(|word| line.contains(word)) {
            told.notify_one();
            std::future::pending::<()>().await;
        }
        if to_server.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
