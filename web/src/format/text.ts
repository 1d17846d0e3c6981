// Small things said in few characters.

/** The first characters of a commit or image id. */
export function short(id: string): string {
  const hex = id.startsWith("sha256:") ? id.slice(7) : id;
  return hex.slice(0, 10);
}

/** Bytes in binary units: `512 MiB`, `1.5 GiB`. */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = count;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${Number.isInteger(size) ? size : size.toFixed(1)} ${units[unit]}`;
}

/** An address without its scheme and last slash, as people say it. */
export function address(url: string): string {
  return url.replace(/^https?:\/\//, "").replace(/\/$/, "");
}

/** The address as a link target, or nothing where it is none that a page should lead to. */
export function href(url: string): string | undefined {
  return /^https?:\/\//.test(url) ? url : undefined;
}

/** `never_deployed` as `never deployed`. */
export const words = (name: string) => name.replaceAll("_", " ");

/** `1 line`, `2 lines`, `12,000 lines`. `many`: where more of them are no mere `s`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** What the API says in small letters, as a sentence. */
export function sentence(text: string): string {
  const said = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(said) ? said : `${said}.`;
}
