//! A standby that says what its readers still see, and reads nothing else: as much of the replication protocol as a slot
//! needs to keep rows.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// One connection for replication.
pub(crate) struct Standby(TcpStream);

impl Standby {
    /// Follows a slot from a place of the log on. The server must let the role in without a password.
    pub(crate) fn follow(address: SocketAddr, role: &str, slot: &str, from: &str) -> Self {
        let mut standby = Self(TcpStream::connect(address).unwrap());
        let mut hello = 196_608_u32.to_be_bytes().to_vec();
        hello.extend(format!("user\0{role}\0replication\0true\0\0").bytes());
        standby.write(None, &hello);
        standby.wait_for(b'Z');
        let follow = format!("START_REPLICATION SLOT {slot} PHYSICAL {from}\0");
        standby.write(Some(b'Q'), follow.as_bytes());
        standby.wait_for(b'W');
        standby
    }

    /// Tells which transaction is the oldest that a reader there may see (`hot_standby_feedback`).
    pub(crate) fn sees(&mut self, transaction: u64) {
        let mut feedback = vec![b'h'];
        feedback.extend(0_u64.to_be_bytes());
        for half in [transaction & 0xFFFF_FFFF, transaction >> 32] {
            feedback.extend(u32::try_from(half).unwrap().to_be_bytes());
        }
        feedback.extend([0; 8]); // nothing of the catalogue
        self.write(Some(b'd'), &feedback);
    }

    fn write(&mut self, kind: Option<u8>, body: &[u8]) {
        let mut message: Vec<u8> = kind.into_iter().collect();
        message.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        message.extend(body);
        self.0.write_all(&message).unwrap();
    }

    fn wait_for(&mut self, wanted: u8) {
        loop {
            let mut head = [0; 5];
            self.0.read_exact(&mut head).unwrap();
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
            let mut body = vec![0; usize::try_from(length).unwrap() - 4];
            self.0.read_exact(&mut body).unwrap();
            assert_ne!(head[0], b'E', "{}", String::from_utf8_lossy(&body));
            if head[0] == wanted {
                return;
            }
        }
    }
}
