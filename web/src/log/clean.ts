// What a program wrote to its terminal, as text for a page.

/** Characters of a line that are shown; what is longer is rarely meant for people. */
export const MOST_CHARACTERS = 4_000;

// Control sequences (colours, cursor moves), operating-system commands (titles, links), and the
// other escapes of one or two characters.
const ESCAPES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[PX^_][^\u001b]*(?:\u001b\\)?|[ -/]*[0-~])|\u009b[0-?]*[ -/]*[@-~]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const NEEDED = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/;

/** The line without escapes and control characters; of what was overwritten, only the last. */
export function clean(text: string): string {
  let line = text;
  if (NEEDED.test(line)) {
    line = line.replace(ESCAPES, "").replace(/[\r\n]+$/, "");
    const overwritten = line.lastIndexOf("\r");
    if (overwritten >= 0) line = line.slice(overwritten + 1);
    line = line.replaceAll("\n", "⏎").replace(CONTROLS, "");
  }
  if (line.length > MOST_CHARACTERS) {
    const more = line.length - MOST_CHARACTERS;
    line = `${line.slice(0, MOST_CHARACTERS)} … ${more.toLocaleString("en")} more characters`;
  }
  return line;
}
