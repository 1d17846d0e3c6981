import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { deleted } from "../api/deleted";
import { appsQuery, deletedQuery } from "../api/first";
import type { App } from "../api/types";
import { Asking } from "../parts/Asking";
import { NameField } from "../parts/NameField";
import { Section } from "../parts/Section";

/** Takes the app away; for a day it can be had back. */
export function DeleteApp({ app }: { app: App }) {
  const { name } = app;
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const [wrong, setWrong] = useState<string>();
  const remove = useMutation({
    mutationFn: () => deleted.remove(name),
    onSuccess: () => {
      // What was changed of it and not saved is gone with it.
      navigate({ to: "/", ignoreBlocker: true });
      queries.invalidateQueries({ queryKey: appsQuery.queryKey });
      queries.invalidateQueries({ queryKey: deletedQuery.queryKey });
    },
  });
  return (
    <Section title="Delete the app">
      <p className="faint note">
        Its replicas end once they have answered what they were asked, and its name and domains are
        free. For a day it can be restored as it was, from the list of apps. Volumes stay.
      </p>
      <Asking
        action="Delete"
        of={name}
        title={`Delete ${name}?`}
        does={remove}
        ready={() => {
          const fits = typed.trim() === name;
          setWrong(fits ? undefined : `Type ${name}.`);
          return fits;
        }}
      >
        <p>Nothing of it runs then, and its addresses lead nowhere.</p>
        <NameField
          label={`To be sure, its name: ${name}`}
          wrong={wrong}
          value={typed}
          onChange={setTyped}
        />
      </Asking>
    </Section>
  );
}
