// Puts a .br and a .gz beside every text file of dist/, so that the server only has to pick one.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const sums = { plain: 0, br: 0, gz: 0 };

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !/\.(js|css|html|svg|json|txt)$/.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const plain = readFileSync(path);
  const br = brotliCompressSync(plain, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
    },
  });
  const gz = gzipSync(plain, { level: 9 });
  // Not worth a header where it saves next to nothing.
  if (br.length < plain.length * 0.95) writeFileSync(`${path}.br`, br);
  if (gz.length < plain.length * 0.95) writeFileSync(`${path}.gz`, gz);
  sums.plain += plain.length;
  sums.br += br.length;
  sums.gz += gz.length;
}

const kB = (/** @type {number} */ bytes) => `${(bytes / 1000).toFixed(1)} kB`;
console.log(`dist: ${kB(sums.plain)}, ${kB(sums.gz)} as gzip, ${kB(sums.br)} as brotli`);
