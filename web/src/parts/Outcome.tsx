/** What came of something that was asked for: read out, without moving the focus. */
export function Outcome({ children }: { children: string }) {
  return (
    <p className="outcome" role="status">
      {children}
    </p>
  );
}
