// The app under load: pages, slow answers, uploads and WebSockets, each saying its version.
const crypto = require("crypto");
const http = require("http");
const { version, mode } = require("./version.json");

if (mode === "exits") {
  console.log("this version gives up");
  process.exit(3);
}

let asked = false;

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://shop");
  response.setHeader("x-version", version);
  if (url.pathname === "/healthz") {
    const ill = mode === "never-healthy" || (mode === "ails" && asked);
    response.statusCode = ill ? 500 : 200;
    return response.end();
  }
  asked = true;
  if (url.pathname === "/slow") {
    const until = Date.now() + Number(url.searchParams.get("ms"));
    const more = () => {
      if (Date.now() >= until) return response.end("end");
      response.write("more\n");
      setTimeout(more, 100);
    };
    return more();
  }
  if (request.method === "POST") {
    let bytes = 0;
    request.on("data", (piece) => (bytes += piece.length));
    request.on("end", () => response.end(String(bytes)));
    return;
  }
  response.end(version);
});

// An echo of small text messages.
server.on("upgrade", (request, socket) => {
  const salt = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const key = request.headers["sec-websocket-key"];
  const accept = crypto.createHash("sha1").update(key + salt).digest("base64");
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\nX-Version: ${version}\r\n\r\n`,
  );
  let buffer = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.on("data", (piece) => {
    buffer = Buffer.concat([buffer, piece]);
    while (buffer.length >= 6) {
      const length = buffer[1] & 127;
      if (buffer.length < 6 + length) return;
      const frame = buffer.subarray(0, 6 + length);
      buffer = buffer.subarray(6 + length);
      const text = Buffer.from(frame.subarray(6).map((byte, at) => byte ^ frame[2 + (at % 4)]));
      socket.write(Buffer.concat([Buffer.from([frame[0], length]), text]));
      if ((frame[0] & 15) === 8) socket.end();
    }
  });
});

process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

const port = Number(process.env.PORT);
server.listen(mode === "wrong-port" ? port + 1 : port, () => console.log(`${version} listens`));
