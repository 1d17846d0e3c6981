import { advice, problemOf } from "../api/problem";
import { sentence, words } from "../format/text";

/** Why something was not done, and what to do, right where it was asked for. */
export function Refusal({ error }: { error: unknown }) {
  // Always there: what is put into it is read out, and not only shown.
  return (
    <div role="alert" className="refusal-place">
      {error ? <Why error={error} /> : null}
    </div>
  );
}

/** Which field it is about, where what is said does not name it: a form may have many. */
function Which({ field, detail }: { field: string | null | undefined; detail: string }) {
  if (!field || words(detail.toLowerCase()).includes(words(field))) return null;
  return <> It is about: {words(field)}.</>;
}

function Why({ error }: { error: unknown }) {
  const problem = problemOf(error);
  const todo = advice(problem, true);
  return (
    <p className="refusal">
      <strong>{problem.title}.</strong> {sentence(problem.detail)}
      {todo ? ` ${todo}` : null}
      <Which field={problem.field} detail={problem.detail} />
      {problem.status >= 500 && problem.request_id ? (
        <>
          {" "}
          Request <code>{problem.request_id}</code>.
        </>
      ) : null}
    </p>
  );
}
