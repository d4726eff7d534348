// The entities of the public API that the pages speak of, mirroring `crates/api`.

export type ContainerState =
  | "running"
  | "created"
  | "restarting"
  | "stopping"
  | "removing"
  | "paused"
  | "exited"
  | "dead"
  | "";

export type ContainerAction = "start" | "restart" | "pause" | "unpause" | "stop" | "destroy" | "prune";

export type ReasonCode =
  | "agent"
  | "agent-dependency"
  | "core"
  | "core-dependency"
  | "declared"
  | "label"
  | "already"
  | "not-applicable"
  | "excluded"
  | "gone";

export interface Reason {
  reason: ReasonCode;
  detail?: string | null;
}

export interface Port {
  IP?: string | null;
  PrivatePort?: number;
  PublicPort?: number | null;
  Type?: "" | "tcp" | "udp" | "sctp";
}

export interface ContainerListItem {
  server_id?: string | null;
  server_name?: string | null;
  name: string;
  id?: string | null;
  image?: string | null;
  /** Unix seconds. */
  created?: number | null;
  state: ContainerState;
  status?: string | null;
  networks?: string[];
  ports?: Port[];
  protected?: Reason[];
  project?: string | null;
  health?: string | null;
  started_at?: number | null;
  stale_since?: number | null;
}

export type ServerState = "Ok" | "NotOk" | "Disabled";
export type ServerReasonCode = "never_connected" | "unreachable" | "agent_stopped" | "key_refused" | "docker";

export interface ServerReason {
  code: ServerReasonCode;
  why: string;
  since?: number | null;
}

export interface LoadAverage {
  one: number;
  five: number;
  fifteen: number;
}

/** Sizes in GiB, network in bytes since the sample before. */
export interface MinimalSystemStats {
  cpu_perc: number;
  load_average: LoadAverage;
  mem_used_gb: number;
  mem_total_gb: number;
  swap_total_gb: number;
  swap_used_gb: number;
  disk_total_gb: number;
  disk_used_gb: number;
  network_ingress_bytes: number;
  network_egress_bytes: number;
  polling_rate: string;
  refresh_ts: number;
}

export interface ContainerCounts {
  total: number;
  running: number;
  paused: number;
  unhealthy: number;
}

export interface ServerListItemInfo {
  state: ServerState;
  stats?: MinimalSystemStats | null;
  alerting_thresholds: {
    cpu_warning: number;
    cpu_critical: number;
    mem_warning: number;
    mem_critical: number;
    disk_warning: number;
    disk_critical: number;
  };
  core_count?: number | null;
  logical_core_count?: number | null;
  region: string;
  version?: string | null;
  attempted_public_key?: string | null;
  reason?: ServerReason | null;
  last_seen?: number | null;
  containers?: ContainerCounts | null;
  boot_ts?: number | null;
}

export interface ServerListItem {
  id: string;
  name: string;
  tags: string[];
  info: ServerListItemInfo;
}

export interface SystemInformation {
  name?: string | null;
  os?: string | null;
  kernel?: string | null;
  core_count?: number | null;
  logical_core_count?: number | null;
  host_name?: string | null;
  cpu_brand?: string;
  cpu_arch?: string;
}

export interface DiskUsage {
  mount: string;
  file_system: string;
  used_gb: number;
  total_gb: number;
}

export interface SystemStats {
  disks: DiskUsage[];
}

export type VerdictKind = "done" | "unchanged" | "skipped" | "failed" | "unknown";

export interface Verdict {
  container: string;
  id: string;
  verdict: VerdictKind;
  reason?: Reason | null;
  error?: string | null;
  before?: ContainerState | null;
  after?: ContainerState | null;
  at: number;
}

export interface WaitingFor {
  server: string;
  last_contact?: number | null;
  why?: string | null;
}

export interface ResourceTarget {
  type: string;
  id: string;
}

export type UpdateStatus = "Queued" | "InProgress" | "Complete";

export interface UpdateLog {
  stage: string;
  command: string;
  stdout: string;
  stderr: string;
  success: boolean;
  start_ts: number;
  end_ts: number;
}

interface UpdateHead {
  operation: string;
  start_ts: number;
  success: boolean;
  operator: string;
  target: ResourceTarget;
  status: UpdateStatus;
  request?: string | null;
  end_ts?: number | null;
  waiting_for?: WaitingFor | null;
}

export interface UpdateListItem extends UpdateHead {
  id: string;
  username: string;
}

export interface Update extends UpdateHead {
  _id?: { $oid?: string } | null;
  logs: UpdateLog[];
  verdicts?: Verdict[];
  targets?: number | null;
  deadline?: number | null;
  prev_toml?: string;
  current_toml?: string;
}

export type Effect = "act" | "skip" | "refuse";

export interface PlanItem {
  container: string;
  id: string;
  state: ContainerState;
  image?: string | null;
  project?: string | null;
  effect: Effect;
  reason?: Reason | null;
  protected?: Reason[];
  dependants?: string[];
  ports?: string[];
  after?: string[];
  comes_back?: boolean;
  bytes?: number | null;
}

export interface PlanCounts {
  act: number;
  protected: number;
  unchanged: number;
  excluded: number;
  refused: number;
}

export interface Plan {
  hash: string;
  operation: string;
  server: string;
  server_name: string;
  items: PlanItem[];
  counts: PlanCounts;
  warnings: string[];
  undo: boolean;
  as_of: number;
}

export interface LoginOptions {
  local: boolean;
  oidc: boolean;
  github: boolean;
  google: boolean;
  registration_disabled: boolean;
}

export type JwtOrTwoFactor =
  | { type: "Jwt"; data: { jwt: string } }
  | { type: "Passkey"; data: unknown }
  | { type: "Totp"; data: Record<string, never> };

export interface ApiKey {
  key: string;
  name: string;
  created_at: number;
  /** Unix ms; 0 is never. */
  expires: number;
}

export interface OnboardingKey {
  public_key: string;
  enabled: boolean;
  /** Unix ms; 0 is never. */
  expires: number;
  name: string;
  onboarded: string[];
  created_at: number;
  max_uses?: number | null;
}

export interface User {
  _id?: { $oid?: string } | null;
  username: string;
  enabled?: boolean;
  admin?: boolean;
  super_admin?: boolean;
}

export interface CoreInfo {
  title: string;
  ui_write_disabled: boolean;
  public_key: string;
}

/** Lines of a log as the live feed sends them. */
export interface LogLine {
  /** RFC 3339 with nanoseconds; empty where the Engine gave none. */
  t: string;
  s: "stdout" | "stderr";
  l: string;
}
