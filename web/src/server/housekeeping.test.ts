import { describe, expect, it } from "vitest";
import type { Housekeeping } from "../api/types";
import { housekeeping, machine, THEN } from "../test/samples";
import { going, kept, mayGo, remarks, together, went } from "./housekeeping";

const of = (...workers: Housekeeping["workers"]): Housekeeping => ({ ...housekeeping, workers });

describe("housekeeping in words", () => {
  it("says what stays", () => {
    expect(kept(housekeeping)).toEqual([
      "Of each app the live version and 5 earlier ones, of these fewer where a worker has more than" +
        " 100 GiB of images, or after 180 d.",
      "Of the build cache 20 GiB on each worker, and what a build used within 14 d.",
    ]);
  });

  it("says what went, of however many kinds", () => {
    const cache = { ...machine, cache_gone_bytes: 1024 };
    const uploads = { count: 3, bytes: 9, going: [], gone: 2 };
    const rows: [Housekeeping, string][] = [
      [of(machine), "Nothing went."],
      [of({ ...machine, gone: ["a", "b"] }), "2 images went."],
      [of(cache, cache), "2 KiB of build cache went."],
      [
        { ...of({ ...cache, gone: ["a"] }), uploads },
        "1 image, 1 KiB of build cache and 2 uploads went.",
      ],
    ];
    for (const [found, said] of rows) {
      expect(went(found)).toBe(said);
    }
  });

  it("says what goes, before it does", () => {
    const image = { app: "a", deployment: "d", image: "i", bytes: 1024, why: "it is old" };
    const layer = { id: "l", bytes: 512, used_at: THEN, what: "npm ci", why: "it is old" };
    const some = { ...machine, going: [image, image], cache_going: [layer] };
    const uploads = { count: 1, bytes: 9, going: [{ bytes: 9 }], gone: 0 };
    const found = { ...of(some), uploads } as Housekeeping;
    expect(going(found)).toBe("2 images (2 KiB), 512 B of build cache and 1 upload (9 B)");
    expect(going(of(some))).toBe("2 images (2 KiB) and 512 B of build cache");
  });

  it("knows whether anything may go, and how much", () => {
    expect(mayGo(housekeeping)).toBe(true);
    expect(mayGo(of())).toBe(false);
    expect(together([{ bytes: 1 }, { bytes: 2 }])).toBe(3);
  });

  it("names who could not be asked, and what stayed", () => {
    const stayed = [{ deployment: "d", why: "a container uses it" }];
    const uploads = { count: 0, bytes: 0, going: [], gone: 0, failed: "the disk is away" };
    expect(remarks({ ...of({ ...machine, stayed, failed: "no answer" }), uploads })).toEqual([
      "local: no answer",
      "local: an image stayed: a container uses it",
      "uploads: the disk is away",
    ]);
    expect(remarks(housekeeping)).toEqual([]);
  });
});
