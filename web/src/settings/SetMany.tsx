import { type FormEvent, useEffect, useRef, useState } from "react";
import type { App } from "../api/types";
import { counted } from "../format/text";
import { Button } from "../parts/Button";
import { Field } from "../parts/Field";
import { Refusal } from "../parts/Refusal";
import { readDotenv } from "./dotenv";
import { useEnv } from "./useEnv";

/** Sets all variables that a file names, pasted. They are in sight until they are set. */
export function SetMany({ app, onSet }: { app: App; onSet: (said: string) => void }) {
  const [text, setText] = useState<string>();
  const [wrong, setWrong] = useState<string>();
  const found = readDotenv(text ?? "");
  const count = Object.keys(found.set).length;
  const set = useEnv(
    app.name,
    () => ({ set: found.set }),
    () => {
      onSet(counted(count, "variable"));
      setText(undefined);
    },
  );
  const open = text !== undefined;
  const wasOpen = useRef(false);
  const opener = useRef<HTMLButtonElement>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  // Each takes the other's place, and what had the focus is gone with it.
  useEffect(() => {
    if (open) area.current?.focus();
    else if (wasOpen.current) opener.current?.focus();
    wasOpen.current = open;
  }, [open]);
  if (text === undefined) {
    return (
      <button ref={opener} type="button" className="link" onClick={() => setText("")}>
        Set several at once
      </button>
    );
  }
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setWrong(found.wrong ?? (count === 0 ? "There is no variable to set." : undefined));
    if (found.wrong === undefined && count > 0 && !set.isPending) set.mutate();
  };
  return (
    <form className="form" onSubmit={submit}>
      <Field
        label="Variables"
        help="Lines of NAME=value, as in a file named .env. Nothing is expanded."
        wrong={wrong}
      >
        {(wired) => (
          <textarea
            {...wired}
            ref={area}
            value={text}
            rows={8}
            autoCapitalize="none"
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Field>
      <div className="actions">
        <Button type="submit" rests={set.isPending}>
          {set.isPending ? "Setting…" : "Set all of them"}
        </Button>
        <button
          type="button"
          className="quiet"
          onClick={() => {
            setText(undefined);
            setWrong(undefined);
            set.reset();
          }}
        >
          Forget them
        </button>
      </div>
      <Refusal error={set.error} />
    </form>
  );
}
