import { Link } from "@tanstack/react-router";
import type { ContainerListItem } from "../api/types";
import { useCoarseNow } from "../i18n/clock";
import type { Words } from "../i18n/en";
import { exact } from "../i18n/format";
import { useWords } from "../i18n/words";
import { byName, type Column } from "../parts/data-grid";
import styles from "../servers/server.module.css";
import { ProtectedChip, StateChip } from "./chips";
import { containerAge, containerLook, publishedPorts, shortImage, startedAt } from "./look";

const text = (of: (container: ContainerListItem) => string) => (a: ContainerListItem, b: ContainerListItem) =>
  byName(of(a), of(b)) || byName(a.name, b.name);

/** The columns of the containers of a server. */
export const containerColumns = (words: Words, server: string): Column<ContainerListItem>[] => [
  {
    id: "name",
    header: words.server.columns.name,
    width: "minmax(12rem, 2.2fr)",
    narrowWidth: "minmax(0, 1fr)",
    compare: text((c) => c.name),
    cell: (container, active) => (
      <div className={styles.nameCell}>
        <span className={styles.nameLine}>
          <Link
            to="/servers/$server/containers/$container"
            params={{ server, container: container.name }}
            tabIndex={active ? 0 : -1}
            title={container.name}
          >
            {container.name}
          </Link>
          {container.protected && container.protected.length > 0 && (
            <ProtectedChip reasons={container.protected} tabbable={active} />
          )}
        </span>
        <span className={styles.under}>{shortImage(container.image)}</span>
      </div>
    ),
  },
  {
    id: "state",
    header: words.server.columns.state,
    width: "7rem",
    narrowWidth: "auto",
    compare: text((c) => containerLook(c)),
    cell: (container) => <StateChip state={container.state} health={container.health} />,
  },
  {
    id: "stack",
    header: words.server.columns.stack,
    width: "minmax(5rem, 0.9fr)",
    from: "middle",
    compare: text((c) => c.project ?? "\uffff"),
    cell: (container) => <span className={styles.quiet}>{container.project}</span>,
  },
  {
    id: "image",
    header: words.server.columns.image,
    width: "minmax(8rem, 1.8fr)",
    from: "middle",
    compare: text((c) => c.image ?? ""),
    cell: (container) => (
      <span className={styles.mono} title={container.image ?? undefined}>
        {shortImage(container.image)}
      </span>
    ),
  },
  {
    id: "ports",
    header: words.server.columns.ports,
    width: "minmax(6rem, 1fr)",
    from: "wide",
    cell: (container) => {
      const ports = publishedPorts(container.ports).join(", ");
      return (
        <span className={styles.mono} title={ports}>
          {ports}
        </span>
      );
    },
  },
  {
    id: "age",
    header: words.server.columns.age,
    width: "6rem",
    from: "middle",
    end: true,
    compare: (a, b) => startedAt(b) - startedAt(a),
    cell: (container) => <ContainerAge container={container} />,
  },
];

function ContainerAge({ container }: { container: ContainerListItem }) {
  const words = useWords();
  const now = useCoarseNow();
  return (
    <span
      className={styles.quiet}
      title={container.started_at ? exact(words.locale, container.started_at) : (container.status ?? undefined)}
    >
      {containerAge(words, container, now)}
    </span>
  );
}
