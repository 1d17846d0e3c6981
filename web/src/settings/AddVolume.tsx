import { type FormEvent, useState } from "react";
import type { App } from "../api/types";
import { Button } from "../parts/Button";
import { Field } from "../parts/Field";
import { Refusal } from "../parts/Refusal";
import { useVolumes } from "./useVolumes";

/** Gives the app a volume at a folder of its replicas. */
export function AddVolume({ app, onAdded }: { app: App; onAdded: (volume: string) => void }) {
  const [volume, setVolume] = useState("");
  const [folder, setFolder] = useState("");
  const add = useVolumes(
    app,
    (now) => ({ ...now, [folder.trim()]: { volume: volume.trim() } }),
    () => {
      onAdded(volume.trim());
      setVolume("");
      setFolder("");
    },
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (volume.trim() && folder.trim() && !add.isPending) add.mutate();
  };
  return (
    <form className="form" onSubmit={submit}>
      <div className="fields">
        <Field label="Volume" help="Its name. It is made where there is none of that name.">
          {(wired) => (
            <input
              {...wired}
              value={volume}
              autoCapitalize="none"
              autoComplete="off"
              spellCheck={false}
              required
              maxLength={63}
              onChange={(event) => setVolume(event.target.value)}
            />
          )}
        </Field>
        <Field label="Folder" help="Where its replicas see it, such as /var/lib/data.">
          {(wired) => (
            <input
              {...wired}
              value={folder}
              autoCapitalize="none"
              autoComplete="off"
              spellCheck={false}
              required
              onChange={(event) => setFolder(event.target.value)}
            />
          )}
        </Field>
      </div>
      <div className="actions">
        <Button type="submit" rests={add.isPending}>
          {add.isPending ? "Adding…" : "Add volume"}
        </Button>
      </div>
      <Refusal error={add.error} />
    </form>
  );
}
