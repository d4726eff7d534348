import type { ServerListItem } from "../api/types";
import { bytes, gib, percent } from "../i18n/format";
import { useWords } from "../i18n/words";
import { Sparkline } from "../parts/meter";
import { useHistory } from "./history";
import styles from "./server.module.css";

/** CPU, memory, disk and network at a glance, with the course of the last minutes. */
export function StatsStrip({ server }: { server: ServerListItem }) {
  const words = useWords();
  const { stats, alerting_thresholds: at } = server.info;
  const history = useHistory(server.id, stats);
  if (!stats) return null;
  const memory = stats.mem_total_gb > 0 ? (stats.mem_used_gb / stats.mem_total_gb) * 100 : 0;
  const disk = stats.disk_total_gb > 0 ? (stats.disk_used_gb / stats.disk_total_gb) * 100 : 0;
  const last = history.at(-1);
  const rate = (value: number | null | undefined) =>
    value === null || value === undefined ? "–" : words.server.perSecond(bytes(words.locale, value));
  const tone = (value: number, warning = Number.POSITIVE_INFINITY, critical = Number.POSITIVE_INFINITY) =>
    value >= critical ? styles.critical : value >= warning ? styles.warning : "";
  const number = new Intl.NumberFormat(words.locale, { maximumFractionDigits: 2, minimumFractionDigits: 2 });
  return (
    <dl className={styles.strip}>
      <div className={tone(stats.cpu_perc, at.cpu_warning, at.cpu_critical)}>
        <dt>{words.servers.cpu}</dt>
        <dd>
          <strong>{percent(words.locale, stats.cpu_perc)}</strong>
          <span>
            {words.servers.load} {number.format(stats.load_average.one)}
          </span>
          <Sparkline values={history.map((sample) => sample.cpu)} max={100} />
        </dd>
      </div>
      <div className={tone(memory, at.mem_warning, at.mem_critical)}>
        <dt>{words.servers.memory}</dt>
        <dd>
          <strong>{percent(words.locale, memory)}</strong>
          <span>{words.server.of(gib(words.locale, stats.mem_used_gb), gib(words.locale, stats.mem_total_gb))}</span>
          <Sparkline values={history.map((sample) => sample.memory)} max={100} />
        </dd>
      </div>
      <div className={tone(disk, at.disk_warning, at.disk_critical)}>
        <dt>{words.servers.disk}</dt>
        <dd>
          <strong>{percent(words.locale, disk)}</strong>
          <span>{words.server.free(gib(words.locale, Math.max(0, stats.disk_total_gb - stats.disk_used_gb)))}</span>
          <span className={styles.diskBar}>
            <span style={{ width: `${Math.min(100, disk)}%` }} />
          </span>
        </dd>
      </div>
      <div>
        <dt>{words.servers.network}</dt>
        <dd>
          <strong>↓ {rate(last?.received)}</strong>
          <span>↑ {rate(last?.sent)}</span>
          <Sparkline values={history.map((sample) => (sample.received ?? 0) + (sample.sent ?? 0))} />
        </dd>
      </div>
    </dl>
  );
}
