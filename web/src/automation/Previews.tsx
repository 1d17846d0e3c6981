import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { previews as api } from "../api/automation";
import { previewsQuery } from "../api/queries";
import type { App, Preview, PreviewList } from "../api/types";
import { usePolling } from "../live/live";
import { Asking } from "../parts/Asking";
import { Button } from "../parts/Button";
import { Answered } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { Section } from "../parts/Section";
import { Command, Fact } from "../parts/Small";
import { useFocusBack } from "../parts/useFocusBack";
import { PreviewTable } from "./PreviewTable";
import { made } from "./previews";

/** Which pull requests they are of. */
const all = (items: Preview[]) => items.map(({ number }) => `#${number}`).join(", ");

/** The pull requests that have an app of their own. */
export function Previews({ app }: { app: App }) {
  const previews = useQuery({ ...previewsQuery(app.name), refetchInterval: usePolling() });
  const queries = useQueryClient();
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  const set = (on: boolean, text: string) => ({
    mutationFn: () => api.update(app.name, { on }),
    onSuccess: (now: PreviewList) => {
      queries.setQueryData(previewsQuery(app.name).queryKey, now);
      leave();
      setSaid(text);
    },
  });
  const begin = useMutation(set(true, "Pull requests get previews from now on."));
  const end = useMutation(
    set(false, "Pull requests get no previews any more; those there are go."),
  );
  const onRemoved = (number: number) => {
    leave();
    setSaid(`The preview of #${number} goes. The next push to it makes one again.`);
  };
  return (
    <Section title="Previews" heading={heading}>
      <Outcome>{said}</Outcome>
      <Answered answer={previews} what="previews">
        {({ settings, items }) => (
          <>
            {settings.on ? null : (
              <div className="empty">
                <p>
                  Pull requests get no previews. With them, each open one for the app's branch has
                  an app of its own, at an address of its own. On the command line, where more can
                  be said of them:
                </p>
                <Command text={`hythe preview on ${app.name}`} />
                <div className="actions">
                  <Button
                    className="primary"
                    rests={begin.isPending}
                    onClick={() => begin.mutate()}
                  >
                    Give pull requests previews
                  </Button>
                </div>
                <Refusal error={begin.error} />
              </div>
            )}
            {items.length > 0 ? (
              <PreviewTable app={app} items={items} onRemoved={onRemoved} />
            ) : settings.on ? (
              <p className="faint note">
                No pull request has a preview now. What came is among the webhook's deliveries.
              </p>
            ) : null}
            {settings.on ? (
              <>
                <dl className="facts">
                  {made(settings, items.length).map(([name, text]) => (
                    <Fact key={name} name={name}>
                      <span className="breaks">{text}</span>
                    </Fact>
                  ))}
                </dl>
                <Command text={`hythe preview on ${app.name} --most 5 --keep 14d`} />
                <Asking
                  action="Have no previews"
                  title={`Give pull requests of ${app.name} no previews?`}
                  does={end}
                  className="quiet"
                >
                  <p>
                    {items.length === 0
                      ? "There is none now, and none is made any more."
                      : `At once, the apps of ${all(items)} go.`}
                  </p>
                </Asking>
              </>
            ) : null}
          </>
        )}
      </Answered>
    </Section>
  );
}
