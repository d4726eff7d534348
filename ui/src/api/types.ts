// The entities of the public API under the names that the pages use. Everything comes from the generated schema.
import type { components } from "./schema";

type Schemas = components["schemas"];

export type ContainerState = Schemas["ContainerStateStatusEnum"];
export type ContainerAction = Schemas["ContainerAction"];
/** What a plan can be of: an action on containers, or bringing back what one changed. */
export type PlannedAction = ContainerAction | "undo";
export type ContainerListItem = Schemas["ContainerListItem"];
export type ContainerCounts = Schemas["ContainerCounts"];
export type Port = Schemas["Port"];
export type Reason = Schemas["Reason"];
export type ReasonCode = Schemas["ReasonCode"];

export type ServerState = Schemas["ServerState"];
export type ServerReason = Schemas["ServerReason"];
export type ServerReasonCode = Schemas["ServerReasonCode"];
export type ServerListItemInfo = Schemas["ServerListItemInfo"];
export type MinimalSystemStats = Schemas["MinimalSystemStats"];
export type ServerListItem = Schemas["ResourceListItem"];
export type ServerAgent = Schemas["ServerAgent"];
/** A program of the agent that Core serves. */
export type Program = Schemas["Program"];

export type Plan = Schemas["Plan"];
export type PlanItem = Schemas["PlanItem"];

export type Update = Schemas["Update"];
export type UpdateListItem = Schemas["UpdateListItem"];
export type UpdateLog = Schemas["Log"];
export type UpdateStatus = Schemas["UpdateStatus"];
export type Verdict = Schemas["Verdict"];
export type VerdictKind = Schemas["VerdictKind"];
export type UpdateStage = Schemas["Stage"];
export type Sent = Schemas["Sent"];
export type WaitingFor = Schemas["WaitingFor"];

export type Alert = Schemas["Alert"];
export type AlertData = Schemas["AlertData"];
export type SeverityLevel = Schemas["SeverityLevel"];

export type ApiKey = Schemas["ApiKey"];
export type OnboardingKey = Schemas["OnboardingKey"];
export type User = Schemas["User"];
export type ErrorCode = Schemas["Code"];

/** A line of a log as the live feed sends it, which is no part of the schema. */
export interface LogLine {
  /** RFC 3339 with nanoseconds; empty where the Engine gave none. */
  t: string;
  s: "stdout" | "stderr";
  l: string;
}
