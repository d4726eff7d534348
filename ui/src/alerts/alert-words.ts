// What an alert says, in words, and in which order alerts are shown. Pure.
import type { Alert, ServerListItem } from "../api/types";
import type { Words } from "../i18n/en";
import { gib, percent } from "../i18n/format";

/** Those that are not over, the worst and newest first. */
export const openAlerts = (alerts: readonly Alert[] | undefined): Alert[] =>
  (alerts ?? [])
    .filter((alert) => !alert.resolved)
    .sort((a, b) => Number(b.level === "CRITICAL") - Number(a.level === "CRITICAL") || b.ts - a.ts);

/** Those that are over, the newest first. */
export const resolvedAlerts = (alerts: readonly Alert[]): Alert[] =>
  alerts.filter((alert) => alert.resolved).sort((a, b) => b.ts - a.ts);

export interface AlertText {
  title: string;
  detail: string | null;
  /** Whether Core worded it, in English. */
  english: boolean;
}

/** What it is about: in the language of the page where Core sends a code, else in the words of Core. */
export function alertText(words: Words, alert: Alert, servers: readonly ServerListItem[] | undefined): AlertText {
  const { data } = alert;
  const size = (value: number) => gib(words.locale, value);
  const own = (title: string, detail: string | null = null): AlertText => ({ title, detail, english: false });
  switch (data.type) {
    case "ServerUnreachable":
      return own(words.alerts.unreachable(data.data.name), data.data.err?.error ?? null);
    case "ServerCpu":
      return own(words.alerts.cpu(data.data.name, percent(words.locale, data.data.percentage)));
    case "ServerMem":
      return own(words.alerts.memory(data.data.name, size(data.data.used_gb), size(data.data.total_gb)));
    case "ServerDisk":
      return own(words.alerts.disk(data.data.name, data.data.path, size(data.data.used_gb), size(data.data.total_gb)));
    case "ServerVersionMismatch":
      return own(words.alerts.version(data.data.name, data.data.server_version, data.data.core_version));
    case "Custom":
      return { title: data.data.message, detail: data.data.details || null, english: true };
    default: {
      const kind = data.type.replace(/([a-z])([A-Z])/g, "$1 $2");
      const name = "name" in data.data ? data.data.name : serverName(alert, servers);
      return { title: [kind, name].filter(Boolean).join(": "), detail: null, english: true };
    }
  }
}

/** Name of the server that it is about; null where it is about none. */
export function serverName(alert: Alert, servers: readonly ServerListItem[] | undefined): string | null {
  const { type, id } = alert.target;
  if (type !== "Server") return null;
  return servers?.find((server) => server.id === id)?.name ?? id;
}
