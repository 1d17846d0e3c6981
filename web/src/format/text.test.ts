import { expect, it } from "vitest";
import { address, bytes, counted, href, sentence, short } from "./text";

it("shortens ids", () => {
  expect(short("sha256:e3b0c44298fc1c14")).toBe("e3b0c44298");
  expect(short("0123456789abcdef")).toBe("0123456789");
});

it("says sizes in binary units", () => {
  expect([0, 1023, 536_870_912, 1_610_612_736].map(bytes)).toEqual([
    "0 B",
    "1023 B",
    "512 MiB",
    "1.5 GiB",
  ]);
});

it("leads nowhere but to web pages", () => {
  expect(href("http://shop.localhost:8080")).toBe("http://shop.localhost:8080");
  expect(href("javascript:alert(1)")).toBeUndefined();
  expect(address("http://shop.localhost:8080/")).toBe("shop.localhost:8080");
});

it("counts", () => {
  expect([0, 1, 12_000].map((count) => counted(count, "line"))).toEqual([
    "0 lines",
    "1 line",
    "12,000 lines",
  ]);
});

it("makes sentences", () => {
  expect(["wanted: a record", "It is there."].map(sentence)).toEqual([
    "Wanted: a record.",
    "It is there.",
  ]);
});
