import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp, Clock, Download, ListFilter, WrapText } from "lucide-react";
import {
  type KeyboardEvent,
  memo,
  useDeferredValue,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { ApiError } from "../api/client";
import type { ContainerListItem } from "../api/types";
import { setPreferences, usePreferences } from "../app/preferences";
import type { Words } from "../i18n/en";
import { moment } from "../i18n/format";
import { useWords } from "../i18n/words";
import { Button, Toggle } from "../parts/button";
import { SearchField } from "../parts/field";
import { Failure } from "../parts/page";
import { type Piece, pieces, plain } from "./ansi";
import styles from "./log.module.css";
import { type Entry, type LogBuffer, pattern } from "./log-buffer";
import { useLog } from "./use-log";

const LINE_HEIGHT = 20;
/** So near to the end the view follows, px. */
const AT_END = 24;

interface LogViewProps {
  server: string;
  container: ContainerListItem | undefined;
  name: string;
}

export function LogView({ server, container, name }: LogViewProps) {
  const words = useWords();
  const { logWrap: wrap, logTimestamps: times } = usePreferences();
  const { buffer, ended, error, again } = useLog(server, container, name);
  useSyncExternalStore(buffer.subscribe, buffer.version);
  const [search, setSearch] = useState("");
  const [onlyMatches, setOnlyMatches] = useState(false);
  const [current, setCurrent] = useState<number | null>(null);
  const [follow, setFollow] = useState(true);
  const pausedAt = useRef(0);
  const scroll = useRef<HTMLDivElement>(null);

  const wanted = useDeferredValue(search);
  const found = buffer.find(wanted);
  const shown = onlyMatches && found ? found : null;
  const count = shown ? shown.length : buffer.length;
  const entryAt = (index: number): Entry | undefined => (shown ? buffer.bySeq(shown[index] ?? -1) : buffer.at(index));

  const virtual = useVirtualizer({
    count,
    getScrollElement: () => scroll.current,
    estimateSize: () => LINE_HEIGHT,
    getItemKey: (index) => entryAt(index)?.seq ?? index,
    overscan: 20,
  });

  // Follow: the end stays in sight. Otherwise the line in sight stays where it is while old lines leave the ring.
  const first = useRef(buffer.firstSeq);
  // biome-ignore lint/correctness/useExhaustiveDependencies: runs after every change of the lines
  useLayoutEffect(() => {
    const gone = buffer.firstSeq - first.current;
    first.current = buffer.firstSeq;
    if (count === 0) return;
    if (follow) virtual.scrollToIndex(count - 1, { align: "end" });
    else if (gone > 0 && !shown && scroll.current) scroll.current.scrollTop -= gone * LINE_HEIGHT;
  }, [count, buffer.nextSeq, follow, wrap, times]);

  const pause = () => {
    if (!follow) return;
    pausedAt.current = buffer.nextSeq;
    setFollow(false);
  };
  const onScroll = () => {
    const element = scroll.current;
    if (!element || follow) return;
    if (element.scrollHeight - element.scrollTop - element.clientHeight <= AT_END) setFollow(true);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (["ArrowUp", "PageUp", "Home"].includes(event.key)) pause();
    if (event.key === "End") {
      event.preventDefault();
      setFollow(true);
    }
  };
  const goTo = (step: 1 | -1) => {
    // What is written counts, also when Enter comes before the page has caught up.
    const hits = buffer.find(search);
    if (!hits || hits.length === 0) return;
    pause();
    const from = current === null ? -1 : hits.indexOf(current);
    const next = from < 0 ? (step > 0 ? 0 : hits.length - 1) : (from + step + hits.length) % hits.length;
    const seq = hits[next];
    if (seq === undefined) return;
    setCurrent(seq);
    virtual.scrollToIndex(shown ? next : seq - buffer.firstSeq, { align: "center" });
  };
  const searchFor = (text: string) => {
    setSearch(text);
    setCurrent(null);
  };

  const highlight = useMemo(() => (wanted ? pattern(wanted, "gi") : null), [wanted]);
  const news = buffer.nextSeq - pausedAt.current;
  const download = () => save(buffer, shown, `${name}.log`);

  return (
    <div className={styles.view}>
      <div className={styles.tools}>
        {/* biome-ignore lint/a11y/noStaticElementInteractions: Enter in the field goes to the next match */}
        <div
          className={styles.search}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
            event.preventDefault();
            goTo(event.shiftKey ? -1 : 1);
          }}
        >
          <SearchField label={words.log.search} value={search} onChange={searchFor} slash />
        </div>
        {found && (
          <>
            <span className={styles.count} role="status">
              {words.log.matches(current === null ? 0 : found.indexOf(current) + 1, found.length)}
            </span>
            <Button look="quiet" label={words.log.previous} icon={<ArrowUp size={16} />} onPress={() => goTo(-1)} />
            <Button look="quiet" label={words.log.next} icon={<ArrowDown size={16} />} onPress={() => goTo(1)} />
          </>
        )}
        <div className={styles.right}>
          <span className={styles.count}>{words.log.lines(buffer.length)}</span>
          <Toggle
            on={onlyMatches}
            onChange={setOnlyMatches}
            label={words.log.onlyMatches}
            icon={<ListFilter size={16} />}
          />
          <Toggle
            on={wrap}
            onChange={(logWrap) => setPreferences({ logWrap })}
            label={words.log.wrap}
            icon={<WrapText size={16} />}
          />
          <Toggle
            on={times}
            onChange={(logTimestamps) => setPreferences({ logTimestamps })}
            label={words.log.timestamps}
            icon={<Clock size={16} />}
          />
          <Button look="quiet" label={words.log.download} icon={<Download size={16} />} onPress={download} />
        </div>
      </div>
      {error && (
        <div className={styles.failure}>
          <Failure error={new ApiError(error.code, error.error, 0)} retry={again} />
        </div>
      )}
      <div className={styles.area}>
        <div
          ref={scroll}
          className={styles.scroll}
          data-wrap={wrap || undefined}
          tabIndex={0}
          role="log"
          aria-live="off"
          aria-label={words.log.label(name)}
          onWheel={(event) => event.deltaY < 0 && pause()}
          onTouchMove={pause}
          onPointerDown={(event) => {
            // The scroll bar is outside of what the element shows.
            if (event.target === event.currentTarget && event.nativeEvent.offsetX > event.currentTarget.clientWidth)
              pause();
          }}
          onScroll={onScroll}
          onKeyDown={onKeyDown}
        >
          <div className={styles.lines} style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map((item) => {
              const entry = entryAt(item.index);
              if (!entry) return null;
              return (
                <div
                  key={item.key}
                  ref={wrap ? virtual.measureElement : undefined}
                  data-index={item.index}
                  className={styles.line}
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  <LineView
                    entry={entry}
                    times={times}
                    highlight={highlight}
                    now={entry.seq === current}
                    words={words}
                  />
                </div>
              );
            })}
          </div>
          {count === 0 && !error && <p className={styles.nothing}>{ended ? words.log.empty : words.log.waiting}</p>}
        </div>
        {!follow && (
          <div className={styles.resume}>
            <Button look="primary" small icon={<ArrowDown size={14} />} onPress={() => setFollow(true)}>
              {news > 0 ? words.log.newLines(news) : words.log.follow}
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}

interface LineViewProps {
  entry: Entry;
  times: boolean;
  highlight: RegExp | null;
  now: boolean;
  words: Words;
}

const LineView = memo(function LineView({ entry, times, highlight, now, words }: LineViewProps) {
  if (entry.kind === "mark") {
    const text = { gap: words.log.gap, restarted: words.log.restarted, ended: words.log.ended }[entry.mark];
    return (
      <span className={styles.mark}>
        {text} · {moment(words.locale, entry.at, entry.at)}
      </span>
    );
  }
  const { line } = entry;
  const error = line.s === "stderr";
  return (
    <span className={error ? styles.stderr : undefined}>
      {times && <time className={styles.time}>{localTime(line.t)} </time>}
      {error && <span className="visually-hidden">{words.log.stderr}: </span>}
      {pieces(line.l).map((piece, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of a line never change
        <PieceView key={at} piece={piece} highlight={highlight} now={now} />
      ))}
    </span>
  );
});

function PieceView({ piece, highlight, now }: { piece: Piece; highlight: RegExp | null; now: boolean }) {
  const look = [piece.colour ? styles[piece.colour] : "", piece.bold ? styles.bold : ""].filter(Boolean).join(" ");
  if (!highlight) return look ? <span className={look}>{piece.text}</span> : piece.text;
  const parts: { text: string; hit: boolean }[] = [];
  let from = 0;
  for (const match of piece.text.matchAll(highlight)) {
    parts.push({ text: piece.text.slice(from, match.index), hit: false }, { text: match[0], hit: true });
    from = match.index + match[0].length;
  }
  parts.push({ text: piece.text.slice(from), hit: false });
  return (
    <span className={look || undefined}>
      {parts.map(({ text, hit }, at) =>
        hit ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a piece never change
          <mark key={at} data-now={now || undefined}>
            {text}
          </mark>
        ) : (
          text
        ),
      )}
    </span>
  );
}

/** Time of day with milliseconds, in the time zone of the reader; empty where the line has none. */
function localTime(text: string): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return "";
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

function save(buffer: LogBuffer, shown: readonly number[] | null, name: string) {
  const lines: string[] = [];
  const push = (entry: Entry | undefined) => {
    if (entry?.kind === "line")
      lines.push(entry.line.t ? `${entry.line.t} ${plain(entry.line.l)}` : plain(entry.line.l));
  };
  if (shown) for (const seq of shown) push(buffer.bySeq(seq));
  else for (let at = 0; at < buffer.length; at += 1) push(buffer.at(at));
  const url = URL.createObjectURL(new Blob([lines.join("\n"), "\n"], { type: "text/plain;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1_000);
}
