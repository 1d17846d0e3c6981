import { useQuery } from "@tanstack/react-query";
import { registries, sourceTokens } from "../api/access";
import { registriesQuery, sourceTokensQuery } from "../api/queries";
import { Logins, type LoginWords } from "./Logins";

const REGISTRIES: LoginWords = {
  title: "Registries",
  none: "Builds log in nowhere: images that they begin with, or that are deployed, are public ones.",
  place: "Registry",
  placeHelp: "As images name it: ghcr.io, docker.io, registry.example.com:5000.",
  userHelp: "Who logs in there.",
  does: (place) => `Builds log in to ${place}, from the next one on.`,
  ends: (place) => `Builds log in to ${place} no more, from the next one on.`,
};

const TOKENS: LoginWords = {
  title: "Repositories",
  none: "There is no token: repositories are reached over https where they are public.",
  place: "Repositories",
  placeHelp: "A host, or the beginning of a URL: github.com/team.",
  userHelp: "As its provider says: x-access-token at GitHub.",
  does: (place) => `Builds reach what is below ${place} with it, from the next one on.`,
  ends: (place) => `Builds reach what is below ${place} with it no more, from the next one on.`,
};

/** The logins that builds have, of all apps. */
export function AccessOfBuilds() {
  const ofRegistries = useQuery(registriesQuery);
  const ofTokens = useQuery(sourceTokensQuery);
  return (
    <>
      <Logins
        words={REGISTRIES}
        access={registries}
        queryKey={registriesQuery.queryKey}
        answer={ofRegistries}
      />
      <Logins
        words={TOKENS}
        access={sourceTokens}
        queryKey={sourceTokensQuery.queryKey}
        answer={ofTokens}
      />
    </>
  );
}
