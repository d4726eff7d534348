import { percent } from "../i18n/format";
import { useWords } from "../i18n/words";
import styles from "./meter.module.css";

interface MeterProps {
  label: string;
  /** 0 to 100. */
  value: number;
  /** From where on it warns, and where it is critical; never where absent. */
  warning?: number;
  critical?: number;
}

/** How full something is. */
export function Meter({
  label,
  value,
  warning = Number.POSITIVE_INFINITY,
  critical = Number.POSITIVE_INFINITY,
}: MeterProps) {
  const words = useWords();
  const bounded = Math.min(100, Math.max(0, value));
  const tone = value >= critical ? styles.bad : value >= warning ? styles.warn : "";
  const text = percent(words.locale, value);
  return (
    <div className={`${styles.meter} ${tone}`}>
      <span className={styles.name} aria-hidden="true">
        {label}
      </span>
      <span
        className={styles.track}
        role="meter"
        aria-label={label}
        aria-valuenow={Math.round(bounded)}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuetext={text}
      >
        <span className={styles.fill} style={{ width: `${bounded}%` }} />
      </span>
      <span className={styles.value} aria-hidden="true">
        {text}
      </span>
    </div>
  );
}

const WIDTH = 100;
const HEIGHT = 32;

/** The course of a few minutes; what it says is also written beside it. */
export function Sparkline({ values, max }: { values: readonly number[]; max?: number }) {
  const top = Math.max(max ?? 0, ...values, 1e-9);
  const step = values.length > 1 ? WIDTH / (values.length - 1) : WIDTH;
  const points = values.map(
    (value, at) => `${(at * step).toFixed(2)},${(HEIGHT - (value / top) * (HEIGHT - 2)).toFixed(2)}`,
  );
  const first = points[0];
  return (
    <svg className={styles.spark} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {first && points.length > 1 && (
        <>
          <path className={styles.area} d={`M0,${HEIGHT} L${points.join(" L")} L${WIDTH},${HEIGHT} Z`} />
          <path className={styles.line} d={`M${points.join(" L")}`} />
        </>
      )}
    </svg>
  );
}
