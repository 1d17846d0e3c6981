import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { routesQuery } from "../api/queries";
import type { App, EdgeMount, EdgeSettings } from "../api/types";
import { usePolling } from "../live/live";
import { AskForm } from "../parts/AskForm";
import { Asking } from "../parts/Asking";
import { Status } from "../parts/Mark";
import { NameField } from "../parts/NameField";
import { Stale } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { Switch } from "../parts/Switch";
import { useFocusBack } from "../parts/useFocusBack";
import { guests, isThere } from "./mounted";
import { placeOf } from "./place";
import { useEdge } from "./useEdge";

/** Where an app is besides its own hosts: at paths of hosts that lead to apps of its project. */
export function Mounts({ app, settings }: { app: App; settings: EdgeSettings }) {
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  const { mounts } = settings;
  // A place is had once the edges have the table with it, which is seen, not an event.
  const routes = useQuery({ ...routesQuery, refetchInterval: usePolling() });
  return (
    <Section title="At paths of other hosts" heading={heading}>
      {mounts.length === 0 ? (
        <p className="faint note">
          None: {app.name} is at its own hosts only. At a path of another app's host, such as
          shop.example/api, both are at one address.
        </p>
      ) : (
        <ul className="lines">
          {mounts.map((mount) => (
            <MountRow
              key={mount.at}
              app={app}
              mount={mount}
              there={routes.data && isThere(routes.data, app, mount.at)}
              onRemoved={() => {
                leave();
                setSaid(`${app.name} is at ${mount.at} no more.`);
              }}
            />
          ))}
        </ul>
      )}
      <AddMount app={app} onAdded={(at) => setSaid(`${app.name} is to be at ${at}.`)} />
      <Outcome>{said}</Outcome>
      {routes.error ? <Stale error={routes.error} retry={() => void routes.refetch()} /> : null}
      <Guests of={guests(routes.data ?? [], app)} />
    </Section>
  );
}

/** Who is at paths of the app's own hosts. */
function Guests({ of }: { of: { at: string; app: string }[] }) {
  if (of.length === 0) return null;
  return (
    <>
      <p className="faint note">At paths of its own hosts there are others:</p>
      <ul className="lines">
        {of.map(({ at, app }) => (
          <li key={at}>
            <code className="breaks">{at}</code>
            <Link to="/apps/$app/traffic" params={{ app }}>
              {app}
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}

function MountRow({
  app,
  mount: { at, seen },
  there,
  onRemoved,
}: {
  app: App;
  mount: EdgeMount;
  /** Whether it is at that place; nothing while that is not known. */
  there: boolean | undefined;
  onRemoved: () => void;
}) {
  const remove = useEdge<void>(app.name, () => ({ mounts: { [at]: null } }), onRemoved);
  return (
    <li>
      <code className="breaks">{at}</code>
      <span className="faint">
        {seen === "stripped" ? "the app sees what comes after it" : "the app sees whole paths"}
      </span>
      {there === undefined ? null : there ? (
        <Status tone="good" text="there" />
      ) : (
        <Status tone="warn" text="not there yet" />
      )}
      <Asking
        action="Remove"
        of={at}
        title={`Take ${app.name} away from ${at}?`}
        does={remove}
        className="quiet at-end"
      >
        <p>Requests there go to the app that the host leads to, at once.</p>
      </Asking>
      {there === false ? (
        <p className="faint whole">
          The host has to lead to an app of the same project; where two apps want the same place,
          the older one has it.
        </p>
      ) : null}
    </li>
  );
}

function AddMount({ app, onAdded }: { app: App; onAdded: (at: string) => void }) {
  const [text, setText] = useState("");
  const [stripped, setStripped] = useState(false);
  const at = placeOf(text);
  const add = useEdge<void>(
    app.name,
    () => ({ mounts: { [at]: stripped ? "stripped" : "whole" } }),
    () => {
      onAdded(at);
      setText("");
      setStripped(false);
    },
  );
  const send = () => {
    if (at) add.mutate();
  };
  return (
    <AskForm action="Add the path" underWay="Adding…" does={add} onSend={send}>
      <div className="fields">
        <NameField
          label="Host and path"
          help="The host has to lead to an app of the same project. The longest path that fits has a request."
          value={text}
          placeholder="shop.example/api"
          required
          onChange={setText}
        />
      </div>
      <Switch
        label="The app sees paths without it"
        help="X-Forwarded-Prefix tells it where it is."
        checked={stripped}
        onChange={setStripped}
      />
    </AskForm>
  );
}
