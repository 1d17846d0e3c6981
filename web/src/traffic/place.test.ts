import { expect, it } from "vitest";
import { placeOf } from "./place";

it.each([
  ["shop.example/api", "shop.example/api"],
  [" https://shop.example/v1/api/ ", "shop.example/v1/api"],
  ["shop.example/", "shop.example"],
])("%s is %s", (text, place) => expect(placeOf(text)).toBe(place));
