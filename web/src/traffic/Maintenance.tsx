import type { App, EdgeSettings } from "../api/types";
import { Asking } from "../parts/Asking";
import { Button } from "../parts/Button";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { Section } from "../parts/Section";
import { useFocusBack } from "../parts/useFocusBack";
import { Warning } from "../parts/Warning";
import { useEdge } from "./useEdge";

/** The page that says that an app is being worked on. */
export function Maintenance({ app, settings }: { app: App; settings: EdgeSettings }) {
  // Either button goes with what it did.
  const { heading, leave } = useFocusBack();
  const begin = useEdge<void>(app.name, () => ({ maintenance: true }), leave);
  const end = useEdge<void>(app.name, () => ({ maintenance: false }), leave);
  return (
    <Section title="Maintenance" heading={heading}>
      {settings.maintenance ? (
        <>
          <Warning title="Everybody gets the maintenance page">
            <p>{app.name} runs, and no request reaches it.</p>
          </Warning>
          <Button
            className="primary"
            rests={end.isPending}
            onClick={() => {
              begin.reset();
              end.mutate();
            }}
          >
            End the maintenance
          </Button>
        </>
      ) : (
        <>
          <p className="faint note">Requests get the app.</p>
          <Asking
            action="Show the maintenance page"
            title={`Show everybody the maintenance page of ${app.name}?`}
            does={begin}
          >
            <p>
              At once, whoever asks for {app.name} gets a page that says that it is being worked on,
              until the maintenance is ended.
            </p>
          </Asking>
        </>
      )}
      <Outcome>
        {end.isSuccess && !settings.maintenance ? `${app.name} answers again.` : ""}
      </Outcome>
      <Refusal error={end.error} />
    </Section>
  );
}
