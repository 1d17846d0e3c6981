import { expect, it } from "vitest";
import { title } from "./tabs";

it.each([
  ["/apps/shop", "shop"],
  ["/apps/shop/", "shop"],
  ["/apps/shop/logs", "shop: logs"],
  ["/apps/shop/domains", "shop: domains"],
  ["/apps/shop/activity", "shop: activity"],
  ["/apps/shop/settings/", "shop: settings"],
  ["/apps/settings", "shop"],
  ["/apps/shop/elsewhere", "shop"],
])("%s is titled %s", (path, text) => expect(title("shop", path)).toBe(text));
