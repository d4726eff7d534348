// Words of operations on the agent and on Core themselves: handed over, let go on purpose, updated.
import { number } from "./en-codes";

export const handOver = {
  will: (n: number) => `${number.format(n)} handed over to a helper on the host`,
  restarts: "The helper stops it and starts it again.",
  replaces:
    "The helper puts a new container in its place: same configuration, from the same image name, looked up anew.",
  replacesBy: (image: string) => `The helper puts a new container in its place: same configuration, from ${image}.`,
  ports: (ports: string) => `Ports that go dark for a moment: ${ports}`,
  proof: (time: string) =>
    `It counts as done only when Komodo Core has reached it again and has watched it for ${time} without a break.`,
  proofAny:
    "It counts as done only when Komodo Core has reached it again and has watched it for a while without a break.",
  rollBack: "Where that is not confirmed in time, the helper puts it back exactly as it was.",
  away: "The link to the server goes meanwhile and comes back. The other containers keep running.",
  awayCore: "Komodo Core is away meanwhile; this page connects again by itself. All containers keep running.",
  restart: (container: string) => `Restart ${container} through a helper`,
  replace: (container: string) => `Replace ${container} through a helper`,
  pending: "With the helper",
  acts: "A helper on the host stops it and starts it again. The link goes meanwhile and comes back; what is shown is the last view.",
  until: (at: string) => `If it is not confirmed, it is back as it was by ${at}.`,
  watched:
    "It is connected again. Komodo Core watches it for a while before it counts; should it fail, the helper puts it back as it was.",
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

export const agent = {
  update: "Update agent…",
  title: (server: string) => `Update the agent of ${server}`,
  intro: (container: string, version: string) =>
    `The agent runs in the container ${container}, version ${version}. A new container takes its place, with the same configuration; nothing is done before you have seen the plan.`,
  image: "Image",
  imageHint: "The present one is looked up anew; another name or tag is pulled where it is not there.",
  imageWrong: "Name an image, without spaces.",
  plan: "Show the plan",
  noContainer: "This server’s agent does not run in a container, so there is no image to update it from.",
  onHost:
    "Put the new program in the place of the old one on the host, and restart its service: systemctl restart komodo-periphery. The server is away for a moment and comes back by itself.",
};
