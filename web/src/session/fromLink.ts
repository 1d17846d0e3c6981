// The token of the link that was opened, if that had one.

import { takeTokenFromAddress } from "./link";

// Once, before anything is drawn: the token stays in no address and in no history, whoever is signed in.
export const fromLink = takeTokenFromAddress();
