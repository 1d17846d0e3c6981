import { expect, it } from "vitest";
import { takeToken } from "./link";

it.each([
  ["http://h:7070/", undefined],
  ["http://h:7070/#other=1", undefined],
  ["http://h:7070/?token=x", undefined],
  ["http://h:7070/#token=abc", { token: "abc", clean: "/" }],
  ["http://h:7070/apps/shop?x=1#token=abc", { token: "abc", clean: "/apps/shop?x=1" }],
  ["http://h:7070/#token=a%2Bb", { token: "a+b", clean: "/" }],
  ["http://h:7070/#token=", undefined],
])("%s", (address, taken) => expect(takeToken(address)).toEqual(taken));
