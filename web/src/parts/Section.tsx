import { type ReactNode, type RefObject, useId } from "react";

/** A part of a page under a heading of its own, by which it is found. */
export function Section({
  title,
  aside,
  heading,
  children,
}: {
  title: string;
  aside?: ReactNode;
  /** For the focus, where it can get lost in here. */
  heading?: RefObject<HTMLHeadingElement | null>;
  children: ReactNode;
}) {
  const label = useId();
  return (
    <section aria-labelledby={label}>
      <h2 id={label} ref={heading} tabIndex={heading ? -1 : undefined}>
        {title}
        {aside ? <span className="faint"> {aside}</span> : null}
      </h2>
      {children}
    </section>
  );
}
