//! Sending files to BuildKit: one exchange of its file transfer, seen from the side that has them.
//!
//! The protocol is that of <https://github.com/tonistiigi/fsutil> (`send.go`, `receive.go`): what
//! there is, one packet each and an empty one at the end; the other side asks for files by their
//! place in that list, and each is sent in pieces with an empty one at the end; when it has all, it
//! says so, and is answered in kind.
//!
//! Invariant: both directions move at once. A side that only spoke after it was done listening
//! would wait for ever for one that does the same.

use std::io;
use std::sync::Arc;

use bollard::fsutil::types::packet::PacketType;
use bollard::fsutil::types::{Packet, Stat};
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tonic::Status;

use super::context::{Content, Context, Item, Kind};

/// Bytes in one piece of a file; as many as BuildKit's own client sends.
const PIECE: usize = 32 * 1024;
/// Packets on their way: what a slow engine makes us hold.
pub(crate) const PACKETS: usize = 32;
/// Go's `fs.ModeDir` and `fs.ModeSymlink`.
const FOLDER: u32 = 1 << 31;
const LINK: u32 = 1 << 27;
const NANOS: u64 = 1_000_000_000;

/// Why an exchange ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    /// A file could not be read.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The engine said or did something else than was agreed on.
    #[error("the engine {0}")]
    Engine(String),
    /// The engine hung up.
    #[error("the engine hung up")]
    Gone,
}

/// Sends some of a context's items, by their places in it.
pub(crate) async fn send(
    context: Arc<Context>,
    chosen: Vec<usize>,
    asked: impl Stream<Item = Result<Packet, Status>> + Unpin,
    packets: mpsc::Sender<Result<Packet, Status>>,
) -> Result<(), TransferError> {
    let items: Vec<&Item> = chosen.iter().filter_map(|at| context.items.get(*at)).collect();
    // Each file is asked for once at the most.
    let (wanted, mut to_send) = mpsc::channel(items.len().max(1));
    let list = async {
        for item in &items {
            put(&packets, packet(PacketType::PacketStat, 0, Some(stat(item, context.time))))
                .await?;
        }
        put(&packets, packet(PacketType::PacketStat, 0, None)).await
    };
    let files = async {
        while let Some(id) = to_send.recv().await {
            let at = usize::try_from(id).unwrap_or(usize::MAX);
            let Some(item) = items.get(at) else {
                return Err(TransferError::Engine(format!("asked for file {id} of {at}")));
            };
            send_file(item, id, &packets).await?;
        }
        Ok(())
    };
    let (_, (), ()) = tokio::try_join!(list, files, listen(asked, wanted))?;
    put(&packets, packet(PacketType::PacketFin, 0, None)).await
}

/// Takes in what is asked for until the other side has all that it wants.
async fn listen(
    mut asked: impl Stream<Item = Result<Packet, Status>> + Unpin,
    wanted: mpsc::Sender<u32>,
) -> Result<(), TransferError> {
    while let Some(packet) = asked.next().await {
        let packet = packet.map_err(|_| TransferError::Gone)?;
        match PacketType::try_from(packet.r#type) {
            Ok(PacketType::PacketReq) => wanted.try_send(packet.id).map_err(|_| {
                TransferError::Engine("asked for more files than there are".to_owned())
            })?,
            Ok(PacketType::PacketFin) => return Ok(()),
            Ok(PacketType::PacketErr) => {
                let said = String::from_utf8_lossy(&packet.data).into_owned();
                return Err(TransferError::Engine(format!("could not take the files: {said}")));
            }
            Ok(PacketType::PacketStat | PacketType::PacketData) | Err(_) => {
                let kind = packet.r#type;
                return Err(TransferError::Engine(format!("sent a packet of kind {kind}")));
            }
        }
    }
    Err(TransferError::Gone)
}

async fn send_file(
    item: &Item,
    id: u32,
    packets: &mpsc::Sender<Result<Packet, Status>>,
) -> Result<(), TransferError> {
    let data = |data: Vec<u8>| Packet { data, ..packet(PacketType::PacketData, id, None) };
    match &item.kind {
        Kind::File { content: Content::Here(bytes), .. } => {
            for piece in bytes.chunks(PIECE) {
                put(packets, data(piece.to_vec())).await?;
            }
        }
        Kind::File { content: Content::OnDisk(path), .. } => {
            let failed = |error| TransferError::File { path: item.path.clone(), error };
            let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
            loop {
                let mut piece = Vec::with_capacity(PIECE);
                if file.read_buf(&mut piece).await.map_err(failed)? == 0 {
                    break;
                }
                put(packets, data(piece)).await?;
            }
        }
        Kind::Folder | Kind::Link(_) => {
            let path = &item.path;
            return Err(TransferError::Engine(format!("asked for {path} as if it were a file")));
        }
    }
    put(packets, data(Vec::new())).await
}

async fn put(
    packets: &mpsc::Sender<Result<Packet, Status>>,
    packet: Packet,
) -> Result<(), TransferError> {
    packets.send(Ok(packet)).await.map_err(|_| TransferError::Gone)
}

fn packet(kind: PacketType, id: u32, stat: Option<Stat>) -> Packet {
    Packet { r#type: kind.into(), stat, id, data: Vec::new() }
}

fn stat(item: &Item, time: u64) -> Stat {
    let (mode, size, linkname) = match &item.kind {
        Kind::Folder => (FOLDER | 0o755, 0, String::new()),
        Kind::Link(target) => (LINK | 0o777, 0, target.clone()),
        Kind::File { size, runnable, .. } => {
            (if *runnable { 0o755 } else { 0o644 }, *size, String::new())
        }
    };
    Stat {
        path: item.path.clone(),
        mode,
        size: i64::try_from(size).unwrap_or(i64::MAX),
        mod_time: i64::try_from(time.saturating_mul(NANOS)).unwrap_or(i64::MAX),
        linkname,
        ..Stat::default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;

    use super::*;

    fn context() -> Arc<Context> {
        let file = |path: &str, size: usize, runnable| Item {
            path: path.to_owned(),
            kind: Kind::File {
                content: Content::Here(Bytes::from(vec![b'x'; size])),
                size: size as u64,
                runnable,
            },
            beside: false,
        };
        let items = vec![
            file("Dockerfile", 3, false),
            Item { path: "a".to_owned(), kind: Kind::Folder, beside: false },
            file("a/big", 2 * PIECE + 1, true),
            Item { path: "a/link".to_owned(), kind: Kind::Link("big".to_owned()), beside: false },
        ];
        Arc::new(Context { items, time: 7, dockerfile: "Dockerfile".to_owned() })
    }

    fn asks(kind: PacketType, id: u32) -> Result<Packet, Status> {
        Ok(packet(kind, id, None))
    }

    /// Everything that is sent when this is asked; and how it ends.
    async fn exchange(
        context: &Arc<Context>,
        asked: Vec<Result<Packet, Status>>,
    ) -> (Vec<Packet>, Result<(), TransferError>) {
        let (packets, mut sent) = mpsc::channel(1);
        let chosen = (0..context.items.len()).collect();
        let sending = send(Arc::clone(context), chosen, stream::iter(asked), packets);
        let taking = async {
            let mut all = Vec::new();
            while let Some(packet) = sent.recv().await {
                all.push(packet.unwrap());
            }
            all
        };
        let (ended, all) = tokio::join!(sending, taking);
        (all, ended)
    }

    #[tokio::test]
    async fn what_is_asked_for_comes_whole_and_in_pieces() {
        let asked = vec![
            asks(PacketType::PacketReq, 2),
            asks(PacketType::PacketReq, 0),
            asks(PacketType::PacketFin, 0),
        ];
        let (sent, ended) = exchange(&context(), asked).await;
        ended.unwrap();
        let stats: Vec<_> = sent.iter().filter_map(|packet| packet.stat.clone()).collect();
        let seen: Vec<_> =
            stats.iter().map(|stat| (stat.path.as_str(), stat.mode, stat.size)).collect();
        let big = i64::try_from(2 * PIECE + 1).unwrap();
        assert_eq!(
            seen,
            [
                ("Dockerfile", 0o644, 3),
                ("a", FOLDER | 0o755, 0),
                ("a/big", 0o755, big),
                ("a/link", LINK | 0o777, 0),
            ]
        );
        assert_eq!(stats[3].linkname, "big");
        assert!(stats.iter().all(|stat| stat.mod_time == 7_000_000_000 && stat.uid == 0));
        let pieces = |id: u32| -> Vec<usize> {
            sent.iter()
                .filter(|packet| {
                    packet.r#type == i32::from(PacketType::PacketData) && packet.id == id
                })
                .map(|packet| packet.data.len())
                .collect()
        };
        assert_eq!(pieces(2), [PIECE, PIECE, 1, 0]);
        assert_eq!(pieces(0), [3, 0]);
        assert_eq!(sent.last().unwrap().r#type, i32::from(PacketType::PacketFin));
    }

    #[tokio::test]
    async fn what_was_not_agreed_on_ends_it() {
        let rows = [
            (vec![asks(PacketType::PacketReq, 9)], "asked for file 9"),
            (vec![asks(PacketType::PacketReq, 1)], "as if it were a file"),
            (vec![asks(PacketType::PacketData, 0)], "a packet of kind 2"),
            (vec![Err(Status::cancelled("x"))], "hung up"),
            (vec![], "hung up"),
        ];
        for (mut asked, expected) in rows {
            // A request that cannot be met is met before the end of the exchange.
            if expected.starts_with("as") {
                asked.push(asks(PacketType::PacketFin, 0));
            }
            let (_, ended) = exchange(&context(), asked).await;
            let error = ended.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_gone_is_named() {
        let path = std::path::PathBuf::from("/nonexistent/file");
        let kind = Kind::File { content: Content::OnDisk(path), size: 1, runnable: false };
        let items = vec![Item { path: "gone".to_owned(), kind, beside: false }];
        let context = Arc::new(Context { items, time: 0, dockerfile: String::new() });
        let asked = vec![asks(PacketType::PacketReq, 0), asks(PacketType::PacketFin, 0)];
        let (_, ended) = exchange(&context, asked).await;
        assert!(ended.unwrap_err().to_string().starts_with("gone: "));
    }
}
