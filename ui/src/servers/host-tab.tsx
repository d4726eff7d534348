import { useQuery } from "@tanstack/react-query";
import { call } from "../api/client";
import type { ServerListItem } from "../api/types";
import { gib } from "../i18n/format";
import { useWords } from "../i18n/words";
import { Meter } from "../parts/meter";
import { Failure, Skeleton } from "../parts/page";
import styles from "./server.module.css";
import { isStale } from "./state";

/** What the host is, and its disks. */
export function HostTab({ server }: { server: ServerListItem }) {
  const words = useWords();
  const at = server.info.alerting_thresholds;
  const what = { server: server.id };
  // Read once for each connection of the agent, not on a timer.
  const since = server.info.state;
  const host = useQuery({
    queryKey: ["host", server.id, since],
    queryFn: ({ signal }) => call("read", "GetSystemInformation", what, signal),
    retry: false,
  });
  const stats = useQuery({
    queryKey: ["disks", server.id, since],
    queryFn: ({ signal }) => call("read", "GetSystemStats", what, signal),
    retry: false,
  });
  const facts: [string, string | null | undefined][] = [
    [words.server.hostname, host.data?.host_name],
    [words.server.os, host.data?.os ?? host.data?.name],
    [words.server.kernel, host.data?.kernel],
    [words.server.cpuModel, [host.data?.cpu_brand, host.data?.cpu_arch].filter(Boolean).join(" · ")],
    [
      words.server.cores,
      host.data?.logical_core_count
        ? words.server.coresValue(host.data.core_count ?? host.data.logical_core_count, host.data.logical_core_count)
        : null,
    ],
    [words.server.agentVersion, server.info.version],
  ];
  return (
    <div className={styles.scrolls}>
      <div className={isStale(server) ? styles.stale : undefined}>
        {host.isPending && <Skeleton width="100%" height="6rem" />}
        {host.isError && <Failure error={host.error} retry={() => host.refetch()} />}
        {host.data && (
          <dl className={styles.facts}>
            {facts.map(
              ([name, value]) =>
                value && (
                  <div key={name}>
                    <dt>{name}</dt>
                    <dd>{value}</dd>
                  </div>
                ),
            )}
          </dl>
        )}
        {stats.data && stats.data.disks.length > 0 && (
          <section className={styles.section}>
            <h2>{words.server.disks}</h2>
            <table className={styles.table} aria-label={words.server.disksTable}>
              <thead>
                <tr>
                  <th scope="col">{words.server.mount}</th>
                  <th scope="col">{words.server.used}</th>
                  <th scope="col">{words.server.size}</th>
                </tr>
              </thead>
              <tbody>
                {stats.data.disks.map((disk) => (
                  <tr key={disk.mount}>
                    <td>{disk.mount}</td>
                    <td>
                      <Meter
                        label={disk.file_system || disk.mount}
                        value={disk.total_gb > 0 ? (disk.used_gb / disk.total_gb) * 100 : 0}
                        warning={at.disk_warning}
                        critical={at.disk_critical}
                      />
                    </td>
                    <td>{words.server.of(gib(words.locale, disk.used_gb), gib(words.locale, disk.total_gb))}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
        )}
      </div>
    </div>
  );
}
