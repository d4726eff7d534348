// What the state of a server looks like in words and colours.
import type { ServerListItem } from "../api/types";
import type { Words } from "../i18n/en";
import type { Tone } from "../parts/chip";

export type ServerLook =
  | "ok"
  | "waiting"
  | "unreachable"
  | "detached"
  | "handedOver"
  | "refused"
  | "docker"
  | "notOk"
  | "disabled";

export function serverLook(server: ServerListItem): ServerLook {
  const { state, reason } = server.info;
  if (state === "Ok") return "ok";
  if (state === "Disabled") return "disabled";
  switch (reason?.code) {
    case "never_connected":
      return "waiting";
    case "unreachable":
    case "agent_stopped":
      return "unreachable";
    case "detached":
      return "detached";
    case "handed_over":
      return "handedOver";
    case "key_refused":
      return "refused";
    case "docker":
      return "docker";
    default:
      return "notOk";
  }
}

export const serverTone: Record<ServerLook, Tone> = {
  ok: "ok",
  waiting: "neutral",
  unreachable: "bad",
  // Meant, both of them: nothing is wrong.
  detached: "neutral",
  handedOver: "accent",
  refused: "bad",
  docker: "warn",
  notOk: "bad",
  disabled: "neutral",
};

export function serverWord(words: Words, look: ServerLook): string {
  switch (look) {
    case "ok":
      return words.servers.states.Ok;
    case "disabled":
      return words.servers.states.Disabled;
    case "waiting":
      return words.servers.waiting;
    case "detached":
      return words.servers.detached;
    case "handedOver":
      return words.servers.handedOver;
    case "unreachable":
    case "refused":
      return words.servers.unreachable;
    default:
      return words.servers.states.NotOk;
  }
}

/** Why the server is not fine, in the language of the page; null where it is. */
export function serverWhy(words: Words, server: ServerListItem): string | null {
  const { state, reason } = server.info;
  if (state === "Ok") return null;
  if (state === "Disabled") return words.servers.states.Disabled;
  if (reason?.code === "detached" && reason.by) return words.detach.by(reason.by);
  return reason ? words.serverReasons[reason.code] : words.servers.states.NotOk;
}

const AWAY: readonly ServerLook[] = ["unreachable", "detached", "handedOver", "refused", "docker"];

/** Whether the server was there and is not now: what is asked of it can wait until it is back. */
export const isAway = (server: ServerListItem) => AWAY.includes(serverLook(server));

/** Why nothing can be asked of the server, not even for later; null where it can. */
export function actionsOff(words: Words, server: ServerListItem | undefined): string | null {
  if (!server || isAway(server)) return null;
  const why = serverWhy(words, server);
  return why === null ? null : words.server.disabledBecause(why);
}

/** Whether what is shown of it is an older view. */
export const isStale = (server: ServerListItem) => server.info.state !== "Ok";

/** Servers that need attention first, then by name. */
export function byNeed(a: ServerListItem, b: ServerListItem): number {
  const rank = (server: ServerListItem) => {
    const look = serverLook(server);
    if (look === "disabled" || look === "detached") return 3;
    if (look === "handedOver") return 2;
    if (look === "ok") return (server.info.containers?.unhealthy ?? 0) > 0 ? 1 : 2;
    return 0;
  };
  return rank(a) - rank(b) || a.name.localeCompare(b.name);
}

/** Whether a way back is a command for a shell, and not a sentence. */
export const isCommand = (text: string) => /^(sudo )?(docker|podman|systemctl) /.test(text);
