// Words of operations on the agent and on Core themselves: handed over, let go on purpose, updated.
import { number } from "./en-codes";

export const handOver = {
  will: (n: number) => `${number.format(n)} handed over to a helper on the host`,
  restarts: "The helper stops it and starts it again.",
  service: "The service that this server’s agent runs as",
  exchanges: (version: string) =>
    `The helper puts the program of version ${version} in the place of the old one, and starts the service again.`,
  replaces:
    "The helper puts a new container in its place: same configuration, from the same image name, looked up anew.",
  replacesBy: (image: string) => `The helper puts a new container in its place: same configuration, from ${image}.`,
  ports: (ports: string) => `Ports that go dark for a moment: ${ports}`,
  proof: (time: string) =>
    `It counts as done only when Komodo Core has reached it again and has watched it for ${time} without a break.`,
  proofAny:
    "It counts as done only when Komodo Core has reached it again and has watched it for a while without a break.",
  rollBack: "Where that is not confirmed in time, the helper puts it back exactly as it was.",
  noRollBack:
    "It stays what it is, so there is nothing to go back to: where it does not start, the helper tries again for some minutes, and the result says so.",
  away: "The link to the server goes meanwhile and comes back. The other containers keep running.",
  awayCore: "Komodo Core is away meanwhile; this page connects again by itself. All containers keep running.",
  restart: (container: string) => `Restart ${container} through a helper`,
  replace: (container: string) => `Replace ${container} through a helper`,
  exchange: (version: string) => `Update to ${version} through a helper`,
  pending: "With the helper",
  acts: "A helper on the host stops it and starts it again. The link goes meanwhile and comes back; what is shown is the last view.",
  until: (at: string) => `If it is not confirmed by ${at}, the helper puts back what it has replaced.`,
  watched:
    "It is connected again. Komodo Core watches it for a while before it counts; should it fail, the helper puts back what it has replaced.",
  left: (text: string) => `Confirmed in ${text} if nothing happens.`,
};

export const detach = {
  will: (n: number) => `${number.format(n)} goes on purpose`,
  isAgent:
    "It runs this server’s agent. Komodo does not cut its own connection in passing; if you mean it, detach the server.",
  isCore: "It runs Komodo Core. Komodo does not switch itself off in passing; if you mean it, say so.",
  offer: "Detach…",
  title: (what: string, server: string) => `${what}, detach ${server}`,
  needsWrite: "Needs the right to write on this server; an administrator can grant it.",
  onHost: "On the host it is done with:",
  command: "Command for the host",
  whatIsLost: "What is lost until it is back",
  lost: (server: string) =>
    `Nothing can be asked of ${server} from here: no operation, no log, no figures. Nobody can undo that from here.`,
  noAlert: "The server is shown as detached, and no alert is raised.",
  lostCore: "Komodo Core is off: none of its servers can be seen or operated, by anybody.",
  lostCorePage: "This page goes with it.",
  keepsRunning: "The other containers keep running.",
  bringBack: "This brings it back, on the host:",
  bringBackRemoved: (container: string) =>
    `What brings it back is whatever made ${container}: the same command or compose file, once more. Nothing here can show it.`,
  typeName: (server: string) => `Type ${server} to confirm`,
  go: (server: string) => `Detach ${server}`,
  goCore: "Switch Komodo Core off",
  done: (container: string, server: string) => `${container} is gone on purpose, and ${server} is detached.`,
  by: (name: string) => `Detached by ${name}`,
  since: (at: string, age: string) => `Since ${at} (${age}).`,
  until: "Nothing can be asked of this server until its agent is brought back, on its host:",
  shown: (at: string) => `Showing the state of ${at}`,
};

export const sending = {
  title: "Sending the program",
  before: "Nothing is touched on the host until all of it is there and its signature is checked.",
  sent: (bytes: string, of: string) => `${bytes} of ${of}`,
};

export const agent = {
  update: "Update agent…",
  restart: "Restart agent…",
  restartTitle: (server: string) => `Restart the agent of ${server}`,
  title: (server: string) => `Update the agent of ${server}`,
  intro: (container: string, version: string) =>
    `The agent runs in the container ${container}, version ${version}. A new container takes its place, with the same configuration; nothing is done before you have seen the plan.`,
  image: "Image",
  imageHint: "The present one is looked up anew; another name or tag is pulled where it is not there.",
  imageWrong: "Name an image, without spaces.",
  plan: "Show the plan",
  neither:
    "This server’s agent runs neither in a container nor as a service of systemd: whoever started it on the host has to restart or update it there.",
  fixed: (why: string) => `Its program cannot be replaced: ${why}`,
  introService: (unit: string, version: string) =>
    `The agent runs as the service ${unit}, version ${version}. Komodo Core sends it the program, and a helper puts that in the place of the old one; nothing is done before you have seen the plan.`,
  version: "Version",
  versionOf: (version: string, size: string) => `${version} (${size})`,
  versionRuns: (version: string) => `${version} (runs now)`,
  versionHint: "What Komodo Core keeps for this server, the newest first.",
  runsNow: "That is what it runs already: it is only started again.",
  noProgram: (architecture: string) =>
    `Komodo Core keeps no program of the agent for ${architecture} yet. Put one there, on the machine of Komodo Core:`,
  addCommand: "Command on the machine of Komodo Core",
  addHint: "It is listed here at once; Komodo Core need not be restarted.",
  lookAgain: "Look again",
  loading: "Looking at what Komodo Core keeps…",
};

export const roll = {
  action: "Update agents…",
  title: "Update agents",
  intro:
    "One server goes first and alone. Only when its new agent has proved itself do the others follow, in waves. At the first that is not confirmed it halts, and what was not begun stays as it is.",
  servers: "Servers",
  all: "All shown",
  include: (server: string) => `Update ${server}`,
  onlyAdmins: "Only administrators can do this.",
  image: "Image for agents in containers",
  imageHint: "Left empty, agents in containers are left out.",
  version: "Version for agents that are services",
  noVersion: "None: they are left out",
  first: "Goes first",
  waveSize: "Servers in a wave",
  waveWrong: "A whole number from 1 on.",
  preview: "What would happen",
  goesFirst: (server: string) => `${server} goes first, alone`,
  wave: (at: number, servers: string) => `Then wave ${number.format(at)}: ${servers}`,
  more: (n: number) => `and ${number.format(n)} more`,
  leftOut: (n: number) => `${number.format(n)} left out`,
  nobody: "No server would be updated.",
  why: {
    noImage: "Runs in a container, and no image is named",
    noVersion: "Runs as a service, and no version is chosen",
    noProgram: "Komodo Core keeps no program of this version for its architecture",
    neither: "Runs neither in a container nor as a service",
    already: "Runs this version already",
    old: "Its agent is too old to be updated from here",
  },
  go: (n: number) => (n === 1 ? "Update 1 agent" : `Update ${number.format(n)} agents`),
};
