// The frame of a page and its quiet states: title bar, empty, failed, loading, notes.
import { AlertTriangle, Check, Copy, Info, ShieldCheck, XCircle } from "lucide-react";
import { type CSSProperties, type ReactNode, useEffect, useState } from "react";
import { ApiError } from "../api/client";
import { useCoarseNow, useNow } from "../i18n/clock";
import type { Words } from "../i18n/en";
import { duration, exact } from "../i18n/format";
import { useWords } from "../i18n/words";
import { Button } from "./button";
import styles from "./page.module.css";

export const pageClass = styles.page;

export function TitleBar({ title, sub, children }: { title: ReactNode; sub?: ReactNode; children?: ReactNode }) {
  return (
    <header className={styles.bar}>
      <h1>{title}</h1>
      {sub && <div className={styles.sub}>{sub}</div>}
      {children && <div className={styles.actions}>{children}</div>}
    </header>
  );
}

/** Names the browser tab. */
export function useTitle(...parts: (string | null | undefined)[]) {
  const title = [...parts.filter(Boolean), "Komodo"].join(" · ");
  useEffect(() => {
    document.title = title;
  }, [title]);
}

interface EmptyProps {
  icon?: ReactNode;
  title: string;
  children?: ReactNode;
  /** Whether it is all there is on the page. */
  whole?: boolean;
}

export const Empty = ({ icon, title, children, whole }: EmptyProps) => (
  <div className={styles.empty}>
    {icon}
    {whole ? <h1>{title}</h1> : <h2>{title}</h2>}
    {children}
  </div>
);

const icons = { warn: AlertTriangle, bad: XCircle, plain: Info, protect: ShieldCheck, ok: Check };

export function Note({ tone, children, live }: { tone: keyof typeof icons; children: ReactNode; live?: boolean }) {
  const Icon = icons[tone];
  return (
    <div className={`${styles.note} ${styles[tone]}`} role={live ? (tone === "bad" ? "alert" : "status") : undefined}>
      <Icon size={16} aria-hidden="true" />
      <div>{children}</div>
    </div>
  );
}

/** What an error means in the language of the page, and what Core said. */
export function errorWords(
  words: Words,
  error: unknown,
): { title: string; detail: string | null; requestId: string | null } {
  if (error instanceof ApiError) {
    const title = words.errors[error.code];
    const sentence = error.message;
    const causes = error.trace.length > 0 ? ` (${error.trace.join(": ")})` : "";
    const own = error.code === "network" || error.code === "deadline";
    return {
      title: title ?? sentence,
      detail: own || (title === undefined && !causes) ? null : sentence + causes,
      requestId: error.requestId,
    };
  }
  return {
    title: words.errors.internal ?? "",
    detail: error instanceof Error ? error.message : String(error),
    requestId: null,
  };
}

export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const words = useWords();
  const { title, detail, requestId } = errorWords(words, error);
  return (
    <Note tone="bad" live>
      <strong>{title}</strong>
      {detail && (
        <div className={styles.detail} lang="en">
          {detail}
        </div>
      )}
      {requestId && <div className={styles.detail}>{words.common.requestId(requestId)}</div>}
      {retry && (
        <div className={styles.detail}>
          <Button small onPress={retry}>
            {words.common.retry}
          </Button>
        </div>
      )}
    </Note>
  );
}

/** Stands where something of that size will be; seen only if it takes a while. */
export const Skeleton = ({ width, height }: { width: CSSProperties["width"]; height: CSSProperties["height"] }) => (
  <span className={styles.skeleton} style={{ width, height }} aria-hidden="true" />
);

/** How long ago, ticking. */
export function Age({ at, fine }: { at: number; fine?: boolean }) {
  return fine ? <FineAge at={at} /> : <CoarseAge at={at} />;
}

const FineAge = ({ at }: { at: number }) => <AgeText at={at} now={useNow()} />;
const CoarseAge = ({ at }: { at: number }) => <AgeText at={at} now={useCoarseNow()} />;

function AgeText({ at, now }: { at: number; now: number }) {
  const words = useWords();
  return (
    <time dateTime={new Date(at).toISOString()} title={exact(words.locale, at)}>
      {ageText(words, at, now)}
    </time>
  );
}

/** `5 min ago`, or `now` for the last seconds. */
export function ageText(words: Words, at: number, now: number): string {
  const ms = now - at;
  return ms < 5_000 ? words.time.now : words.time.age(duration(words.locale, ms));
}

/** Text that is meant to be copied. */
export function CopyText({ text, label }: { text: string; label: string }) {
  return (
    <div className={styles.copy}>
      <pre tabIndex={0} role="region" aria-label={label}>
        {text}
      </pre>
      <CopyButton text={text} />
    </div>
  );
}

const COPIED_SHOWN_MS = 2_000;

export function CopyButton({ text, label }: { text: string; label?: string }) {
  const words = useWords();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), COPIED_SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <>
      <Button
        look="quiet"
        small
        label={copied ? words.common.copied : (label ?? words.common.copy)}
        icon={copied ? <Check size={15} /> : <Copy size={15} />}
        onPress={() => {
          copyText(text).then(setCopied);
        }}
      />
      <span className="visually-hidden" role="status">
        {copied ? words.common.copied : ""}
      </span>
    </>
  );
}

/** Copies; also where the page is not served over HTTPS, and the clipboard of the browser is therefore off. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    area.style.opacity = "0";
    (document.querySelector("[role=dialog]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
