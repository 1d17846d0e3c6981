// Lines of NAME=value, as in files that are named `.env`. Nothing in them is expanded: a password may have
// a `$`.

export interface Read {
  set: Record<string, string>;
  /** What cannot be read, without any value; undefined where all of it can. */
  wrong: string | undefined;
}

const ASSIGNMENT = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/;

/** The variables of a text; each once, each on a line of its own. */
export function readDotenv(text: string): Read {
  const set = new Map<string, string>();
  const lines = text.split(/\r?\n/);
  for (const [index, line] of lines.entries()) {
    const here = line.trim();
    if (here === "" || here.startsWith("#")) continue;
    const refused = (why: string): Read => ({ set: {}, wrong: `Line ${index + 1} ${why}` });
    const [, name, rest] = ASSIGNMENT.exec(here) ?? [];
    if (name === undefined || rest === undefined) return refused("is not NAME=value.");
    if (set.has(name)) return refused(`sets ${name} once more.`);
    const value = unquoted(rest);
    if (value === undefined) return refused("has a quote that is not closed on it.");
    set.set(name, value);
  }
  return { set: Object.fromEntries(set), wrong: undefined };
}

const ESCAPED: Record<string, string> = { n: "\n", r: "\r", t: "\t" };

/** Within '…' as it is, within "…" with \n and its like, else up to a comment. */
function unquoted(text: string): string | undefined {
  const quote = text.charAt(0);
  if (quote !== "'" && quote !== '"') return text.replace(/(^|\s+)#.*$/, "");
  const quoted = quote === "'" ? /^'([^']*)'\s*(?:#.*)?$/ : /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/;
  const within = quoted.exec(text)?.[1];
  if (quote === "'" || within === undefined) return within;
  return within.replace(/\\(.)/g, (_, letter: string) => ESCAPED[letter] ?? letter);
}
