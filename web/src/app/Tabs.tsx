import { Link, useLocation } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { TABS } from "./tabs";

/** The way between an app's pages. They are pages, so these are links, and the focus stays here. */
export function Tabs({ app }: { app: string }) {
  const nav = useRef<HTMLElement>(null);
  const path = useLocation({ select: ({ pathname }) => pathname });
  // On a phone the row is wider than the page.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page is another current link
  useEffect(() => {
    const current = nav.current?.querySelector('[aria-current="page"]');
    current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [path]);
  return (
    <nav ref={nav} className="tabs" aria-label={`Pages of ${app}`}>
      <ul>
        {TABS.map(({ to, name }) => (
          <li key={to}>
            <Link to={to} params={{ app }} activeOptions={{ exact: true, includeSearch: false }}>
              {name}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
