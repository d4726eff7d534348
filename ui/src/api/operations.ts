// The requests of the public API by module and name, with what each takes and answers. Derived from the schema.
import type { paths } from "./schema";

export type Module = "auth/login" | "auth/manage" | "read" | "write" | "execute";

/** Names of the requests of a module. */
export type Name<M extends Module> = keyof paths extends infer P ? (P extends `/${M}/${infer N}` ? N : never) : never;

type Post<M extends Module, N extends string> = `/${M}/${N}` extends keyof paths ? paths[`/${M}/${N}`]["post"] : never;

/** What a request takes. */
export type Params<M extends Module, N extends string> =
  Post<M, N> extends { requestBody: { content: { "application/json": infer B } } } ? B : never;

/** What a request answers. */
export type Answer<M extends Module, N extends string> =
  Post<M, N> extends { responses: { 200: { content: { "application/json": infer B } } } } ? B : never;

/** A request that acts on containers, or undoes one; each is planned before it is executed. */
export type PlannedExecution = Exclude<Name<"execute">, "CancelUpdate" | "RollPeriphery">;

/** An execute request, ready to be planned or sent. */
export type PlannedRequest = {
  [N in PlannedExecution]: { type: N; params: Params<"execute", N> };
}[PlannedExecution];

/** One that names its containers and its server itself. */
export type ContainerRequest = Exclude<PlannedRequest, { type: "UndoUpdate" | "UpdatePeriphery" | "RestartPeriphery" }>;
export type ContainerExecution = ContainerRequest["type"];
