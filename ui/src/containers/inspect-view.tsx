import { useQuery } from "@tanstack/react-query";
import { Braces } from "lucide-react";
import { useMemo, useState } from "react";
import { call } from "../api/client";
import { useWords } from "../i18n/words";
import { Toggle } from "../parts/button";
import { SearchField } from "../parts/field";
import { CopyButton, Failure, Skeleton } from "../parts/page";
import styles from "./inspect.module.css";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const isBranch = (value: Json): value is Json[] | { [key: string]: Json } =>
  typeof value === "object" && value !== null;

/** The value without the branches in which neither a name nor a value has the text; undefined where nothing is left. */
export function prune(value: Json, text: string): Json | undefined {
  const part = text.toLowerCase();
  if (!isBranch(value)) return String(value).toLowerCase().includes(part) ? value : undefined;
  if (Array.isArray(value)) {
    const kept = value.map((item) => prune(item, text)).filter((item) => item !== undefined);
    return kept.length > 0 ? kept : undefined;
  }
  const kept: [string, Json][] = [];
  for (const [key, item] of Object.entries(value)) {
    const left = key.toLowerCase().includes(part) ? item : prune(item, text);
    if (left !== undefined) kept.push([key, left]);
  }
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/** What the Engine knows of the container. `state` reads it anew when the container changed. */
export function InspectView({ server, name, state }: { server: string; name: string; state: string }) {
  const words = useWords();
  const [filter, setFilter] = useState("");
  const [raw, setRaw] = useState(false);
  const inspect = useQuery({
    queryKey: ["inspect", server, name, state],
    queryFn: async ({ signal }) =>
      (await call("read", "InspectContainer", { server, container: name }, signal)) as { [key: string]: Json },
    placeholderData: (before) => before,
    retry: false,
  });
  const text = useMemo(() => (inspect.data ? JSON.stringify(inspect.data, null, 2) : ""), [inspect.data]);
  const wanted = filter.trim();
  const shown = useMemo(() => {
    if (!inspect.data || !wanted) return inspect.data;
    const left = prune(inspect.data, wanted);
    return left !== undefined && isBranch(left) ? left : {};
  }, [inspect.data, wanted]);
  return (
    <div className={styles.view}>
      <div className={styles.tools}>
        <SearchField label={words.inspect.filter} value={filter} onChange={setFilter} slash className={styles.filter} />
        <Toggle on={raw} onChange={setRaw} label={words.inspect.raw} icon={<Braces size={16} />} />
        <CopyButton text={text} label={words.inspect.copy} />
      </div>
      {inspect.isError && <Failure error={inspect.error} retry={() => inspect.refetch()} />}
      {inspect.isPending && <Skeleton width="100%" height="16rem" />}
      {shown &&
        (raw ? (
          <pre className={styles.raw}>{wanted ? JSON.stringify(shown, null, 2) : text}</pre>
        ) : (
          <Branch key={wanted} value={shown} open={wanted !== ""} />
        ))}
    </div>
  );
}

function Branch({ value, open }: { value: Json[] | { [key: string]: Json }; open: boolean }) {
  return (
    <ul className={styles.tree}>
      {Object.entries(value).map(([key, item]) => (
        <li key={key}>
          {isBranch(item) && Object.keys(item).length > 0 ? (
            <Fold name={key} value={item} open={open} />
          ) : (
            <span className={styles.leaf}>
              <span className={styles.key}>{key}</span> <Leaf value={item} />
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}

function Fold({ name, value, open }: { name: string; value: Json[] | { [key: string]: Json }; open: boolean }) {
  const [shown, setShown] = useState(open);
  const size = Object.keys(value).length;
  return (
    <details open={shown} onToggle={(event) => setShown(event.currentTarget.open)}>
      <summary>
        <span className={styles.key}>{name}</span>{" "}
        <span className={styles.size}>{Array.isArray(value) ? `[${size}]` : `{${size}}`}</span>
      </summary>
      {shown && <Branch value={value} open={open} />}
    </details>
  );
}

function Leaf({ value }: { value: Json }) {
  if (typeof value === "string") return value === "" ? <span className={styles.size}>""</span> : <span>{value}</span>;
  if (value === null) return <span className={styles.size}>null</span>;
  if (isBranch(value)) return <span className={styles.size}>{Array.isArray(value) ? "[]" : "{}"}</span>;
  return <span className={styles.literal}>{String(value)}</span>;
}
