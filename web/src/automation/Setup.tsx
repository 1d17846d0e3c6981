import type { Hook } from "../api/types";
import { CopyButton } from "../parts/CopyButton";
import { Command, Fact } from "../parts/Small";

/** What to enter at the provider. `secret`: where it was just made, and is shown this once. */
export function Setup({ hook, secret }: { hook: Hook; secret: string | undefined }) {
  const { setup } = hook;
  const url = setup.url ?? `${window.location.origin}${setup.path}`;
  return (
    <dl className="facts">
      <Fact name="Enter at">
        {hook.provider}: {setup.page}
      </Fact>
      <Fact name="URL">
        <Copied text={url} what="the webhook's URL" />
        {setup.url ? null : (
          <>
            <p className="faint">
              That is how you reach this server. Where providers reach it otherwise, say so:
            </p>
            <Command text="hythe address set https://HOST" />
          </>
        )}
      </Fact>
      {setup.content_type ? <Fact name="Content type">{setup.content_type}</Fact> : null}
      <Fact name="Secret">
        {secret ? (
          <>
            <Copied text={secret} what="the secret" />
            <p>
              <strong>It is not shown again.</strong> Enter it as: {setup.secret_field}
            </p>
          </>
        ) : (
          <>
            <p>Shown when it was made, and never again. To have another one, replace it.</p>
            <p className="faint">It is entered as: {setup.secret_field}</p>
          </>
        )}
      </Fact>
      <Fact name="Events">{setup.events.join("; ")}</Fact>
    </dl>
  );
}

function Copied({ text, what }: { text: string; what: string }) {
  return (
    <span className="copied">
      <code className="breaks">{text}</code>
      <CopyButton text={text} what={what} />
    </span>
  );
}
