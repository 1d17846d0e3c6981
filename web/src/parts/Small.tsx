// Small things that every page uses.

import { type ReactNode, type RefObject, useEffect, useRef } from "react";
import { clockAhead } from "../api/client";
import { moment } from "../format/moment";
import { ago, ahead } from "../format/span";
import { address, href, short } from "../format/text";
import { useNow } from "../live/live";
import { Button } from "./Button";
import { CopyButton } from "./CopyButton";

let opened = false;

/** A page's heading. After going to another page, the focus is here, as after loading one. */
export function Heading({
  title,
  back,
  children,
}: {
  title: string;
  /** For the focus, where it can get lost beside it. */
  back?: RefObject<HTMLHeadingElement | null>;
  children: ReactNode;
}) {
  const own = useRef<HTMLHeadingElement>(null);
  const heading = back ?? own;
  useEffect(() => {
    document.title = `${title} · Hythe`;
  }, [title]);
  useEffect(() => {
    if (opened) heading.current?.focus({ preventScroll: true });
    opened = true;
  }, [heading]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}

/** How long ago; the moment itself on hovering. */
export function Ago({ at }: { at: string }) {
  const now = useNow(10_000) + clockAhead();
  return (
    <time dateTime={at} title={moment(at)}>
      {ago(Date.parse(at), now)}
    </time>
  );
}

/** How long until then; the moment itself on hovering. */
export function Ahead({ at }: { at: string }) {
  const now = useNow(10_000) + clockAhead();
  return (
    <time dateTime={at} title={moment(at)}>
      {ahead(Date.parse(at), now)}
    </time>
  );
}

/** Where an app answers. */
export function Address({ url }: { url: string }) {
  return (
    <a className="address" href={href(url)} target="_blank" rel="noreferrer">
      {address(url)}
    </a>
  );
}

/** In the place of what there is not; a narrow table does not show it, nor its label. */
export const None = () => <span className="none faint">–</span>;

export function Commit({ id }: { id: string | null | undefined }) {
  if (!id) return <None />;
  return (
    <code className="id" title={id}>
      {short(id)}
    </code>
  );
}

/** A command to run, and a button that copies it. */
export function Command({ text }: { text: string }) {
  return (
    <div className="command">
      <code>{text}</code>
      <CopyButton text={text} what="the command" />
    </div>
  );
}

/** A term and what it is, in a list of them. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function More({
  query,
}: {
  query: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
}) {
  if (!query.hasNextPage) return null;
  return (
    <Button
      className="more"
      rests={query.isFetchingNextPage}
      onClick={() => void query.fetchNextPage()}
    >
      {query.isFetchingNextPage ? "Loading…" : "Show more"}
    </Button>
  );
}
