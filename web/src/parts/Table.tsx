// Tables whose rows become cards on a narrow screen.
//
// Their parts are blocks and grids there, and what is laid out so is no table to browsers any more: whoever
// listens would hear of no rows, columns or headings. So each part says what it is.

import type { ComponentProps, ReactNode } from "react";

export function Table({
  label,
  columns,
  actions = false,
  className = "",
  children,
}: {
  /** What is in it. */
  label: string;
  columns: readonly string[];
  /** Whether one more column has what can be done with a row. */
  actions?: boolean;
  className?: string;
  children: ReactNode;
}) {
  return (
    // biome-ignore-start lint/a11y/noRedundantRoles: CSS takes the elements their own
    <table role="table" aria-label={label} className={`rows ${className}`}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((name) => (
            <th key={name} role="columnheader" scope="col">
              {name}
            </th>
          ))}
          {actions ? (
            <th role="columnheader" scope="col">
              <span className="unseen">Actions</span>
            </th>
          ) : null}
        </tr>
      </thead>
      <tbody role="rowgroup">{children}</tbody>
    </table>
    // biome-ignore-end lint/a11y/noRedundantRoles: as above
  );
}

// biome-ignore-start lint/a11y/noRedundantRoles: as above
export const TableRow = (props: ComponentProps<"tr">) => <tr {...props} role="row" />;

/** The cell that says which row it is. */
export const RowName = ({ children }: { children: ReactNode }) => (
  <th role="rowheader" scope="row">
    {children}
  </th>
);

/** `of`: the column's name, which stands before it on a narrow screen; none for what can be done. */
export const Cell = ({
  of,
  className,
  children,
}: {
  of?: string;
  className?: string;
  children: ReactNode;
}) => (
  <td role="cell" data-label={of} className={className}>
    {/* One thing beside the column's name, whatever there is in it. */}
    <div>{children}</div>
  </td>
);
// biome-ignore-end lint/a11y/noRedundantRoles: as above
