// A small web app as Hythe likes them: it listens on $PORT, says when it is well at /healthz, and on
// SIGTERM finishes the requests it has before it leaves.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { hostname } from "node:os";

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const port = Number(process.env.PORT ?? 8080);
const started = Date.now();
let served = 0;
let leaving = false;

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => escapes[c]);

function facts(request) {
  return {
    version,
    hostname: hostname(),
    host: request.headers.host ?? "",
    greeting: process.env.GREETING ?? "Hello from Hythe",
    node: process.version,
    uptime_s: Math.floor((Date.now() - started) / 1000),
    served,
  };
}

function page({ greeting, version, hostname, host, node, uptime_s, served }) {
  const rows = { version, host, replica: hostname, node, "up for": `${uptime_s} s`, "requests served": served };
  const list = Object.entries(rows)
    .map(([name, value]) => `<dt>${name}</dt><dd>${escape(value)}</dd>`)
    .join("");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(greeting)}</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: light-dark(#eef4f5, #0e1a1f); color: light-dark(#14323c, #dbe9ec); }
  main { padding: 2rem; max-width: 34rem; }
  svg { width: 7rem; display: block; }
  h1 { margin: .5rem 0 1rem; font-size: 2rem; line-height: 1.2; }
  dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1.25rem; margin: 0 0 1.5rem; }
  dt { opacity: .7; }
  dd { margin: 0; font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
</style>
<main>
  <svg viewBox="0 0 120 60" fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round" role="img" aria-label="a boat at a landing place">
    <path d="M10 38h46l-8 12H20z M32 38V10l18 22H32"/>
    <path d="M68 32h46M78 32v22M92 32v22M106 32v22"/>
    <path d="M4 56c6-4 10 4 16 0s10 4 16 0 10 4 16 0 10 4 16 0" opacity=".5"/>
  </svg>
  <h1>${escape(greeting)}</h1>
  <dl>${list}</dl>
  <p>Change this app, commit, deploy again: visitors will not notice more than the new version.</p>
</main>
</html>
`;
}

const server = createServer((request, response) => {
  const path = (request.url ?? "/").split("?")[0];
  const answer = (status, type, body) => {
    // Once leaving, each answer is the last on its connection: none is kept open for more.
    if (leaving) response.setHeader("Connection", "close");
    response.writeHead(status, {
      "Content-Type": `${type}; charset=utf-8`,
      "Content-Length": Buffer.byteLength(body),
      "Cache-Control": "no-store",
    });
    response.end(request.method === "HEAD" ? undefined : body);
  };
  switch (path) {
    case "/healthz":
      return answer(200, "text/plain", "ok\n");
    case "/api/facts":
      served += 1;
      return answer(200, "application/json", `${JSON.stringify(facts(request))}\n`);
    case "/":
      served += 1;
      console.log(`${request.method} / for ${request.headers.host ?? "nobody"}`);
      return answer(200, "text/html", page(facts(request)));
    default:
      return answer(404, "text/plain", "not found\n");
  }
});

server.listen(port, () => console.log(`hello ${version} listening on port ${port}`));

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    if (leaving) return;
    leaving = true;
    console.log(`${signal}: finishing what is under way`);
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}
