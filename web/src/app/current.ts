// The app that a page is about.

import { createContext, useContext } from "react";
import type { App } from "../api/types";

export const AppContext = createContext<App | undefined>(undefined);

/** The app, on pages below an app's own address. */
export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error("this is shown outside of an app's page");
  return app;
}
