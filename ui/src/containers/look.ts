// What a container looks like in words and colours, and which of its facts lists show.
import type { ContainerListItem, ContainerState, Port } from "../api/types";
import type { Words } from "../i18n/en";
import { duration } from "../i18n/format";
import type { Tone } from "../parts/chip";

export type ContainerLook = Exclude<ContainerState, ""> | "unknown" | "unhealthy" | "starting";

/** The state, with the health check taken into account while it runs. */
export function containerLook(container: { state: ContainerState; health?: string | null }): ContainerLook {
  if (container.state === "running" && container.health === "unhealthy") return "unhealthy";
  if (container.state === "running" && container.health === "starting") return "starting";
  return container.state === "" ? "unknown" : container.state;
}

export const containerTone: Record<ContainerLook, Tone> = {
  running: "ok",
  created: "neutral",
  restarting: "bad",
  stopping: "warn",
  removing: "warn",
  paused: "warn",
  exited: "neutral",
  dead: "bad",
  unknown: "neutral",
  unhealthy: "bad",
  starting: "accent",
};

/** Whether it counts as unhealthy: its check fails, it crashes again and again, or the Engine gave it up. */
export const isUnhealthy = (container: { state: ContainerState; health?: string | null }) =>
  containerTone[containerLook(container)] === "bad";

/** Published ports, each once: the Engine lists IPv4 and IPv6 apart. */
export function publishedPorts(ports: readonly Port[] | undefined): string[] {
  const shown = new Set<string>();
  for (const port of ports ?? []) {
    if (!port.PublicPort) continue;
    const local = port.IP?.startsWith("127.") || port.IP === "::1" ? "localhost:" : "";
    const protocol = port.Type && port.Type !== "tcp" ? `/${port.Type}` : "";
    shown.add(`${local}${port.PublicPort}→${port.PrivatePort ?? 0}${protocol}`);
  }
  return [...shown];
}

/** Ports of a plan, `0.0.0.0:8080/tcp`; those on all addresses, of either kind, are said once and without them. */
export const plannedPorts = (ports: readonly string[]): string[] => [
  ...new Set(ports.map((port) => port.replace(/^(0\.0\.0\.0|\[::\]):/, ""))),
];

/** Image without the noise of a digest. */
export function shortImage(image: string | null | undefined): string {
  if (!image) return "";
  const at = image.indexOf("@sha256:");
  if (at > 0) return image.slice(0, at);
  return image.startsWith("sha256:") ? image.slice(7, 19) : image;
}

/** Seconds that a slow clock cannot tell are no number. */
const JUST_NOW_MS = 5_000;
const lasting = (words: Words, ms: number) => (ms < JUST_NOW_MS ? words.time.now : duration(words.locale, ms));

/** How long it has been running, or how it ended. */
export function containerAge(words: Words, container: ContainerListItem, now: number): string {
  const { state, started_at, status, created } = container;
  if ((state === "running" || state === "paused") && started_at) return lasting(words, now - started_at);
  const exit = /^Exited \((-?\d+)\)/.exec(status ?? "");
  if (exit?.[1]) return words.containerStates.exitCode(exit[1]);
  const again = /^Restarting \((-?\d+)\)/.exec(status ?? "");
  if (again?.[1]) return words.containerStates.keepsExiting(again[1]);
  if (state === "created" && created) return lasting(words, now - created * 1000);
  return "";
}

/** When the present run began, for sorting; unix ms. */
export const startedAt = (container: ContainerListItem) => container.started_at ?? (container.created ?? 0) * 1000;

/** Key of a container in a list: ids are unique, names are what is left where there is none. */
export const containerKey = (container: ContainerListItem) => container.id ?? container.name;
