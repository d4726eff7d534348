import { useWords } from "../i18n/words";
import { Dialog } from "../parts/dialog";
import styles from "./help.module.css";

export function Help({ onClose }: { onClose: () => void }) {
  const words = useWords();
  const { keys } = words;
  const rows: [string, string[]][] = [
    [keys.palette, ["Ctrl/⌘ + K"]],
    [keys.filter, ["/"]],
    [keys.servers, ["g", "s"]],
    [keys.activity, ["g", "a"]],
    [keys.settings, ["g", ","]],
    [keys.move, ["j", "k", "↑", "↓"]],
    [keys.select, ["x", "Space"]],
    [keys.selectAll, ["Ctrl/⌘ + A"]],
    [keys.open, ["Enter"]],
    [keys.escape, ["Esc"]],
    [keys.help, ["?"]],
  ];
  return (
    <Dialog title={keys.title} onClose={onClose}>
      <dl className={styles.keys}>
        {rows.map(([what, combination]) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>
              {combination.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
