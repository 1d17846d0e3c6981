use std::os::fd::AsFd;

use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::edge::disk::Disk;
use crate::edge::listen::{Listening, listen};
use crate::edge::table::Live;

fn socket(kind: Kind, sockets: usize) -> Listening {
    listen(kind, "127.0.0.1:0".parse().unwrap(), sockets, Vec::new()).unwrap()
}

/// An edge that runs, as far as handing over goes.
struct Runs {
    directory: tempfile::TempDir,
    disk: Disk,
    door: Door,
    holdings: Holdings,
    live: Live,
}

impl Runs {
    fn with(listening: Vec<Listening>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::open(directory.path()).unwrap();
        let door = Door::draft(directory.path()).unwrap();
        door.open().unwrap();
        let holdings = Holdings { edge: disk.identity().unwrap(), listening };
        Self { directory, disk, door, holdings, live: Live::on(1) }
    }

    async fn give(&self) -> Successor {
        self.door.give(&self.holdings, &self.disk, &self.live).await
    }
}

#[tokio::test]
async fn sockets_lock_and_the_right_to_write_pass_on() {
    // More than fit into one message.
    let runs = Runs::with(vec![socket(Kind::Http, 100), socket(Kind::Metrics, 1)]);
    let address = runs.holdings.listening[0].address;
    // Somebody waits in a queue.
    let waits = std::net::TcpStream::connect(address).unwrap();
    let taking = async {
        let mut found = take(runs.directory.path()).await.unwrap().unwrap();
        let disk = Disk::inherit(runs.directory.path(), found.lock).unwrap();
        assert_eq!(disk.identity().unwrap(), runs.holdings.edge);
        let sockets = found.inherited.take(Kind::Http, address);
        assert_eq!(found.inherited.take(Kind::Http, address).len(), 0);
        (found.offering.settle().await.unwrap(), disk, sockets)
    };
    let (mut successor, (predecessor, disk, sockets)) = tokio::join!(runs.give(), taking);
    assert!(runs.disk.turn().await.is_none() && disk.turn().await.is_some());
    assert_eq!(sockets.len(), 100);

    let reported = CancellationToken::new();
    let telling = successor.stops(&reported);
    let told = async {
        assert!(!predecessor.reported.is_cancelled());
        reported.cancel();
        predecessor.reported.cancelled().await;
        assert!(!predecessor.gone.is_cancelled());
        let gone = predecessor.gone.clone();
        // Told to stop, it says by its end that it has.
        let stopping = tokio::spawn(predecessor.stop());
        (gone, stopping)
    };
    let ((), (gone, stopping)) = tokio::join!(telling, told);
    assert!(!gone.is_cancelled());
    drop(successor);
    stopping.await.unwrap();
    assert!(gone.is_cancelled());

    // Who waited is still there, and the lock is the other one's alone.
    let Runs { directory, disk: before, holdings, .. } = runs;
    drop(holdings);
    assert!(Disk::open(directory.path()).is_err());
    assert!(sockets.iter().any(|socket| socket.accept().is_ok()));
    drop((disk, waits));
    Disk::open(directory.path()).unwrap();
    drop(before);
}

#[tokio::test]
async fn whoever_fails_to_take_over_changes_nothing() {
    let runs = Runs::with(vec![socket(Kind::Http, 2)]);
    let path = door(runs.directory.path());
    let failing = async {
        // One leaves at once, one after the offer, one says something else.
        drop(UnixStream::connect(&path).await.unwrap());
        drop(take(runs.directory.path()).await.unwrap().unwrap());
        let mut odd = UnixStream::connect(&path).await.unwrap();
        wire::hear(&mut odd).await.unwrap();
        wire::tell(&mut odd, &Word::Stop).await.unwrap();
        assert!(wire::hear(&mut odd).await.is_err());
        let mut long = UnixStream::connect(&path).await.unwrap();
        wire::hear(&mut long).await.unwrap();
        tokio::io::AsyncWriteExt::write_u32(&mut long, u32::MAX).await.unwrap();
        assert!(wire::hear(&mut long).await.is_err());
    };
    tokio::select! {
        _ = runs.give() => panic!("nobody took over"),
        () = failing => {}
    }
    assert!(runs.disk.turn().await.is_some());
    // The next one gets everything.
    let taking = async {
        let found = take(runs.directory.path()).await.unwrap().unwrap();
        found.offering.settle().await.unwrap()
    };
    let (_successor, _predecessor) = tokio::join!(runs.give(), taking);
}

#[tokio::test]
async fn an_offer_that_cannot_be_used_is_refused() {
    let runs = Runs::with(vec![socket(Kind::Http, 1)]);
    let address = runs.holdings.listening[0].address;
    let offered = Offered { kind: Kind::Http, address };
    let elsewhere = Offered { kind: Kind::Http, address: "127.0.0.1:1".parse().unwrap() };
    let turn = runs.disk.turn().await;
    let (lock, socket) = (turn.as_ref().unwrap(), &runs.holdings.listening[0].sockets[0]);
    let plain = tempfile::tempfile().unwrap();
    let edge = runs.holdings.edge;
    let offer = |format, sockets| Offer { format, edge, revision: 0, sockets };
    let rows = [
        ("format", offer(FORMAT + 1, vec![]), vec![lock.as_fd()]),
        ("listens", offer(FORMAT, vec![elsewhere]), vec![lock.as_fd(), socket.as_fd()]),
        ("", offer(FORMAT, vec![offered.clone()]), vec![lock.as_fd(), plain.as_fd()]),
        ("more sockets", offer(FORMAT, vec![]), vec![lock.as_fd(), socket.as_fd()]),
        ("", offer(FORMAT, vec![offered]), vec![]),
    ];
    for (why, offer, descriptors) in rows {
        let offering = async {
            let (mut stream, _) = runs.door.listener.accept().await.unwrap();
            wire::tell(&mut stream, &Word::Offer(offer)).await.unwrap();
            wire::send(&stream, &descriptors).await.unwrap();
        };
        let (taken, ()) = tokio::join!(take(runs.directory.path()), offering);
        let error = taken.unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[tokio::test]
async fn a_socket_that_leads_to_nobody_is_none_and_paths_may_be_long() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a".repeat(100)).join("b".repeat(100));
    std::fs::create_dir_all(&deep).unwrap();
    assert!(take(&deep).await.unwrap().is_none());
    let opened = Door::draft(&deep).unwrap();
    assert!(take(&deep).await.unwrap().is_none(), "it is not open yet");
    opened.open().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(door(&deep)).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    assert!(answers_at(&door(&deep)), "however deep it lies");
    drop(opened);
    assert!(!answers_at(&door(&deep)) && take(&deep).await.unwrap().is_none());
}
