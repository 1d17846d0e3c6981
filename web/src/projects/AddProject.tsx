import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { projects } from "../api/projects";
import { projectsQuery } from "../api/queries";
import { AskForm } from "../parts/AskForm";
import { NameField } from "../parts/NameField";
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
  const send = () => {
    if (name.trim()) add.mutate(name.trim());
  };
  return (
    <Section title="New project">
      <AskForm action="Create project" underWay="Creating…" does={add} onSend={send}>
        <div className="fields">
          <NameField
            label="Name"
            help="Small letters, digits and dashes."
            value={name}
            required
            maxLength={40}
            onChange={setName}
          />
        </div>
      </AskForm>
    </Section>
  );
}
