import type { App } from "../api/types";
import { Asking } from "../parts/Asking";
import { useEdge } from "./useEdge";

/** A user, who can be taken away. */
export function UserRow({
  app,
  user,
  last,
  onRemoved,
}: {
  app: App;
  user: string;
  last: boolean;
  onRemoved: () => void;
}) {
  const remove = useEdge<void>(app.name, () => ({ users: { [user]: null } }), onRemoved);
  return (
    <li>
      <code>{user}</code>
      <Asking
        action="Remove"
        of={user}
        title={`Take ${user} away?`}
        does={remove}
        className="quiet at-end"
      >
        <p>
          {last
            ? "It is the last one: nobody is asked for a password any more, at once."
            : `The password of ${user} is good for nothing any more, at once.`}
        </p>
      </Asking>
    </li>
  );
}
