import type { ReactNode, RefObject } from "react";
import {
  Menu as AriaMenu,
  Header,
  MenuItem,
  MenuSection,
  MenuTrigger,
  Popover,
  Separator,
} from "react-aria-components";
import styles from "./menu.module.css";

export interface MenuEntry {
  id: string;
  label: string;
  icon?: ReactNode;
  bad?: boolean;
  /** Why it cannot be chosen now. */
  off?: string | null;
  /** What to know before it is chosen. */
  note?: string;
  /** A line before it. */
  apart?: boolean;
  /** Not one of those that the head names: stands after them, and after a line unless it goes with the one before. */
  beyond?: boolean | "more";
  href?: string;
  act: () => void;
}

interface EntriesProps {
  label: string;
  entries: readonly MenuEntry[];
  /** What the menu is of, shown at its head. */
  head?: ReactNode;
}

function Entries({ label, entries, head, onClose }: EntriesProps & { onClose?: () => void }) {
  const off = entries.filter((entry) => entry.off).map((entry) => entry.id);
  const item = (entry: MenuEntry) => [
    ...(entry.apart || entry.beyond === true ? [<Separator key={`${entry.id} line`} className={styles.line} />] : []),
    <MenuItem
      key={entry.id}
      id={entry.id}
      textValue={entry.label}
      className={`${styles.item} ${entry.bad && !entry.off ? styles.bad : ""}`}
      onAction={entry.act}
    >
      {entry.icon}
      {entry.label}
      {(entry.off || entry.note) && <span className={styles.why}>{entry.off || entry.note}</span>}
    </MenuItem>,
  ];
  const inside = entries.filter((entry) => !entry.beyond).flatMap(item);
  const beyond = entries.filter((entry) => entry.beyond).flatMap(item);
  return (
    <AriaMenu aria-label={label} disabledKeys={off} className={styles.menu} onClose={onClose}>
      {head ? (
        <MenuSection>
          <Header className={styles.head}>{head}</Header>
          {inside}
        </MenuSection>
      ) : (
        inside
      )}
      {beyond}
    </AriaMenu>
  );
}

/** A button with a menu. */
export const MenuButton = ({ children, ...entries }: EntriesProps & { children: ReactNode }) => (
  <MenuTrigger>
    {children}
    <Popover className={styles.popover} placement="bottom end">
      <Entries {...entries} />
    </Popover>
  </MenuTrigger>
);

/** A menu at some element, open as long as it is rendered. */
export const MenuAt = ({
  anchor,
  onClose,
  ...entries
}: EntriesProps & { anchor: RefObject<Element | null>; onClose: () => void }) => (
  <Popover
    className={styles.popover}
    placement="bottom end"
    triggerRef={anchor}
    isOpen
    onOpenChange={(open) => !open && onClose()}
    aria-label={entries.label}
  >
    <Entries {...entries} onClose={onClose} />
  </Popover>
);
