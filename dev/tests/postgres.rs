//! The PostgreSQL server of the tests: it answers, it keeps its roles apart, and it leaves nothing behind.

use std::net::{IpAddr, Ipv4Addr};

use tradewind_dev::postgres::Server;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[tokio::test]
async fn a_dropped_server_leaves_nothing() {
    let server = Server::start(LOOPBACK).await.unwrap();
    let access = server.access().clone();
    server.create_role("reader", "secret").await.unwrap();
    server.create_database("shop", "reader").await.unwrap();
    assert_eq!(access.query("shop", "SELECT 6 * 7").await.unwrap(), "42");
    let folder = access.query("shop", "SHOW data_directory").await.unwrap();
    assert!(std::path::Path::new(&folder).exists());
    drop(server);
    assert!(!std::path::Path::new(&folder).exists());
    assert!(std::net::TcpStream::connect(access.address()).is_err());
}
