import type { App, EdgeProtocol, EdgeSettings, EdgeWww } from "../api/types";
import { Choice } from "../parts/Choice";
import { Field } from "../parts/Field";
import { Switch } from "../parts/Switch";
import { changeOf, draftOf } from "./draft";
import { EdgeForm } from "./EdgeForm";
import { useEdgeForm } from "./useEdgeForm";

const WWW = [
  ["both", "Both serve"],
  ["remove", "The one with www. leads to the one without"],
  ["add", "The one without leads to the one with www."],
] as const satisfies [EdgeWww, string][];

const PROTOCOLS = [
  ["http1", "HTTP/1.1"],
  ["h2c", "HTTP/2 without TLS, as gRPC servers do"],
] as const satisfies [EdgeProtocol, string][];

/** What stands between clients and the app: limits, and how answers go. */
export function Serving({ app, settings }: { app: App; settings: EdgeSettings }) {
  const form = useEdgeForm(app, draftOf(settings), (draft) => changeOf(settings, draft));
  const { draft, wrong, set } = form;
  const text = (field: TextField, label: string, help: string) => (
    <Field label={label} help={help} wrong={wrong?.[field]}>
      {(wired) => (
        <input
          {...wired}
          value={draft[field]}
          inputMode={field === "body" ? "text" : "decimal"}
          autoComplete="off"
          onChange={(event) => set({ [field]: event.target.value })}
        />
      )}
    </Field>
  );
  return (
    <EdgeForm title="Limits and answers" form={form}>
      <div className="fields">
        {text(
          "perSecond",
          "Requests a second",
          "From one client address, in the long run; empty for no limit.",
        )}
        {text("burst", "Requests at once", "Empty for as many as in two seconds.")}
        {text("body", "Largest request body", "Such as 10M; empty for no limit.")}
        {text("answer", "An answer begins within", "Seconds; empty for the usual 600.")}
        {text(
          "wait",
          "Wait for a start",
          "Seconds that a request waits for an app that is starting; 0 for not at all.",
        )}
        {text(
          "sleep",
          "Sleep after",
          "Seconds without a request after which its replicas stop until the next one; empty for never.",
        )}
        <Choice
          label="Hosts that differ by www. only"
          value={draft.www}
          options={WWW}
          onChange={(www) => set({ www })}
        />
        <Choice
          label="The app speaks"
          value={draft.protocol}
          options={PROTOCOLS}
          onChange={(protocol) => set({ protocol })}
        />
      </div>
      <Switch
        label="Sticky"
        help="A client stays with the replica that answered it first, by a cookie."
        checked={draft.sticky}
        onChange={(sticky) => set({ sticky })}
      />
      <Switch
        label="Compress"
        help="Answers that the app left as they are get compressed."
        checked={draft.compress}
        onChange={(compress) => set({ compress })}
      />
      <Switch
        label="Tell requests"
        help="What each request came to is in the app's log of requests, without queries and cookies."
        checked={draft.accessLog}
        onChange={(accessLog) => set({ accessLog })}
      />
    </EdgeForm>
  );
}

type TextField = "perSecond" | "burst" | "body" | "answer" | "wait" | "sleep";
