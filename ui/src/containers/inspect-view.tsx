import { useQuery } from "@tanstack/react-query";
import { Braces, Eye, EyeOff } from "lucide-react";
import { useMemo, useState } from "react";
import { call } from "../api/client";
import { useWords } from "../i18n/words";
import { Button, Toggle } from "../parts/button";
import { SearchField } from "../parts/field";
import { CopyButton, Failure, Skeleton } from "../parts/page";
import styles from "./inspect.module.css";
import { isBranch, type Json, MASK, maskAll, masked, secretAt } from "./secrets";

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
  const [bare, setBare] = useState(false);
  const inspect = useQuery({
    queryKey: ["inspect", server, name, state],
    queryFn: async ({ signal }) =>
      (await call("read", "InspectContainer", { server, container: name }, signal)) as { [key: string]: Json },
    placeholderData: (before) => before,
    retry: false,
  });
  const printed = useMemo(
    () => (inspect.data ? (bare ? inspect.data : (maskAll(inspect.data) as { [key: string]: Json })) : null),
    [inspect.data, bare],
  );
  const text = useMemo(() => (printed ? JSON.stringify(printed, null, 2) : ""), [printed]);
  const wanted = filter.trim();
  const shown = useMemo(() => {
    // What is hidden is not found by its value either.
    const source = raw || wanted ? printed : inspect.data;
    if (!source || !wanted) return source;
    const left = prune(source, wanted);
    return left !== undefined && isBranch(left) ? left : {};
  }, [inspect.data, printed, raw, wanted]);
  return (
    <div className={styles.view}>
      <div className={styles.tools}>
        <SearchField label={words.inspect.filter} value={filter} onChange={setFilter} slash className={styles.filter} />
        <Toggle
          on={bare}
          onChange={setBare}
          label={words.inspect.showAll}
          icon={bare ? <EyeOff size={16} /> : <Eye size={16} />}
        />
        <Toggle on={raw} onChange={setRaw} label={words.inspect.raw} icon={<Braces size={16} />} />
        <CopyButton text={text} label={bare ? words.inspect.copy : words.inspect.copyMasked} />
      </div>
      {inspect.isError && <Failure error={inspect.error} retry={() => inspect.refetch()} />}
      {inspect.isPending && <Skeleton width="100%" height="16rem" />}
      {shown &&
        (raw ? (
          <pre className={styles.raw}>{wanted ? JSON.stringify(shown, null, 2) : text}</pre>
        ) : (
          <Branch key={wanted} name="" value={shown} open={wanted !== ""} bare={bare} />
        ))}
    </div>
  );
}

interface BranchProps {
  name: string;
  value: Json[] | { [key: string]: Json };
  open: boolean;
  /** Whether hidden values are shown. */
  bare: boolean;
}

function Branch({ name, value, open, bare }: BranchProps) {
  return (
    <ul className={styles.tree}>
      {Object.entries(value).map(([key, item]) => {
        const secret = bare ? null : secretAt(name, key, item);
        return (
          <li key={key}>
            {isBranch(item) && Object.keys(item).length > 0 ? (
              <Fold name={key} value={item} open={open} bare={bare} />
            ) : (
              <span className={styles.leaf}>
                <span className={styles.key}>{key}</span>{" "}
                {secret !== null && typeof item === "string" && !item.endsWith(MASK) ? (
                  <Hidden name={secret} branch={name} text={item} />
                ) : (
                  <Leaf value={item} />
                )}
              </span>
            )}
          </li>
        );
      })}
    </ul>
  );
}

function Fold({ name, value, open, bare }: BranchProps) {
  const [shown, setShown] = useState(open);
  const size = Object.keys(value).length;
  return (
    <details open={shown} onToggle={(event) => setShown(event.currentTarget.open)}>
      <summary>
        <span className={styles.key}>{name}</span>{" "}
        <span className={styles.size}>{Array.isArray(value) ? `[${size}]` : `{${size}}`}</span>
      </summary>
      {shown && <Branch name={name} value={value} open={open} bare={bare} />}
    </details>
  );
}

/** A value that is not shown until it is asked for. */
function Hidden({ name, branch, text }: { name: string; branch: string; text: string }) {
  const words = useWords();
  const [shown, setShown] = useState(false);
  if (shown) return <Leaf value={text} />;
  return (
    <>
      <span aria-hidden="true">{masked(branch, text)}</span>{" "}
      <span className="visually-hidden">
        {name}: {words.inspect.hidden}
      </span>
      <Button
        look="quiet"
        small
        label={words.inspect.show(name)}
        icon={<Eye size={14} />}
        onPress={() => setShown(true)}
      />
    </>
  );
}

function Leaf({ value }: { value: Json }) {
  if (typeof value === "string") return value === "" ? <span className={styles.size}>""</span> : <span>{value}</span>;
  if (value === null) return <span className={styles.size}>null</span>;
  if (isBranch(value)) return <span className={styles.size}>{Array.isArray(value) ? "[]" : "{}"}</span>;
  return <span className={styles.literal}>{String(value)}</span>;
}
