// What a browser loads of JavaScript before a page is there, and that this stays little: a build
// that goes beyond it fails, and says what is in it. Nothing runs that is not a file of its own, either:
// the policy that the server sends forbids that, so the page would stay empty.

import { gzipSync } from "node:zlib";

/** Bytes, by gzip: of the list of apps, which is where most begin, and of any other page. */
export const MOST = { first: 120_000, any: 135_000 };

/** Where most begin. */
const FIRST = "AppsPage";

/** What is around every page of an app. */
const AROUND = "AppLayout";

/**
 * A file of the build, as far as it matters here. `imports`: what it needs before it runs.
 *
 * @typedef {{ fileName: string; name: string; imports: string[]; code: string }} Chunk
 * @typedef {{ page: string; files: string[]; bytes: number }} Load
 */

/**
 * What has to be there for each of `pages`: the entry, the page, what is around it, and all that
 * these need.
 *
 * @param {Chunk[]} chunks
 * @param {string} entry
 * @param {string[]} pages
 * @returns {Load[]}
 */
export function loads(chunks, entry, pages) {
  const byFile = new Map(chunks.map((chunk) => [chunk.fileName, chunk]));
  const sizes = new Map(
    chunks.map(({ fileName, code }) => [fileName, gzipSync(code, { level: 9 }).length]),
  );
  const around = chunks.find(({ name }) => name === AROUND)?.fileName;
  return pages.map((page) => {
    const name = byFile.get(page)?.name ?? page;
    /** @type {Set<string>} */
    const needed = new Set();
    const need = (/** @type {string | undefined} */ file) => {
      const chunk = byFile.get(file ?? "");
      if (!chunk || needed.has(chunk.fileName)) return;
      needed.add(chunk.fileName);
      chunk.imports.forEach(need);
    };
    need(entry);
    need(page);
    // Not all of them are an app's, but none may have more than that.
    if (name !== FIRST) need(around);
    const files = [...needed];
    return {
      page: name,
      files,
      bytes: files.reduce((sum, file) => sum + (sizes.get(file) ?? 0), 0),
    };
  });
}

/**
 * Those that are too large, in words; nothing where all is well.
 *
 * @param {Load[]} all
 * @returns {string[]}
 */
export function tooLarge(all) {
  if (!all.some(({ page }) => page === FIRST)) return [`there is no ${FIRST} among the pages`];
  return all
    .map(({ page, bytes, files }) => ({
      most: page === FIRST ? MOST.first : MOST.any,
      bytes,
      text: `${page} loads ${bytes} bytes: ${files.join(", ")}`,
    }))
    .filter(({ bytes, most }) => bytes > most)
    .map(({ text, most }) => `${text}; ${most} at the most`);
}

/**
 * Files that need one another, however far around: some of them would run before what they need.
 *
 * @param {Chunk[]} chunks
 * @returns {string[] | undefined}
 */
export function circle(chunks) {
  const byFile = new Map(chunks.map((chunk) => [chunk.fileName, chunk]));
  /** @type {Set<string>} */
  const done = new Set();
  /** @type {(file: string, way: string[]) => string[] | undefined} */
  const walk = (file, way) => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of byFile.get(file)?.imports ?? []) {
      const found = walk(next, [...way, file]);
      if (found) return found;
    }
    done.add(file);
    return undefined;
  };
  for (const { fileName } of chunks) {
    const found = walk(fileName, []);
    if (found) return found;
  }
  return undefined;
}

/**
 * Scripts and styles that stand in the page itself.
 *
 * @param {string} html
 * @returns {string[]}
 */
export function inline(html) {
  const scripts = html.match(/<script(?![^>]*\ssrc=)[^>]*>/gi) ?? [];
  const styles = html.match(/<style[\s>]|\sstyle=|\son[a-z]+=/gi) ?? [];
  return [...scripts, ...styles];
}

/** @returns {import("vite").Plugin} */
export function firstLoad() {
  return {
    name: "hythe-first-load",
    apply: "build",
    // After the page is written, too.
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const files = Object.values(bundle);
        const chunks = files.filter((file) => file.type === "chunk");
        const entry = chunks.find(({ isEntry }) => isEntry)?.fileName ?? "";
        const pages = chunks
          .filter(({ isDynamicEntry }) => isDynamicEntry)
          .map(({ fileName }) => fileName);
        const all = loads(chunks, entry, pages);
        for (const { page, bytes } of all) {
          if (page === FIRST) this.info(`the first page loads ${(bytes / 1000).toFixed(1)} kB`);
        }
        const wrong = tooLarge(all);
        const around = circle(chunks);
        if (around) wrong.push(`these need one another: ${around.join(", ")}`);
        for (const file of files) {
          if (file.type !== "asset" || !file.fileName.endsWith(".html")) continue;
          const found = inline(String(file.source));
          if (found.length > 0) wrong.push(`${file.fileName} has ${found.join(", ")} in it`);
        }
        if (wrong.length > 0) this.error(wrong.join("\n"));
      },
    },
  };
}
