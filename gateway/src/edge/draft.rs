//! What is kept of a request without body, so that it can be written a second time.
//!
//! Most requests that can be sent again are not: the copy of the headers is made for being cheap to make and
//! to throw away. It is one piece of memory, where a map would have a count to raise for each value.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};

use super::body::RequestBody;

/// Bytes that the headers of most requests fit into.
const ROOM: usize = 1_024;
/// Ends a name and a value: neither can have one.
const END: u8 = b'\n';

/// A request without body.
#[derive(Debug)]
pub(crate) struct Draft {
    method: Method,
    uri: Uri,
    headers: Vec<u8>,
}

impl Draft {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let mut headers = Vec::with_capacity(ROOM);
        for (name, value) in request.headers() {
            headers.extend_from_slice(name.as_str().as_bytes());
            headers.push(END);
            headers.extend_from_slice(value.as_bytes());
            headers.push(END);
        }
        Self { method: request.method().clone(), uri: request.uri().clone(), headers }
    }

    /// The request, for HTTP/1.1. None where it cannot be read again, which does not happen.
    pub(crate) fn request(self) -> Option<Request<RequestBody>> {
        let mut headers = HeaderMap::new();
        let mut parts = self.headers.split(|byte| *byte == END);
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            let name = HeaderName::from_bytes(name).ok()?;
            headers.append(name, HeaderValue::from_bytes(value).ok()?);
        }
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = headers;
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn again(headers: HeaderMap) -> Request<RequestBody> {
        let mut request = Request::put("/a?b=c").body(()).unwrap();
        *request.headers_mut() = headers;
        Draft::of(&request).request().unwrap()
    }

    #[test]
    fn a_request_is_written_again_as_it_was() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", &b"a.example"[..]),
            ("x-empty", b""),
            ("cookie", b"a=1"),
            ("x-bytes", b"\xff\t \xc3\xa4"),
            ("cookie", b"b=2"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        let request = again(headers.clone());
        assert_eq!(request.method(), Method::PUT);
        assert_eq!(request.uri(), "/a?b=c");
        assert_eq!(request.headers(), &headers);
        let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert!(again(HeaderMap::new()).headers().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn whatever_a_header_can_be_comes_back(
            lines in prop::collection::vec(("[a-z!#$%&'*+.^_`|~0-9-]{1,20}", prop::collection::vec(any::<u8>(), 0..40)), 0..60),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &lines {
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
                }
            }
            let request = again(headers.clone());
            prop_assert_eq!(request.headers(), &headers);
        }
    }
}
