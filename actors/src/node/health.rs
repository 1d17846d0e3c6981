//! Health checks: asked by the worker on the replica's own address.
//!
//! Before the first success a replica is asked often, because a deployment waits for it; then at
//! the interval of its check. One failure is no illness: [`FAILURES`] in a row are.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper_util::rt::TokioIo;
use hythe_core::health::HealthCheck;
use tokio::net::TcpStream;

/// How many failures in a row make a healthy replica unhealthy.
pub(crate) const FAILURES: u32 = 3;
/// First wait between two tries while a replica starts; grows by a half each time.
const EAGER_FIRST: Duration = Duration::from_millis(20);
/// The longest such wait.
const EAGER_MOST: Duration = Duration::from_millis(250);
/// The shortest interval that is kept to.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// What checks say of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Nothing yet.
    Unknown,
    /// It has not been healthy yet.
    Starting {
        /// What the newest check found.
        check: String,
    },
    /// The newest check succeeded.
    Healthy,
    /// It was healthy, and the newest checks failed.
    Unhealthy {
        /// What the newest check found.
        check: String,
    },
}

/// Checks for as long as it is not dropped and tells each change. `was_healthy`: a replica that
/// was found running and had been healthy under an agent before.
pub(crate) async fn watch(
    address: SocketAddr,
    check: HealthCheck,
    was_healthy: bool,
    mut tell: impl FnMut(Health) + Send,
) {
    let interval = Duration::from_millis(check.interval.0).max(LEAST_INTERVAL);
    let mut health = Health::Unknown;
    let mut known_good = was_healthy;
    let mut failures = 0;
    let mut eager = EAGER_FIRST;
    loop {
        let found = match probe(address, &check).await {
            Ok(()) => {
                known_good = true;
                failures = 0;
                Some(Health::Healthy)
            }
            Err(check) if !known_good => Some(Health::Starting { check }),
            Err(check) => {
                failures += 1;
                // An agent that has just started does not know of failures before.
                let ill = failures >= FAILURES;
                ill.then_some(Health::Unhealthy { check })
            }
        };
        if let Some(found) = found
            && found != health
        {
            health = found.clone();
            tell(found);
        }
        let pause = if known_good { interval } else { eager.min(interval) };
        eager = (eager * 3 / 2).min(EAGER_MOST);
        tokio::time::sleep(pause).await;
    }
}

/// Asks once. The error says what was found instead of a good answer.
pub(crate) async fn probe(address: SocketAddr, check: &HealthCheck) -> Result<(), String> {
    let within = Duration::from_millis(check.timeout.0);
    match tokio::time::timeout(within, ask(address, check)).await {
        Ok(Ok(status)) if check.accepts(status) => Ok(()),
        Ok(Ok(status)) => Err(format!("it answered {} with {status}", path(check))),
        Ok(Err(why)) => Err(why),
        Err(_late) => Err(format!("no answer on port {} within {}", address.port(), check.timeout)),
    }
}

fn path(check: &HealthCheck) -> &str {
    check.path.as_ref().map_or("/", |path| path.as_str())
}

/// The status of one GET. Redirects are not followed.
async fn ask(address: SocketAddr, check: &HealthCheck) -> Result<u16, String> {
    let port = address.port();
    let stream = TcpStream::connect(address).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::ConnectionRefused {
            format!("nothing listens on port {port}; the app must listen on 0.0.0.0:{port}")
        } else {
            format!("port {port} cannot be reached: {error}")
        }
    })?;
    let no_http = |error: hyper::Error| format!("port {port} gave no HTTP answer: {error}");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(no_http)?;
    let request = Request::get(path(check))
        // Frameworks that check the host name know this one.
        .header("host", "localhost")
        .header("user-agent", "hythe-health-check")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("the check's path cannot be asked for: {error}"))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(no_http)?;
        Ok(response.status().as_u16())
    };
    tokio::pin!(connection, answer);
    tokio::select! {
        biased;
        status = &mut answer => status,
        ended = &mut connection => match ended {
            // The answer may have come with the end.
            Ok(()) => answer.await,
            Err(error) => Err(no_http(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use hythe_core::names::HealthPath;
    use hythe_core::time::Millis;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers each connection with the next of these texts; the last one for ever.
    async fn server(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for n in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let answer = answers[n.min(answers.len() - 1)];
                tokio::spawn(async move {
                    let mut request = [0; 1024];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        address
    }

    fn check(path: Option<&str>) -> HealthCheck {
        HealthCheck {
            path: path.map(|path| HealthPath::new(path).unwrap()),
            interval: Millis(100),
            timeout: Millis(500),
            start_within: Millis(5_000),
        }
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    const MOVED: &str = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n";
    const MISSING: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    const BROKEN: &str = "HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\nno";

    #[tokio::test]
    async fn an_answer_counts_by_its_status() {
        type Row = (&'static [&'static str], Option<&'static str>, Result<(), &'static str>);
        let rows: &[Row] = &[
            (&[OK], None, Ok(())),
            (&[MISSING], None, Ok(())),
            (&[MOVED], None, Ok(())),
            (&[BROKEN], None, Err("answered / with 500")),
            (&[OK], Some("/health"), Ok(())),
            (&[MOVED], Some("/health"), Ok(())),
            (&[MISSING], Some("/health"), Err("answered /health with 404")),
            (&["SSH-2.0-x\r\n"], None, Err("no HTTP answer")),
            (&[""], None, Err("no HTTP answer")),
        ];
        for (answers, path, expected) in rows {
            let found = probe(server(answers).await, &check(*path)).await;
            match (found, expected) {
                (Ok(()), Ok(())) => {}
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, expected) => panic!("{answers:?}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[tokio::test]
    async fn silence_and_a_closed_port_say_what_to_do() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silent = probe(address, &check(None)).await.unwrap_err();
        assert!(silent.contains("no answer on port"), "{silent}");
        drop(listener);
        let closed = probe(address, &check(None)).await.unwrap_err();
        assert!(closed.contains("must listen on 0.0.0.0"), "{closed}");
    }

    #[tokio::test]
    async fn three_failures_in_a_row_make_it_unhealthy_and_one_success_healthy() {
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let address = server(&[BROKEN, OK, BROKEN, BROKEN, OK, BROKEN, BROKEN, BROKEN, OK]).await;
        let watching = tokio::spawn(watch(address, check(None), false, move |health| {
            let _ = told.send(health);
        }));
        let check = "it answered / with 500".to_owned();
        assert_eq!(heard.recv().await, Some(Health::Starting { check: check.clone() }));
        assert_eq!(heard.recv().await, Some(Health::Healthy));
        assert_eq!(heard.recv().await, Some(Health::Unhealthy { check }));
        assert_eq!(heard.recv().await, Some(Health::Healthy));
        watching.abort();
    }
}
