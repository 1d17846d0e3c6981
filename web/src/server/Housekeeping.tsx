import { useMutation } from "@tanstack/react-query";
import { server } from "../api/server";
import type { Housekeeping as Found, WorkerHousekeeping } from "../api/types";
import { bytes, counted, sentence } from "../format/text";
import { Asking } from "../parts/Asking";
import { Button } from "../parts/Button";
import { Outcome } from "../parts/Outcome";
import { Refusal } from "../parts/Refusal";
import { Section } from "../parts/Section";
import { None } from "../parts/Small";
import { Cell, RowName, Table, TableRow } from "../parts/Table";
import { useFocusBack } from "../parts/useFocusBack";
import { Warning } from "../parts/Warning";
import { going, kept, mayGo, remarks, together, went } from "./housekeeping";

/** What images, build cache and uploads take, and what of them nobody needs any more. */
export function Housekeeping() {
  // Not asked by itself: every worker looks through its images for it.
  const look = useMutation({ mutationFn: server.housekeeping });
  const { heading, leave } = useFocusBack();
  const clear = useMutation({
    mutationFn: server.letGo,
    onSuccess: () => {
      // The button that was asked with goes with what it was about.
      leave();
      look.reset();
    },
  });
  const done = look.data ?? clear.data;
  return (
    <Section title="Housekeeping" heading={heading}>
      <p className="faint note">
        What nobody can go back to any more goes by itself, every quarter of an hour.
      </p>
      <div className="actions">
        <Button
          rests={look.isPending || clear.isPending}
          onClick={() => {
            clear.reset();
            look.mutate();
          }}
        >
          {look.isPending ? "Looking…" : "Look what may go"}
        </Button>
        {look.data && mayGo(look.data) ? (
          <Asking
            action="Let it go now"
            title="Let go of what may go?"
            does={clear}
            className="quiet"
          >
            <p>What goes: {going(look.data)}. Volumes stay.</p>
          </Asking>
        ) : null}
      </div>
      <Outcome>{said(look.data, clear.data)}</Outcome>
      <Refusal error={look.error} />
      {done ? <Remarks found={done} /> : null}
      {look.data ? <WhatThereIs found={look.data} /> : null}
    </Section>
  );
}

function said(look: Found | undefined, cleared: Found | undefined): string {
  if (cleared) return went(cleared);
  if (!look) return "";
  return mayGo(look) ? "" : "Nothing may go.";
}

function Remarks({ found }: { found: Found }) {
  const texts = remarks(found);
  if (texts.length === 0) return null;
  return (
    <Warning title="Not all of it could be done">
      <ul>
        {texts.map((text) => (
          <li key={text} className="breaks">
            {sentence(text)}
          </li>
        ))}
      </ul>
    </Warning>
  );
}

function WhatThereIs({ found }: { found: Found }) {
  const { workers, uploads } = found;
  return (
    <>
      {workers.length === 0 ? (
        <p className="faint">No worker is heard of; nothing is known of its images.</p>
      ) : (
        <Table
          label="What workers keep"
          columns={["Worker", "Images", "Build cache", "Disk"]}
          className="wraps"
        >
          {workers.map((worker) => (
            <WorkerRow key={worker.id} worker={worker} />
          ))}
        </Table>
      )}
      {uploads && uploads.count > 0 ? (
        <p>
          {counted(uploads.count, "upload")}, {bytes(uploads.bytes)};{" "}
          {goes(uploads.going.length, together(uploads.going))}
        </p>
      ) : null}
      <Going found={found} />
      <div className="faint">
        <p>What stays:</p>
        <ul>
          {kept(found).map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      </div>
    </>
  );
}

function WorkerRow({ worker }: { worker: WorkerHousekeeping }) {
  const { name, images, image_bytes, going, cache_bytes, cache_going } = worker;
  return (
    <TableRow>
      <RowName>{name}</RowName>
      <Cell of="Images">
        {images}, {bytes(image_bytes)}; {goes(going.length, together(going))}
      </Cell>
      <Cell of="Build cache">
        {bytes(cache_bytes)}; {goes(cache_going.length, together(cache_going))}
      </Cell>
      <Cell of="Disk">
        {worker.disk_free_bytes == null ? <None /> : `${bytes(worker.disk_free_bytes)} left`}
      </Cell>
    </TableRow>
  );
}

const goes = (count: number, size: number) =>
  count === 0 ? "all of it stays" : `${count} may go, ${bytes(size)}`;

/** Each image that may go, and why. */
function Going({ found: { workers } }: { found: Found }) {
  const images = workers.flatMap(({ name, going }) => going.map((image) => ({ name, ...image })));
  if (images.length === 0) return null;
  return (
    <ul className="lines">
      {images.map(({ name, deployment, app_name, bytes: size, why }) => (
        <li key={`${name}/${deployment}`}>
          <span className="breaks">an image of {app_name ?? "an app that is gone"}</span>
          <span className="faint">
            on {name}, {bytes(size)} at the most
          </span>
          <span className="faint breaks">{why}</span>
        </li>
      ))}
    </ul>
  );
}
