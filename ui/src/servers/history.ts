// The last minutes of a server's figures, gathered from what the live feed brings while the page is open.
import { useEffect, useRef, useState } from "react";
import type { MinimalSystemStats } from "../api/types";
import { timelengthMs } from "../i18n/format";

/** Samples kept: five minutes at one a second. */
export const SAMPLES_MAX = 300;

export interface Sample {
  at: number;
  cpu: number;
  memory: number;
  /** Bytes a second, both ways; null where the time between samples is not known. */
  received: number | null;
  sent: number | null;
}

export function sampleOf(stats: MinimalSystemStats): Sample {
  const every = timelengthMs(stats.polling_rate);
  const rate = (bytes: number) => (every === null ? null : (bytes * 1_000) / every);
  return {
    at: stats.refresh_ts,
    cpu: stats.cpu_perc,
    memory: stats.mem_total_gb > 0 ? (stats.mem_used_gb / stats.mem_total_gb) * 100 : 0,
    received: rate(stats.network_ingress_bytes),
    sent: rate(stats.network_egress_bytes),
  };
}

/** The samples with a newer one at the end; the same list where it is not newer. */
export function append(samples: readonly Sample[], next: Sample): readonly Sample[] {
  const last = samples.at(-1);
  if (last && next.at <= last.at) return samples;
  return [...samples.slice(1 - SAMPLES_MAX), next];
}

export function useHistory(server: string, stats: MinimalSystemStats | null | undefined): readonly Sample[] {
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  const of = useRef(server);
  useEffect(() => {
    if (!stats) return;
    const sample = sampleOf(stats);
    if (of.current === server) setSamples((before) => append(before, sample));
    else setSamples([sample]);
    of.current = server;
  }, [server, stats]);
  return samples;
}
