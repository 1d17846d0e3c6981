import type { FormEvent, ReactNode } from "react";
import { Button } from "./Button";
import { Outcome } from "./Outcome";
import { Refusal } from "./Refusal";

/** A form that asks for one thing: what that takes, a button, and why it was refused. */
export function AskForm({
  action,
  underWay,
  does,
  onSend,
  primary = false,
  said,
  children,
}: {
  action: string;
  /** What the button says meanwhile. */
  underWay: string;
  does: { isPending: boolean; error: unknown };
  /** Sends it, or says what is wrong with it; not called again while it is under way. */
  onSend: () => void;
  primary?: boolean;
  /** What came of it, where that is not said elsewhere. */
  said?: string;
  children: ReactNode;
}) {
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!does.isPending) onSend();
  };
  return (
    <form className="form" onSubmit={submit}>
      {children}
      <div className="actions">
        <Button type="submit" className={primary ? "primary" : undefined} rests={does.isPending}>
          {does.isPending ? underWay : action}
        </Button>
      </div>
      {said === undefined ? null : <Outcome>{said}</Outcome>}
      <Refusal error={does.error} />
    </form>
  );
}
