import type { UseMutationResult } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Confirm } from "./Confirm";
import { Refusal } from "./Refusal";

/** A button for something that is asked about first. */
export function Asking<T>({
  action,
  of,
  title,
  does,
  ready = () => true,
  harmless = false,
  className,
  children,
}: {
  action: string;
  /** What it is done to, where several such buttons are on a page. */
  of?: string;
  title: string;
  does: UseMutationResult<T, Error, void>;
  /** Whether what is asked within can be sent; where not, it says so there. */
  ready?: () => boolean;
  /** Whether nothing is lost by it. */
  harmless?: boolean;
  className?: string;
  children: ReactNode;
}) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <button
        type="button"
        className={className}
        onClick={() => {
          does.reset();
          setAsking(true);
        }}
      >
        {action}
        {of ? <span className="unseen"> {of}</span> : null}
      </button>
      {asking ? (
        <Confirm
          title={title}
          action={action}
          keep="Leave it"
          harmless={harmless}
          busy={does.isPending}
          error={does.error}
          onConfirm={() => {
            if (ready()) does.mutate(undefined, { onSuccess: () => setAsking(false) });
          }}
          onClose={() => {
            setAsking(false);
            // It was read. Closed before there was an answer, what comes is said below.
            if (!does.isPending) does.reset();
          }}
        >
          {children}
        </Confirm>
      ) : (
        <Refusal error={does.error} />
      )}
    </>
  );
}
