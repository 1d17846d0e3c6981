import { useState } from "react";
import type { App } from "../api/types";
import { AskForm } from "../parts/AskForm";
import { NameField } from "../parts/NameField";
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
  const send = () => {
    if (volume.trim() && folder.trim()) add.mutate();
  };
  return (
    <AskForm action="Add volume" underWay="Adding…" does={add} onSend={send}>
      <div className="fields">
        <NameField
          label="Volume"
          help="Its name. It is made where there is none of that name."
          value={volume}
          required
          maxLength={63}
          onChange={setVolume}
        />
        <NameField
          label="Folder"
          help="Where its replicas see it, such as /var/lib/data."
          value={folder}
          required
          onChange={setFolder}
        />
      </div>
    </AskForm>
  );
}
