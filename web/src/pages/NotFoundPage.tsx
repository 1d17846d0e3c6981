import { Link } from "@tanstack/react-router";
import { Heading } from "../parts/Small";

export function NotFoundPage() {
  return (
    <div className="page narrow">
      <Heading title="Nothing here">Nothing here</Heading>
      <p>There is no page at this address.</p>
      <p>
        <Link to="/">All apps</Link>
      </p>
    </div>
  );
}
