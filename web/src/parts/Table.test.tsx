// @vitest-environment happy-dom

import { cleanup, render, screen, within } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import { Cell, RowName, Table, TableRow } from "./Table";

afterEach(cleanup);

it("says of each of its parts what it is, however it is laid out", () => {
  render(
    <Table label="Ships" columns={["Name", "Port"]} actions className="wraps">
      <TableRow>
        <RowName>Anna</RowName>
        <Cell of="Port">Hythe</Cell>
        <Cell>
          <button type="button">Sail</button>
        </Cell>
      </TableRow>
    </Table>,
  );
  const table = screen.getByRole("table", { name: "Ships" });
  for (const part of [table, ...table.querySelectorAll("thead, tbody, tr, th, td")]) {
    expect(part.getAttribute("role"), part.tagName).not.toBeNull();
  }
  const [head, row] = within(table).getAllByRole("row");
  const texts = (of: HTMLElement | undefined, role: string) =>
    of
      ? within(of)
          .getAllByRole(role)
          .map(({ textContent }) => textContent)
      : [];
  expect(texts(head, "columnheader")).toEqual(["Name", "Port", "Actions"]);
  expect(texts(row, "rowheader")).toEqual(["Anna"]);
  expect(texts(row, "cell")).toEqual(["Hythe", "Sail"]);
});
