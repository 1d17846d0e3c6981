// Answers of the API, in its real shape, for tests.

export * from "./samples/apps";
export * from "./samples/automation";
export * from "./samples/domains";
export * from "./samples/events";
export * from "./samples/server";
