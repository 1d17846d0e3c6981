// A command as people type it, as the words that are run: by no shell, so nothing in it is expanded.

/** The words: blanks part them, but not within quotes. Undefined where a quote is not closed. */
export function argvOf(text: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < text.length; at += 1) {
    const letter = text.charAt(at);
    if (quote) {
      if (letter === quote) quote = "";
      else if (letter === "\\" && quote === '"' && /["\\]/.test(text.charAt(at + 1))) {
        at += 1;
        word = `${word ?? ""}${text.charAt(at)}`;
      } else word = `${word ?? ""}${letter}`;
    } else if (letter === "'" || letter === '"') {
      quote = letter;
      // Also where nothing is within: that is a word.
      word ??= "";
    } else if (letter === "\\" && at + 1 < text.length) {
      at += 1;
      word = `${word ?? ""}${text.charAt(at)}`;
    } else if (/\s/.test(letter)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = `${word ?? ""}${letter}`;
    }
  }
  if (quote) return undefined;
  return word === undefined ? words : [...words, word];
}
