import type { ComponentProps } from "react";

/**
 * A button that can rest: while what it asked for is under way, or where there is nothing to send.
 * Disabled, it would lose the focus, and who uses the keyboard their place.
 */
export function Button({
  rests,
  type = "button",
  onClick,
  ...rest
}: Omit<ComponentProps<"button">, "disabled"> & { rests: boolean }) {
  return (
    <button
      {...rest}
      type={type}
      aria-disabled={rests || undefined}
      onClick={(event) => {
        // It keeps a form from being sent, too: Enter in a field clicks the form's button.
        if (rests) event.preventDefault();
        else onClick?.(event);
      }}
    />
  );
}
