// @vitest-environment happy-dom

import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import { answered, NoAnswer } from "../api/problem";
import { Refusal } from "./Refusal";

afterEach(cleanup);

const refused = (detail: string, field?: string, status = 422) =>
  answered(status, { title: "A field is not right", detail, field, request_id: "r1" });

it.each([
  [refused("it is too long", "time_zone"), /It is too long\. It is about: time zone\.$/],
  // It is named already.
  [refused("the time zone is unknown", "time_zone"), /The time zone is unknown\.$/],
  [refused("there is one of this name"), /There is one of this name\.$/],
  [refused("see the log", undefined, 500), /look for the request below\. Request r1\.$/],
  [new NoAnswer(undefined), /Whether it was done is not known/],
])("%s is told with what to do", (error, said) => {
  render(<Refusal error={error} />);
  expect(screen.getByRole("alert").textContent).toMatch(said);
});

it("is there before anything is said, so that what is said then is read out", () => {
  const { rerender } = render(<Refusal error={null} />);
  const place = screen.getByRole("alert");
  expect(place.textContent).toBe("");
  rerender(<Refusal error={refused("no")} />);
  expect(screen.getByRole("alert")).toBe(place);
});
