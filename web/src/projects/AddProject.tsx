import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { projects } from "../api/projects";
import { projectsQuery } from "../api/queries";
import { Button } from "../parts/Button";
import { Field } from "../parts/Field";
import { Refusal } from "../parts/Refusal";
import { Section } from "../parts/Section";

export function AddProject({ onAdded }: { onAdded: (name: string) => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const add = useMutation({
    mutationFn: (wanted: string) => projects.create(wanted),
    onSuccess: (made) => {
      onAdded(made.name);
      setName("");
      return queries.invalidateQueries({ queryKey: projectsQuery.queryKey });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() && !add.isPending) add.mutate(name.trim());
  };
  return (
    <Section title="New project">
      <form className="form" onSubmit={submit}>
        <div className="fields">
          <Field label="Name" help="Small letters, digits and dashes.">
            {(wired) => (
              <input
                {...wired}
                value={name}
                autoCapitalize="none"
                autoComplete="off"
                spellCheck={false}
                required
                maxLength={40}
                onChange={(event) => setName(event.target.value)}
              />
            )}
          </Field>
        </div>
        <div className="actions">
          <Button type="submit" rests={add.isPending}>
            {add.isPending ? "Creating…" : "Create project"}
          </Button>
        </div>
        <Refusal error={add.error} />
      </form>
    </Section>
  );
}
