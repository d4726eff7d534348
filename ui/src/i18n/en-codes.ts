// Words for what the API says by a code: actions, reasons, states, errors, names of operations.
import type { PlannedAction, ReasonCode, ServerReasonCode, UpdateStage, VerdictKind } from "../api/types";

export const number = new Intl.NumberFormat("en");
export const count = (n: number, one: string, many: string) => `${number.format(n)} ${n === 1 ? one : many}`;
export const containers = (n: number) => count(n, "container", "containers");

/** The words of one action on containers. */
export interface ActionWords {
  verb: string;
  /** Menu entry for all containers of a server. */
  all: string;
  /** Menu entry for those that are selected. */
  selected: string;
  /** Heading of the plan. */
  title: (server: string) => string;
  titleOne: (container: string) => string;
  /** Button that executes. */
  button: (n: number) => string;
  /** Heading of the group that is acted on. */
  will: (n: number) => string;
  /** Heading of the protected ones. */
  keeps: (n: number) => string;
  doing: (done: number, total: number) => string;
  did: (n: number) => string;
  pending: string;
}

export const actions: Record<PlannedAction, ActionWords> = {
  start: {
    verb: "Start",
    all: "Start all…",
    selected: "Start…",
    title: (s) => `Start containers on ${s}`,
    titleOne: (c) => `Start ${c}`,
    button: (n) => `Start ${containers(n)}`,
    will: (n) => `${number.format(n)} will be started`,
    keeps: (n) => `${number.format(n)} protected, will stay as they are`,
    doing: (d, t) => `Starting: ${number.format(d)} of ${number.format(t)}`,
    did: (n) => `${number.format(n)} started`,
    pending: "Waiting to start",
  },
  restart: {
    verb: "Restart",
    all: "Restart all…",
    selected: "Restart…",
    title: (s) => `Restart containers on ${s}`,
    titleOne: (c) => `Restart ${c}`,
    button: (n) => `Restart ${containers(n)}`,
    will: (n) => `${number.format(n)} will be restarted`,
    keeps: (n) => `${number.format(n)} protected, will keep running`,
    doing: (d, t) => `Restarting: ${number.format(d)} of ${number.format(t)}`,
    did: (n) => `${number.format(n)} restarted`,
    pending: "Waiting to restart",
  },
  pause: {
    verb: "Pause",
    all: "Pause all…",
    selected: "Pause…",
    title: (s) => `Pause containers on ${s}`,
    titleOne: (c) => `Pause ${c}`,
    button: (n) => `Pause ${containers(n)}`,
    will: (n) => `${number.format(n)} will be paused`,
    keeps: (n) => `${number.format(n)} protected, will keep running`,
    doing: (d, t) => `Pausing: ${number.format(d)} of ${number.format(t)}`,
    did: (n) => `${number.format(n)} paused`,
    pending: "Waiting to pause",
  },
  unpause: {
    verb: "Unpause",
    all: "Unpause all…",
    selected: "Unpause…",
    title: (s) => `Unpause containers on ${s}`,
    titleOne: (c) => `Unpause ${c}`,
    button: (n) => `Unpause ${containers(n)}`,
    will: (n) => `${number.format(n)} will be resumed`,
    keeps: (n) => `${number.format(n)} protected, will stay as they are`,
    doing: (d, t) => `Resuming: ${number.format(d)} of ${number.format(t)}`,
    did: (n) => `${number.format(n)} resumed`,
    pending: "Waiting to resume",
  },
  stop: {
    verb: "Stop",
    all: "Stop all…",
    selected: "Stop…",
    title: (s) => `Stop containers on ${s}`,
    titleOne: (c) => `Stop ${c}`,
    button: (n) => `Stop ${containers(n)}`,
    will: (n) => `${number.format(n)} will be stopped`,
    keeps: (n) => `${number.format(n)} protected, will keep running`,
    doing: (d, t) => `Stopping: ${number.format(d)} of ${number.format(t)}`,
    did: (n) => `${number.format(n)} stopped`,
    pending: "Waiting to stop",
  },
  destroy: {
    verb: "Destroy",
    all: "Destroy all…",
    selected: "Destroy…",
    title: (s) => `Destroy containers on ${s}`,
    titleOne: (c) => `Destroy ${c}`,
    button: (n) => `Destroy ${containers(n)}`,
    will: (n) => `${number.format(n)} will be stopped and removed`,
    keeps: (n) => `${number.format(n)} protected, will be kept`,
    doing: (d, t) => `Destroying: ${number.format(d)} of ${number.format(t)}`,
    did: (n) => `${number.format(n)} removed`,
    pending: "Waiting to be removed",
  },
  prune: {
    verb: "Prune",
    all: "Prune…",
    selected: "Prune…",
    title: (s) => `Remove stopped containers on ${s}`,
    titleOne: (c) => `Remove ${c}`,
    button: (n) => `Remove ${containers(n)}`,
    will: (n) => `${number.format(n)} will be removed`,
    keeps: (n) => `${number.format(n)} protected, will be kept`,
    doing: (d, t) => `Removing: ${number.format(d)} of ${number.format(t)}`,
    did: (n) => `${number.format(n)} removed`,
    pending: "Waiting to be removed",
  },
  undo: {
    verb: "Undo",
    all: "Undo…",
    selected: "Undo…",
    title: (s) => `Undo on ${s}`,
    titleOne: (c) => `Undo for ${c}`,
    button: (n) => `Bring back ${containers(n)}`,
    will: (n) => `${number.format(n)} will be brought back`,
    keeps: (n) => `${number.format(n)} protected, will stay as they are`,
    doing: (d, t) => `Bringing back: ${number.format(d)} of ${number.format(t)}`,
    did: (n) => `${number.format(n)} brought back`,
    pending: "Waiting to be brought back",
  },
};

export const reasons: Record<ReasonCode, string> = {
  agent: "Runs this server’s agent: without it the server could not be controlled",
  "agent-dependency": "This server’s agent depends on it",
  core: "Runs Komodo Core",
  "core-dependency": "Komodo Core depends on it",
  declared: "Its owner declared it part of the control path",
  label: "Its label leaves it out of bulk operations",
  already: "Already in that state",
  "not-applicable": "Does not apply to its state",
  excluded: "Left out by you",
  gone: "No longer there",
  canceled: "Not tried: the operation was canceled before",
  "changed-since": "Changed by somebody else since, so it is left alone",
};

export const serverReasons: Record<ServerReasonCode, string> = {
  never_connected: "No agent has connected yet",
  unreachable: "The agent is not connected",
  agent_stopped: "The agent was stopped on the host",
  detached: "Detached on purpose",
  handed_over: "A helper on the host restarts or updates the agent",
  key_refused: "An agent with another key asks to connect and is refused",
  docker: "Docker does not answer on the host",
};

export const verdicts: Record<VerdictKind, string> = {
  done: "Done",
  unchanged: "Unchanged",
  skipped: "Skipped",
  failed: "Failed",
  unknown: "Unknown",
};

/** What an open operation is at. */
export const stages: Record<UpdateStage, string> = {
  queued: "Waits for its server",
  sending: "Sending the program to the agent",
  asking: "Asking the agent to begin",
  acting: "Under way",
  canceling: "Being canceled",
  waiting: "Waits for its agent",
  settling: "Looking at what cannot be told",
  handed_over: "Handed over to a helper on the host",
  probation: "Back, and watched before it counts",
};

/** Steps in the story of an operation, by the name that Core gives them; others are shown as they are. */
export const steps: Record<string, string> = {
  "Hand over": "Handed over",
  Confirm: "Confirmed",
  "Roll back": "Rolled back",
  Detach: "Detached",
  Back: "Came back",
  Database: "Database of Komodo Core",
  Order: "Could not be carried out",
  Refused: "Refused",
  Queue: "Waited for its server",
  Settle: "Settled from what was found",
  Store: "Kept",
  Override: "Done in spite of protection",
  Cancel: "Canceled",
  Halt: "Halted",
  Canary: "First and alone",
};

/** What errors mean, by their stable code. The sentence of Core follows as the detail. */
export const errors: Record<string, string> = {
  bad_json: "The request could not be read",
  invalid: "A value is not allowed",
  unauthenticated: "Wrong name or password",
  account_disabled: "This account is not enabled; an administrator can enable it",
  forbidden: "You do not have the right to do this; an administrator can grant it",
  not_found: "Not found, or not yours to read",
  method_not_allowed: "Komodo Core does not know this request",
  conflict: "The name is taken",
  protected: "The container is protected",
  busy: "Another operation is running on it",
  plan_drifted: "Things changed since the plan was made",
  body_too_large: "The request is too large",
  unsupported_media_type: "The request could not be read",
  unprocessable: "The request has the wrong form",
  too_many_attempts: "Too many attempts; wait a moment",
  internal: "Something went wrong inside Komodo Core",
  not_built: "This is not built yet",
  bad_agent: "The agent answered with something that cannot be understood",
  server_unreachable: "The server’s agent is not connected",
  engine_unreachable: "Docker does not answer on the server",
  storage_full: "The disk of Komodo Core is full",
  journal_full: "The journal of the agent is full",
  deadline_exceeded: "No answer in time",
  server_disabled: "The server is disabled",
  not_cancelable: "It has ended, so there is nothing to cancel",
  not_undoable: "There is nothing that could be brought back",
  network: "Komodo Core cannot be reached",
  deadline: "No answer in time",
};

/** What was done, by the name of its request. */
export const operations: Record<string, string> = {
  StartContainer: "Start container",
  RestartContainer: "Restart container",
  PauseContainer: "Pause container",
  UnpauseContainer: "Unpause container",
  StopContainer: "Stop container",
  DestroyContainer: "Destroy container",
  StartAllContainers: "Start all containers",
  RestartAllContainers: "Restart all containers",
  PauseAllContainers: "Pause all containers",
  UnpauseAllContainers: "Unpause all containers",
  StopAllContainers: "Stop all containers",
  PruneContainers: "Prune containers",
  BatchContainers: "Act on several containers",
  RestartPeriphery: "Restart agent",
  UpdatePeriphery: "Update agent",
  RollPeriphery: "Update agents in waves",
  UndoUpdate: "Undo",
  CancelUpdate: "Cancel",
  CreateServer: "Create server",
  UpdateServer: "Change server",
  RenameServer: "Rename server",
  DeleteServer: "Remove server",
  UpdateServerKey: "Change key of server",
};
