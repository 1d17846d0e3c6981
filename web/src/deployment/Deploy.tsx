import { useState } from "react";
import { api } from "../api/client";
import type { App } from "../api/types";
import { Asking } from "../parts/Asking";
import { Field } from "../parts/Field";
import { Switch } from "../parts/Switch";
import {
  ALL_AT_ONCE,
  asked,
  type DeployDraft,
  type DeployWrong,
  hasSource,
  noCanary,
  whatComes,
} from "./deploy";
import { useDeployment } from "./useDeployment";

/** Deploys what the app is made from, all at once or with a part of the requests first. */
export function Deploy({ app }: { app: App }) {
  const [draft, setDraft] = useState(ALL_AT_ONCE);
  const [wrong, setWrong] = useState<DeployWrong>({});
  const found = asked(draft);
  const deploy = useDeployment(app.name, () => api.deploy(app.name, found.body));
  // A preview is what its pull request says.
  if (app.preview || !hasSource(app.settings)) return null;
  return (
    <Asking
      action="Deploy"
      title={`Deploy ${app.name}?`}
      does={deploy}
      harmless
      ready={() => {
        setWrong(found.wrong);
        return Object.keys(found.wrong).length === 0;
      }}
    >
      <p>
        {whatComes(app.settings)}, with the settings and variables of now.
        {app.live ? " What has the traffic serves until the new version is healthy." : null}
      </p>
      <AsCanary app={app} draft={draft} wrong={wrong} onChange={setDraft} />
    </Asking>
  );
}

function AsCanary({
  app,
  draft,
  wrong,
  onChange,
}: {
  app: App;
  draft: DeployDraft;
  wrong: DeployWrong;
  onChange: (draft: DeployDraft) => void;
}) {
  const why = noCanary(app);
  if (why) return <p className="faint">{why}</p>;
  const number = (field: "percent" | "hours", label: string) => (
    <Field label={label} wrong={wrong[field]}>
      {(wired) => (
        <input
          {...wired}
          value={draft[field]}
          inputMode="numeric"
          autoComplete="off"
          onChange={(event) => onChange({ ...draft, [field]: event.target.value })}
        />
      )}
    </Field>
  );
  return (
    <>
      <Switch
        label="As a canary"
        help="It takes a part of the requests first, until somebody promotes it or takes it back."
        checked={draft.canary}
        onChange={(canary) => onChange({ ...draft, canary })}
      />
      {draft.canary ? (
        <>
          {number("percent", "Its part of the requests, in per cent")}
          {number("hours", "Taken back by itself after so many hours")}
        </>
      ) : null}
    </>
  );
}
