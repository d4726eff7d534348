// Every request that the pages send, with what it takes and what it answers.
import type {
  ApiKey,
  ContainerAction,
  ContainerListItem,
  CoreInfo,
  JwtOrTwoFactor,
  LoginOptions,
  OnboardingKey,
  Plan,
  ServerListItem,
  SystemInformation,
  SystemStats,
  Update,
  UpdateListItem,
} from "./types";

type None = Record<string, never>;

export interface OfServer {
  server: string;
}

interface OnContainer extends OfServer {
  container: string;
  plan?: string;
  override?: string;
}

interface OnAll extends OfServer {
  exclude?: string[];
  plan?: string;
}

interface OnSeveral extends OnAll {
  containers: string[];
  action: ContainerAction;
}

/** Requests that act on containers; each is planned before it is executed. */
export interface ContainerExecutions {
  StartContainer: OnContainer;
  RestartContainer: OnContainer;
  PauseContainer: OnContainer;
  UnpauseContainer: OnContainer;
  StopContainer: OnContainer;
  DestroyContainer: OnContainer;
  StartAllContainers: OnAll;
  RestartAllContainers: OnAll;
  PauseAllContainers: OnAll;
  UnpauseAllContainers: OnAll;
  StopAllContainers: OnAll;
  PruneContainers: OnAll;
  BatchContainers: OnSeveral;
}

export type ContainerExecution = keyof ContainerExecutions;

/** An execute request, ready to be planned or sent. */
export type ContainerRequest = {
  [N in ContainerExecution]: { type: N; params: ContainerExecutions[N] };
}[ContainerExecution];

interface Reads {
  GetCoreInfo: [None, CoreInfo];
  ListServers: [None, ServerListItem[]];
  GetSystemInformation: [OfServer, SystemInformation];
  GetSystemStats: [OfServer, SystemStats];
  ListContainers: [OfServer, ContainerListItem[]];
  ListAllContainers: [{ limit: number }, ContainerListItem[]];
  InspectContainer: [OfServer & { container: string }, Record<string, unknown>];
  ListUpdates: [{ page: number }, { updates: UpdateListItem[]; next_page?: number | null }];
  GetUpdate: [{ id: string }, Update];
  ListApiKeys: [None, ApiKey[]];
  ListOnboardingKeys: [None, OnboardingKey[]];
  PlanOperation: [{ type: string; params: Record<string, unknown> }, Plan];
}

interface Writes {
  RenameServer: [{ id: string; name: string }, Update];
  UpdateServer: [{ id: string; config: { enabled?: boolean; region?: string } }, unknown];
  DeleteServer: [{ id: string }, unknown];
  CreateOnboardingKey: [
    { name: string; expires: number; privileged?: boolean; max_uses?: number },
    { private_key: string; created: OnboardingKey },
  ];
  UpdateOnboardingKey: [{ public_key: string; enabled: boolean }, OnboardingKey];
  DeleteOnboardingKey: [{ public_key: string }, OnboardingKey];
}

interface Logins {
  GetLoginOptions: [None, LoginOptions];
  SignUpLocalUser: [{ username: string; password: string; setup_token?: string }, { jwt: string }];
  LoginLocalUser: [{ username: string; password: string }, JwtOrTwoFactor];
}

interface Accounts {
  CreateApiKey: [{ name: string; expires: number }, { key: string; secret: string }];
  DeleteApiKey: [{ key: string }, None];
}

/** The requests by the module that serves them. */
export interface Operations {
  "auth/login": Logins;
  "auth/manage": Accounts;
  read: Reads;
  write: Writes;
  execute: { [N in ContainerExecution]: [ContainerExecutions[N], Update] };
}
