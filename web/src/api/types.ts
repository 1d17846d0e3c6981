// The names of the API's types; what they are is in the OpenAPI document.

import type { components } from "./schema.gen";

type Schemas = components["schemas"];

export type App = Schemas["App"];
export type AppSettings = Schemas["AppSettings"];
export type AppStatus = Schemas["AppStatus"];
export type Deployment = Schemas["Deployment"];
export type DeploymentRef = Schemas["DeploymentRef"];
export type DeploymentStatus = Schemas["DeploymentStatus"];
export type Domain = Schemas["Domain"];
export type DomainList = Schemas["DomainList"];
export type Failure = Schemas["Failure"];
export type LogItem = Schemas["LogItem"];
export type LogPage = Schemas["LogPage"];
export type Problem = Schemas["Problem"];
export type Replica = Schemas["Replica"];
export type ReplicaState = Schemas["ReplicaState"];
export type Session = Schemas["Session"];
