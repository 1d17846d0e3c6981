import type { ReactNode } from "react";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { Save } from "../parts/Save";
import { Section } from "../parts/Section";
import type { useEdgeForm } from "./useEdgeForm";

/** What stands around the fields of a part of how edges serve an app. */
export function EdgeForm({
  title,
  form,
  children,
}: {
  title: string;
  form: Pick<ReturnType<typeof useEdgeForm>, "changed" | "save" | "forget" | "submit">;
  children: ReactNode;
}) {
  const { changed, save, forget, submit } = form;
  return (
    <Section title={title}>
      <form className="form" onSubmit={submit}>
        {children}
        <Save changed={changed} busy={save.isPending} onForget={forget} />
        <Outcome>{save.isSuccess ? "Saved; it holds at once." : ""}</Outcome>
        <Refusal error={save.error} />
      </form>
    </Section>
  );
}
