// What both lists of keys share: the page around them, the choice of an expiry, the question before one is deleted.
import { type UseQueryResult, useMutation } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import type { Words } from "../i18n/en";
import { date } from "../i18n/format";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Empty, Failure, Skeleton } from "../parts/page";
import styles from "./settings.module.css";

const DAY_MS = 86_400_000;

export type Expiry = "day" | "week" | "month" | "year" | "never";

const lengths: Record<Exclude<Expiry, "never">, number> = { day: 1, week: 7, month: 30, year: 365 };

/** When a key ends, unix ms; 0 is never. */
export const expiresAt = (expiry: Expiry, now: number) => (expiry === "never" ? 0 : now + lengths[expiry] * DAY_MS);

export const expiryOptions = (words: Words, of: readonly Expiry[]) =>
  of.map((id) => ({ id, name: words.settings.expiry[id] }));

export const expiryText = (words: Words, at: number) => (at === 0 ? words.common.never : date(words.locale, at));

interface KeyColumn<T> {
  header: string;
  /** Left out on a narrow screen. */
  optional?: boolean;
  cell: (key: T) => ReactNode;
}

interface KeysProps<T> {
  name: string;
  /** What such keys are for. */
  text: string;
  icon: ReactNode;
  none: string;
  keys: UseQueryResult<T[]>;
  keyOf: (key: T) => string;
  columns: readonly KeyColumn<T>[];
  add: { label: string; act: () => void };
  remove: { title: (key: T) => string; text: string; act: (key: T) => Promise<unknown> };
}

/** A list of keys: what they are for, a button for a new one, and a way to delete each. */
export function Keys<T>({ name, text, icon, none, keys, keyOf, columns, add, remove }: KeysProps<T>) {
  const words = useWords();
  const [deleting, setDeleting] = useState<T | null>(null);
  const some = keys.data !== undefined && keys.data.length > 0;
  const button = (
    <Button look="primary" icon={<Plus size={16} />} onPress={add.act}>
      {add.label}
    </Button>
  );
  const look = (column: KeyColumn<T>) => (column.optional ? styles.optional : undefined);
  return (
    <div className={styles.stack}>
      <div className={styles.head}>
        <p className={styles.hint}>{text}</p>
        {some && button}
      </div>
      {keys.isPending && <Skeleton width="100%" height="6rem" />}
      {keys.isError && <Failure error={keys.error} retry={() => keys.refetch()} />}
      {keys.data?.length === 0 && (
        <Empty icon={icon} title={none}>
          {button}
        </Empty>
      )}
      {some && (
        <table className={styles.table} aria-label={name}>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column.header} scope="col" className={look(column)}>
                  {column.header}
                </th>
              ))}
              <th scope="col">
                <span className="visually-hidden">{words.common.actions}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {keys.data.map((key) => (
              <tr key={keyOf(key)}>
                {columns.map((column) => (
                  <td key={column.header} className={look(column)}>
                    {column.cell(key)}
                  </td>
                ))}
                <td>
                  <Button
                    look="quiet"
                    label={remove.title(key)}
                    icon={<Trash2 size={15} />}
                    onPress={() => setDeleting(key)}
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {deleting && (
        <DeleteKey
          title={remove.title(deleting)}
          text={remove.text}
          remove={() => remove.act(deleting)}
          onClose={() => setDeleting(null)}
        />
      )}
    </div>
  );
}

interface DeleteKeyProps {
  title: string;
  text: string;
  remove: () => Promise<unknown>;
  onClose: () => void;
}

function DeleteKey({ title, text, remove, onClose }: DeleteKeyProps) {
  const words = useWords();
  const go = useMutation({ mutationFn: remove, onSuccess: onClose });
  return (
    <Dialog
      alert
      title={title}
      onClose={onClose}
      foot={
        <>
          <Button onPress={onClose}>{words.common.cancel}</Button>
          <Button look="danger" onPress={() => !go.isPending && go.mutate()}>
            {words.common.delete}
          </Button>
        </>
      }
    >
      <p>{text}</p>
      {go.isError && <Failure error={go.error} />}
    </Dialog>
  );
}
