import { expect, it } from "vitest";
import { asked, NOTHING_YET } from "./newApp";

it("asks for what was typed, and leaves out what was not", () => {
  const draft = { ...NOTHING_YET, name: " shop ", source: " https://git.example/shop.git\n" };
  expect(asked(draft)).toEqual({ name: "shop", repository: "https://git.example/shop.git" });
  expect(asked({ ...draft, branch: "main ", port: "3000" })).toEqual({
    name: "shop",
    repository: "https://git.example/shop.git",
    branch: "main",
    port: 3000,
  });
});

it("an image has no branch, also where one was typed before", () => {
  expect(asked({ ...NOTHING_YET, name: "db", from: "image", source: "a:1", branch: "x" })).toEqual({
    name: "db",
    image: "a:1",
  });
});
