import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId } from "react";
import { hooks } from "../api/automation";
import { hooksQuery } from "../api/queries";
import type { App, Hook, HookWithSecret } from "../api/types";
import { Asking } from "../parts/Asking";
import { Ago } from "../parts/Small";
import { Deliveries } from "./Deliveries";
import { Setup } from "./Setup";

/** A webhook: what deploys through it, what to enter at its provider, what came. */
export function HookCard({
  app,
  hook,
  secret,
  onSecret,
  onRemoved,
}: {
  app: App;
  hook: Hook;
  secret: string | undefined;
  onSecret: (made: HookWithSecret) => void;
  onRemoved: (hook: Hook) => void;
}) {
  const label = useId();
  const queries = useQueryClient();
  const { queryKey } = hooksQuery(app.name);
  const rotate = useMutation({
    // The secret in the answer is not kept here, too.
    gcTime: 0,
    mutationFn: () => hooks.rotate(hook.id),
    onSuccess: (made) => {
      onSecret(made);
      return queries.invalidateQueries({ queryKey });
    },
  });
  const remove = useMutation({
    mutationFn: () => hooks.remove(hook.id),
    onSuccess: () => {
      onRemoved(hook);
      return queries.invalidateQueries({ queryKey });
    },
  });
  return (
    <article className="card" aria-labelledby={label}>
      <div className="card-head">
        <h3 id={label} className="breaks">
          {hook.repository}
        </h3>
        <span>{hook.provider}</span>
        <span className="faint">
          made <Ago at={hook.created_at} />
        </span>
      </div>
      <ul>
        {hook.apps.map(({ id, name, deploys_on }) => (
          <li key={id}>
            deploys {name} on {deploys_on}
          </li>
        ))}
        {told(hook).map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
      {secret ? (
        <Setup hook={hook} secret={secret} />
      ) : (
        <details>
          <summary>What to enter at the provider</summary>
          <Setup hook={hook} secret={undefined} />
        </details>
      )}
      <Deliveries hook={hook} />
      <div className="actions">
        <Asking
          action="Replace the secret"
          of={`of ${hook.repository}`}
          title={`Give the webhook of ${hook.repository} another secret?`}
          does={rotate}
          className="quiet"
        >
          <p>
            Deliveries with the one before are refused at once, until the provider has the new one.
          </p>
        </Asking>
        <Asking
          action="Remove the webhook"
          of={`of ${hook.repository}`}
          title={`Remove the webhook of ${hook.repository}?`}
          does={remove}
          className="quiet"
        >
          <p>
            Pushes deploy {names(hook)} no more, and deliveries that come still are refused. Remove
            it at {hook.provider}, too.
          </p>
        </Asking>
      </div>
    </article>
  );
}

/** What is deployed through it. */
const names = ({ apps }: Hook) => apps.map(({ name }) => name).join(", ") || "nothing";

/** What its provider is told. */
function told({ statuses, comments, deployments }: Hook): string[] {
  return [
    statuses ? `${statuses} is told how commits fare` : "",
    comments ? `${comments} is told of previews, in comments` : "",
    deployments ? `${deployments} is told of deployments` : "",
  ].filter(Boolean);
}
