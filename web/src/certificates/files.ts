// The files of a certificate that somebody gives.

/** The most bytes of either (`AddCertificate` in the API's document). */
const MOST_BYTES = 48 * 1024;

/** Why a file is none of the two; nothing where it may be. */
export function wrongFile({ size }: { size: number }): string | undefined {
  if (size === 0) return "The file is empty: choose another one.";
  if (size > MOST_BYTES) {
    return `It has ${size.toLocaleString("en")} bytes, and at most ${MOST_BYTES.toLocaleString("en")} are taken: choose a file with nothing else in it.`;
  }
  return undefined;
}
