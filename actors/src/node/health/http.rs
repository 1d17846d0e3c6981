//! Asking a replica over HTTP, and over TCP alone.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper_util::rt::TokioIo;
use hythe_core::health::StatusRange;
use tokio::net::TcpStream;

/// What is said where nothing accepts connections begins so.
pub(super) const NOBODY: &str = "nothing listens on port";

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// An answer of this status.
    Status(u16),
    /// Something that is no HTTP.
    OtherLanguage(String),
}

/// Asks once; the error says what was found instead of an answer that will do.
pub(super) async fn get(
    address: SocketAddr,
    path: &str,
    statuses: StatusRange,
    any_language: bool,
) -> Result<(), String> {
    match ask(address, path).await? {
        Answer::Status(status) if statuses.includes(status) => Ok(()),
        Answer::Status(status) => {
            Err(format!("it answered GET {path} with {status}, and {statuses} is healthy"))
        }
        Answer::OtherLanguage(_) if any_language => Ok(()),
        Answer::OtherLanguage(why) => Err(why),
    }
}

/// Whether something accepts connections.
pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let port = address.port();
    TcpStream::connect(address).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::ConnectionRefused {
            format!("{NOBODY} {port}; the app must listen on 0.0.0.0:{port}")
        } else {
            format!("port {port} cannot be reached: {error}")
        }
    })
}

/// One GET. Redirects are not followed.
async fn ask(address: SocketAddr, path: &str) -> Result<Answer, String> {
    let port = address.port();
    let stream = connect(address).await?;
    let no_http = |error: hyper::Error| {
        format!(
            "port {port} gave no HTTP answer: {error}; an app that speaks no HTTP can be checked \
             with --health-tcp"
        )
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(no_http)?;
    let request = Request::get(path)
        // Frameworks that check the host name know this one.
        .header("host", "localhost")
        .header("user-agent", "hythe-health-check")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("the check's path cannot be asked for: {error}"))?;
    let sort = |error: hyper::Error| {
        // Of one that only closes nobody knows what it would have said.
        if error.is_parse() {
            Ok(Answer::OtherLanguage(no_http(error)))
        } else {
            Err(no_http(error))
        }
    };
    let answer = async {
        match sender.send_request(request).await {
            Ok(response) => Ok(Answer::Status(response.status().as_u16())),
            Err(error) => sort(error),
        }
    };
    tokio::pin!(connection, answer);
    tokio::select! {
        biased;
        found = &mut answer => found,
        ended = &mut connection => match ended {
            // The answer may have come with the end.
            Ok(()) => answer.await,
            Err(error) => sort(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use hythe_core::health::Probe;

    use super::super::tests::server;
    use super::*;

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    const MOVED: &str = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n";
    const MISSING: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    const BROKEN: &str = "HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\nno";
    const MAIL: &str = "220 mail.example ESMTP\r\n";

    #[tokio::test]
    async fn an_answer_counts_by_its_status() {
        let (any, good) = (Probe::ANY_BELOW_500, Probe::STATUSES);
        let exact = StatusRange::new(204, 204).unwrap();
        type Row = (&'static str, StatusRange, bool, Result<(), &'static str>);
        let rows: &[Row] = &[
            (OK, any, true, Ok(())),
            (MISSING, any, true, Ok(())),
            (MOVED, any, true, Ok(())),
            (BROKEN, any, true, Err("answered GET /up with 500, and 100-499 is healthy")),
            (OK, good, false, Ok(())),
            (MOVED, good, false, Ok(())),
            (MISSING, good, false, Err("answered GET /up with 404, and 200-399 is healthy")),
            (OK, exact, false, Err("with 200, and 204 is healthy")),
            // Where no path was given, what speaks something else is there, too.
            (MAIL, any, true, Ok(())),
            (MAIL, good, false, Err("no HTTP answer")),
            // One that only hangs up may be an app that breaks on every request.
            ("", any, true, Err("no HTTP answer")),
        ];
        for (answer, statuses, any_language, expected) in rows {
            let address = server(vec![answer]).await;
            let found = get(address, "/up", *statuses, *any_language).await;
            match (found, expected) {
                (Ok(()), Ok(())) => {}
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, expected) => panic!("{answer:?}: {found:?}, not {expected:?}"),
            }
        }
    }
}
